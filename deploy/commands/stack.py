"""`fairpool status` and `fairpool down`."""

import json
from datetime import UTC, datetime

import typer

from deploy.commands.terminal import HomeOption, JsonOption, fails_plainly, out, table
from deploy.local import launch, state
from deploy.local.errors import NotRunningError
from deploy.local.home import Home
from deploy.local.state import PartPhase, PartState, StackState


@fails_plainly
def status(home: HomeOption = None, *, as_json: JsonOption = False) -> None:
    """Show each part of the local stack. Exit codes: 0 all ready, 1 something is not, 8 nothing runs."""
    place = Home.at(home)
    found = state.read(place)
    if found is None:
        if as_json:
            out.print(json.dumps({"phase": "stopped", "parts": []}))
            raise typer.Exit(NotRunningError.exit_code)
        raise NotRunningError(f"expected a running stack in {place.root}, found none. Start one with `fairpool dev`.")
    supervised = found.supervisor.alive()
    out.print(_as_json(found, supervised=supervised) if as_json else _as_table(found, supervised=supervised))
    well = supervised and all(part.phase is PartPhase.READY for part in found.parts)
    raise typer.Exit(0 if well else 1)


@fails_plainly
def down(home: HomeOption = None) -> None:
    """Stop the local stack and wait until it has stopped; nothing running is no error."""
    place = Home.at(home)
    stopped = launch.stop(place)
    out.print(f"stopped: {', '.join(stopped)}" if stopped else f"nothing was running in {place.root}")


def _as_json(found: StackState, *, supervised: bool) -> str:
    parts = [
        {
            "name": part.name,
            "state": _phase(part),
            "pid": part.process.pid if part.process else None,
            "port": part.port,
            "restarts": part.restarts,
            "since": part.since.isoformat().replace("+00:00", "Z"),
        }
        for part in found.parts
    ]
    return json.dumps({"phase": found.phase if supervised else "unsupervised", "error": found.error, "parts": parts})


def _as_table(found: StackState, *, supervised: bool) -> str:
    rows = [("PART", "STATE", "PID", "PORT", "RESTARTS", "SINCE")]
    for part in found.parts:
        pid = str(part.process.pid) if part.process and part.process.alive() else "-"
        rows.append((part.name, _phase(part), pid, str(part.port), str(part.restarts), _ago(part.since)))
    lines = [table(rows)]
    if found.error:
        lines.append(f"\nthe stack stopped: {found.error}")
    elif not supervised:
        lines.append("\nthe supervisor was killed; `fairpool down` ends what it left")
    return "\n".join(lines)


def _phase(part: PartState) -> str:
    return part.phase if (part.process and part.process.alive()) or part.phase is PartPhase.CRASHED else "stopped"


def _ago(moment: datetime) -> str:
    seconds = int((datetime.now(UTC) - moment).total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"
