"""`fairpool status` and `fairpool down`."""

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, NoReturn

import typer

from deploy import figures
from deploy.commands.terminal import HomeOption, JsonOption, fails_plainly, out, table
from deploy.figures import Figures
from deploy.local import launch, state
from deploy.local.errors import NotRunningError
from deploy.local.home import Home
from deploy.local.services import NAMES, process_of, url
from deploy.local.state import PartPhase, PartState, StackState

Told = Mapping[str, Figures | None]
_HEADINGS = ("LAG", "OUTBOX", "DUE", "HOLDS")


@fails_plainly
def status(
    home: HomeOption = None,
    at: Annotated[
        list[str] | None,
        typer.Option("--at", metavar="URL", help="Ask this process, not the local stack; several times for several."),
    ] = None,
    *,
    as_json: JsonOption = False,
) -> None:
    """Show each part of the local stack, with lag and ages. Exit codes: 0 all ready, 1 something is not, 8 nothing runs.

    LAG: records that wait on its topics. OUTBOX: rows that Kafka does not have yet, and the age of the oldest. DUE: how
    long the oldest due outreach has waited.
    """
    if at:
        _status_at(at, as_json=as_json)
    place = Home.at(home)
    found = state.read(place)
    if found is None:
        if as_json:
            out.print(json.dumps({"phase": "stopped", "parts": []}))
            raise typer.Exit(NotRunningError.exit_code)
        raise NotRunningError(f"expected a running stack in {place.root}, found none. Start one with `fairpool dev`.")
    supervised = found.supervisor.alive()
    ours = {part.name: url(part.port) for part in found.parts if process_of(part.name) in NAMES}
    told = asyncio.run(figures.read_all(ours))
    shown = _as_json if as_json else _as_table
    out.print(shown(found, told, supervised=supervised))
    well = supervised and all(part.phase is PartPhase.READY for part in found.parts)
    raise typer.Exit(0 if well else 1)


@fails_plainly
def down(home: HomeOption = None) -> None:
    """Stop the local stack and wait until it has stopped; nothing running is no error."""
    place = Home.at(home)
    stopped = launch.stop(place)
    out.print(f"stopped: {', '.join(stopped)}" if stopped else f"nothing was running in {place.root}")


def _status_at(urls: list[str], *, as_json: bool) -> NoReturn:
    told = asyncio.run(figures.read_all({address: address.rstrip("/") for address in urls}))
    if as_json:
        parts = [
            {"name": name, "state": "ready" if found else "silent"} | _figures(found) for name, found in told.items()
        ]
        out.print(json.dumps({"parts": parts}))
    else:
        rows: list[tuple[str, ...]] = [("PROCESS", "STATE", *_HEADINGS)]
        rows += [(name, "answers" if found else "silent", *_cells(found)) for name, found in told.items()]
        out.print(table(rows))
    raise typer.Exit(0 if all(told.values()) else 1)


def _as_json(found: StackState, told: Told, *, supervised: bool) -> str:
    parts = [
        {
            "name": part.name,
            "state": _phase(part),
            "pid": part.process.pid if part.process else None,
            "port": part.port,
            "restarts": part.restarts,
            "since": part.since.isoformat().replace("+00:00", "Z"),
            **_figures(told.get(part.name)),
        }
        for part in found.parts
    ]
    return json.dumps({"phase": found.phase if supervised else "unsupervised", "error": found.error, "parts": parts})


def _as_table(found: StackState, told: Told, *, supervised: bool) -> str:
    rows: list[tuple[str, ...]] = [("PART", "STATE", "PID", "PORT", "RESTARTS", "SINCE", *_HEADINGS)]
    for part in found.parts:
        pid = str(part.process.pid) if part.process and part.process.alive() else "-"
        rows.append(
            (
                part.name,
                _phase(part),
                pid,
                str(part.port),
                str(part.restarts),
                _ago(part.since),
                *_cells(told.get(part.name)),
            )
        )
    lines = [table(rows)]
    if found.error:
        lines.append(f"\nthe stack stopped: {found.error}")
    elif not supervised:
        lines.append("\nthe supervisor was killed; `fairpool down` ends what it left")
    return "\n".join(lines)


def _figures(found: Figures | None) -> dict[str, object]:
    if found is None:
        return {}
    return {
        "lag": dict(found.lag),
        "outbox_rows": found.outbox_rows,
        "outbox_age_seconds": found.outbox_age,
        "oldest_due_seconds": found.oldest_due,
        "dead_letters": found.dead_letters,
        "holds": list(found.holds),
    }


def _cells(found: Figures | None) -> tuple[str, ...]:
    if found is None:
        return ("-",) * len(_HEADINGS)
    outbox = f"{found.outbox_rows}, {_span(found.outbox_age)}" if found.outbox_rows else "0"
    due = "-" if found.oldest_due is None else _span(found.oldest_due)
    return str(sum(found.lag.values())), outbox, due, "; ".join(found.holds) or "-"


def _phase(part: PartState) -> str:
    return part.phase if (part.process and part.process.alive()) or part.phase is PartPhase.CRASHED else "stopped"


def _ago(moment: datetime) -> str:
    return f"{_span((datetime.now(UTC) - moment).total_seconds())} ago"


def _span(length: float) -> str:
    seconds = int(length)
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
