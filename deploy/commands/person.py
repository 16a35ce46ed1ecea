"""`fairpool person` and `fairpool operator-log`: for a complaint by phone, and what stays of such looks."""

import json
import os
import re
import sys
from datetime import timedelta
from typing import Annotated, Any

import typer

from deploy.commands.operator import Operator
from deploy.commands.terminal import HomeOption, JsonOption, fails_plainly, out, plain, table
from deploy.local import clockfile
from deploy.local.errors import StackError
from deploy.local.home import Home

_MOMENT = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(?:Z|\+00:00)$")
"""For people, to the second."""


@fails_plainly
def person(
    email: Annotated[str, typer.Option(help="The person's email address.")],
    reason: Annotated[
        str | None, typer.Option(help="Why you look; it is written down. Asked for in a terminal.")
    ] = None,
    home: HomeOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """What the network holds of a person, as states, ids and times: no name, no words. The look itself is written down.

    Exit codes: 0 found, 1 nobody has this address, or no reason was given.
    """
    if not reason:
        if not sys.stdin.isatty():
            raise StackError("expected --reason with why you look for this person; it is written down.")
        reason = typer.prompt("Why do you look for this person? (one line; it is written down)")
    operator = Operator(Home.at(home))
    found = operator.ask("POST", f"{operator.signup}/v1/people/look-up", json={"email": email, "reason": reason})
    outreach = (
        operator.ask("GET", f"{operator.gateway}/v1/people/{found['candidate']}/outreach")["items"]
        if operator.gateway
        else []
    )
    if as_json:
        out.print(json.dumps({**found, "outreach": outreach}))
        return
    facts = (
        "candidate",
        "state",
        "registered_at",
        "confirmed_at",
        "kept_until",
        "match_granted",
        "paused_until",
        "ends_at",
    )
    out.print("\n".join(f"{name:14} {_cell(found[name])}" for name in facts))
    _list("RECORDS OF VENDORS", found["claims"], ("vendor_name", "employer_name", "employer", "record", "claimed_at"))
    real = " (IN REAL TIME)" if _is_moved(Home.at(home)) else ""
    _list(f"EMAILS, NEWEST FIRST{real}", found["mails"], ("changed_at", "kind", "purpose", "employer_name", "state"))
    _list("OUTREACH, NEWEST FIRST", outreach, ("submitted_at", "id", "employer", "state", "rule", "until"))
    _say_which_clock(Home.at(home), "Times of emails are real time, all others the stack's.")


@fails_plainly
def operator_log(
    tenant: Annotated[str | None, typer.Option(help="Only what was done to this tenant.")] = None,
    home: HomeOption = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """What operators did and why, oldest first: to tenants, and whom they looked up."""
    operator = Operator(Home.at(home))
    items: list[dict[str, Any]] = []
    after: str | None = "0"
    while after is not None:
        params = {"after": after, **({"tenant": tenant} if tenant else {})}
        page = operator.ask("GET", f"{operator.signup}/v1/operator-log", params=params)
        items, after = [*items, *page["items"]], page["next"]
    if as_json:
        out.print(json.dumps(items))
        return
    _list("", items, ("at", "by", "act", "tenant", "candidate", "reason"))
    _say_which_clock(Home.at(home), "Acts by `fairpool tenants` are in real time, all others in the stack's.")


def _is_moved(home: Home) -> bool:
    """Whether a local stack runs here whose clock was moved; one that the environment names has no clock of its own."""
    is_local = not (os.environ.get("FAIRPOOL_OPERATOR_KEY") and os.environ.get("FAIRPOOL_SIGNUP_URL"))
    return is_local and clockfile.offset(home.clock_file) > timedelta()


def _say_which_clock(home: Home, which: str) -> None:
    """Two clocks stand side by side in what was printed, where the stack's was moved."""
    if _is_moved(home):
        ahead = timedelta(seconds=round(clockfile.offset(home.clock_file).total_seconds()))
        out.print(f"\n{which} The stack's clock is ahead by {ahead} (fairpool dev clock show).")


def _list(heading: str, items: list[dict[str, Any]], columns: tuple[str, ...]) -> None:
    rows = [tuple(name.upper().replace("_", " ") for name in columns)]
    rows += [tuple(_cell(item.get(name)) for name in columns) for item in items]
    if heading:
        out.print(f"\n{heading}")
    out.print(table(rows) if items else "none")


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else plain(_MOMENT.sub(r"\1Z", str(value)))
