"""`fairpool vault`: the epochs of the vault, and their rotation."""

import json
import time
from typing import Annotated, Any

import typer

from deploy.commands.operator import Operator
from deploy.commands.terminal import HomeOption, JsonOption, YesOption, err, fails_plainly, must_be_sure, out, table
from deploy.local.home import Home

app = typer.Typer(help="The keys of what says who a person is.", no_args_is_help=True)
_LOOKS_EVERY = 1.0


@app.command()
@fails_plainly
def status(home: HomeOption = None, *, as_json: JsonOption = False) -> None:
    """The epochs of the vault, and how far a rotation is. Exit code 1 where the keeper lost a key, or does not answer."""
    operator = Operator(Home.at(home))
    found = operator.ask("GET", f"{operator.signup}/v1/vault")
    _show(found, as_json=as_json)
    if found["keeper_away"] or any(one["lost"] or one["in_memory_alone"] for one in found["epochs"]):
        raise typer.Exit(1)


@app.command()
@fails_plainly
def rotate(
    home: HomeOption = None,
    *,
    detach: Annotated[bool, typer.Option("--detach", help="Ask for it and don't wait.")] = False,
    give_up_lost: Annotated[
        bool,
        typer.Option(
            "--give-up-lost",
            help="Go past epochs whose keys are lost: what was sealed under them is never opened again.",
        ),
    ] = False,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Seal everything under a new epoch key and destroy the old ones; backups from before can't be opened then.

    It goes on in signup's workers, whether this command waits or not; asked again, it is the same one. Exit code 1 where the
    keeper lost a key, which no rotation goes past.
    """
    operator = Operator(Home.at(home))
    must_be_sure("Destroy the vault's keys of until now? No backup from before can be opened then", yes=yes)
    found = operator.ask("POST", f"{operator.signup}/v1/vault/rotations", json={"give_up_lost": give_up_lost})
    said = None
    while (
        not detach
        and found["rotation"]["state"] != "done"
        and (give_up_lost or not any(one["lost"] for one in found["epochs"]))
    ):
        if not as_json and (now := _progress(found["rotation"])) != said:
            err.print(now)
            said = now
        time.sleep(_LOOKS_EVERY)
        found = operator.ask("GET", f"{operator.signup}/v1/vault")
    _show(found, as_json=as_json)
    if any(one["lost"] for one in found["epochs"]):
        raise typer.Exit(1)


def _progress(rotation: dict[str, Any]) -> str:
    if rotation["state"] != "rewrapping":
        return f"into epoch {rotation['into_epoch']}: {rotation['state']}"
    left = f"{rotation['left']}" if rotation["left"] < 100_000 else "100,000 or more"
    return f"into epoch {rotation['into_epoch']}: {rotation['rewrapped']} identities rewrapped, {left} left"


def _state(epoch: dict[str, Any]) -> str:
    if epoch["lost"]:
        return "LOST: its keeper has no such key"
    if epoch["in_memory_alone"]:
        return "LOST AT ITS KEEPER, still in memory: restart nothing, bring it back there or run `fairpool vault rotate` NOW"
    return ""


def _show(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        out.print(json.dumps(found))
        return
    rows: list[tuple[str, ...]] = [("EPOCH", "KEY", "MADE AT", "")]
    rows += [
        (
            str(one["epoch"]),
            one["name"],
            one["made_at"] or "-",
            _state(one),
        )
        for one in found["epochs"]
    ]
    out.print(table(rows))
    if found["keeper_away"]:
        out.print(
            "the keeper of the keys does not answer: this is what signup has in memory, and a process that starts now opens nothing"
        )
    rotation = found["rotation"]
    if rotation is None:
        out.print("no rotation yet")
        return
    unreadable = f"; {rotation['unreadable']} did not open before either" if rotation["unreadable"] else ""
    out.print(f"{_progress(rotation)}, asked by {rotation['asked_by']} at {rotation['asked_at']}{unreadable}")
    for name in rotation["sources_shut"]:
        out.print(
            f"{name}: its secret did not open, so nothing is taken there. Set another: fairpool sources rotate {name.replace('/', ' ')}"
        )
    for day in rotation["days_forgotten"]:
        out.print(
            f"intake key of {day}: did not open and is forgotten. Reports of that day that were not handled end among the dead letters of ats-events; ask the vendors for them again."
        )
