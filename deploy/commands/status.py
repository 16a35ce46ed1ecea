"""`fairpool status`: what the supervisor knows of each part, and what each process says of itself now."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from signal import Signals
from typing import Annotated, NoReturn

import typer

from deploy import figures
from deploy.commands.terminal import HomeOption, JsonOption, fails_plainly, out, table
from deploy.figures import Figures, Told
from deploy.local import holds, state
from deploy.local.errors import NotRunningError
from deploy.local.home import Home
from deploy.local.last_words import last_failure
from deploy.local.services import NAMES, process_of, url
from deploy.local.state import Ended, PartPhase, PartState, StackState
from deploy.local.supervisor import ASKED_TO_END

_HEADINGS = ("LAG", "OUTBOX", "DUE", "HOLDS")


@dataclass(frozen=True, slots=True)
class _Seen:
    """A part as it is now."""

    part: PartState
    state: str
    why: str | None
    """Why it is not ready, if that is known."""
    figures: Figures | None


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

    STATE: ready; unready (it answers, and something it needs is away); closed (its database was restored, and it waits for who was
    erased since); silent (it does not answer within 3 s); starting;
    crashed (it is started again in a moment); stopped. Why stands below the table.

    ROLE, with --at: what the process is there for (all, edge, worker, pages).

    LAG: records that wait on its topics. OUTBOX: rows that Kafka does not have yet, and the age of the oldest. DUE: how
    long the oldest due outreach has waited. HOLDS: what waits, and for what; of the gateway's windows also how far they are
    being built anew.
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
    told = asyncio.run(figures.ask_all(ours))
    seen = [_seen(place, part, told.get(part.name)) for part in found.parts]
    shown = _as_json if as_json else _as_table
    out.print(shown(found, seen, supervised=supervised))
    well = supervised and all(item.state == PartPhase.READY for item in seen)
    raise typer.Exit(0 if well else 1)


def _status_at(urls: list[str], *, as_json: bool) -> NoReturn:
    told = asyncio.run(figures.ask_all({address: address.rstrip("/") for address in urls}))
    if as_json:
        parts = [
            {"name": name, "state": item.health, "why": item.why} | _figures(item.figures)
            for name, item in told.items()
        ]
        out.print(json.dumps({"parts": parts}))
    else:
        rows: list[tuple[str, ...]] = [("PROCESS", "ROLE", "STATE", *_HEADINGS)]
        rows += [
            (name, item.figures.role if item.figures else "-", item.health, *_cells(item.figures))
            for name, item in told.items()
        ]
        reasons = [f"{name} is {item.health}: {item.why}" for name, item in told.items() if item.why]
        reasons += _ahead({name: item.figures for name, item in told.items()})
        out.print("\n".join([table(rows), *_below(reasons)]))
    raise typer.Exit(0 if all(item.health == "ready" for item in told.values()) else 1)


def _seen(place: Home, part: PartState, told: Told | None) -> _Seen:
    figures_now = told.figures if told else None
    if told is not None and told.health == "closed":  # not ready since it was started, and no failure
        return _Seen(part, told.health, told.why, figures_now)
    if part.phase is PartPhase.CRASHED and holds.is_held(place, part.name):
        return _Seen(
            part, "stopped", "`fairpool restore` stopped it, and starts it again once its database is in place", None
        )
    if part.phase is PartPhase.CRASHED or (part.phase is PartPhase.STARTING and part.restarts):
        return _Seen(part, part.phase, _last_words(place, part), figures_now)
    if part.process is None or not part.process.alive():
        return _Seen(part, "stopped", None, None)
    if part.process.frozen():
        return _Seen(part, "silent", "it is stopped by a signal (SIGSTOP); SIGCONT lets it go on", figures_now)
    if told is None or part.phase is not PartPhase.READY:
        return _Seen(part, part.phase, None, figures_now)
    return _Seen(part, told.health, told.why, figures_now)


def _last_words(place: Home, part: PartState) -> str:
    log = place.log_of(part.name)
    last = part.ended or (part.process if part.phase is PartPhase.CRASHED else None)  # else it is of the next one
    found = last_failure(log, since=last.started if last else 0.0)
    if found is not None:
        return f"{_ago(found[1])} it failed: {found[0]}"
    return f"{_how(part.ended)}; see {log}"


def _how(ended: Ended | None) -> str:
    if ended is None:
        return "it did not say why it ended"
    if ended.code == 0:
        return "it ended with exit code 0, as it does when it is told to stop"
    if ended.code in ASKED_TO_END:
        return "it was told to stop (SIGTERM), and did"
    if ended.code < 0:
        return f"it was killed by signal {-ended.code} ({Signals(-ended.code).name})"
    return f"it ended with exit code {ended.code} and did not say why"


def _as_json(found: StackState, seen: Sequence[_Seen], *, supervised: bool) -> str:
    parts = [
        {
            "name": item.part.name,
            "state": item.state,
            "why": item.why,
            "pid": item.part.process.pid if item.part.process else None,
            "port": item.part.port,
            "restarts": item.part.restarts,
            "since": item.part.since.isoformat().replace("+00:00", "Z"),
            **_figures(item.figures),
        }
        for item in seen
    ]
    return json.dumps({"phase": found.phase if supervised else "unsupervised", "error": found.error, "parts": parts})


def _as_table(found: StackState, seen: Sequence[_Seen], *, supervised: bool) -> str:
    rows: list[tuple[str, ...]] = [("PART", "STATE", "PID", "PORT", "RESTARTS", "SINCE", *_HEADINGS)]
    rows += [
        (
            item.part.name,
            item.state,
            str(item.part.process.pid) if item.part.process and item.part.process.alive() else "-",
            str(item.part.port),
            str(item.part.restarts),
            _ago(item.part.since),
            *_cells(item.figures),
        )
        for item in seen
    ]
    reasons = [f"{item.part.name} is {item.state}: {item.why}" for item in seen if item.why]
    reasons += _ahead({item.part.name: item.figures for item in seen})
    lines = [table(rows), *_below(reasons)]
    if found.error:
        lines.append(f"\nthe stack stopped: {found.error}")
    elif not supervised:
        lines.append("\nthe supervisor was killed; `fairpool down` ends what it left")
    return "\n".join(lines)


def _ahead(found: Mapping[str, Figures | None]) -> list[str]:
    """A line for each topic that has what its owner's rows have forgotten."""
    return [
        f"{name}: the topic {topic} is ahead of its rows ({count:,} of its keys at the last read-back); "
        "after a restore let nobody in; what to do: docs/watching.md#fairpooltopicahead"
        for name, figures_now in found.items()
        if figures_now
        for topic, count in sorted(figures_now.ahead.items())
    ]


def _below(reasons: Sequence[str]) -> list[str]:
    return ["", *reasons] if reasons else []


def _figures(found: Figures | None) -> dict[str, object]:
    if found is None:
        return {}
    return {
        "role": found.role,
        "lag": dict(found.lag),
        "outbox_rows": found.outbox_rows,
        "outbox_age_seconds": found.outbox_age,
        "oldest_due_seconds": found.oldest_due,
        "dead_letters": found.dead_letters,
        "holds": list(found.holds),
        "windows": found.windows,
        "topics_ahead": dict(found.ahead),
    }


def _cells(found: Figures | None) -> tuple[str, ...]:
    if found is None:
        return ("-",) * len(_HEADINGS)
    outbox = f"{found.outbox_rows}, {_span(found.outbox_age)}" if found.outbox_rows else "0"
    due = "-" if found.oldest_due is None else _span(found.oldest_due)
    held = [*found.holds, *([found.windows] if found.windows else [])]
    return str(sum(found.lag.values())), outbox, due, "; ".join(held) or "-"


def _ago(moment: datetime) -> str:
    return f"{_span((datetime.now(UTC) - moment).total_seconds())} ago"


def _span(length: float) -> str:
    seconds = int(length)
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
