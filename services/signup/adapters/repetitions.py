"""Which reports are news: an id that comes again is a repetition, or a conflict when it says something else."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from services.signup.adapters.intake_keys import IntakeKeys
from services.signup.model.reports import Report
from shared.messaging.unit import Unit
from shared.postgres.queries import load

SQL = load(Path(__file__).parent / "queries.sql")
Outcome = Literal["accepted", "duplicate", "conflict"]
_Key = tuple[str, bytes]


async def note(unit: Unit, reports: Sequence[Report], keys: IntakeKeys) -> list[Outcome]:
    """Notes the reports and says of each what it is, in their order.

    One round trip; one more for repetitions, and one for each further report of a record in the same batch.
    """
    contents = [keys.digest(report.content) for report in reports]
    first: dict[_Key, int] = {}
    for place, report in enumerate(reports):
        first.setdefault((report.vendor, report.mark), place)
    records = [_record(reports[place]) for place in first.values()]
    rows = await unit.connection.fetch(
        SQL["note_intake"],
        unit.at,
        [vendor for vendor, _ in first],
        [mark for _, mark in first],
        [contents[place] for place in first.values()],
        [None if record is None else record[1] for record in records],
    )
    fresh = {(row["vendor"], row["event_digest"]): row["says_something_new"] for row in rows}
    known: dict[_Key, bytes | None] = {key: contents[place] for key, place in first.items()}
    known |= await _known(unit, first.keys() - fresh.keys())
    outcomes: list[Outcome] = []
    for place, (report, content) in enumerate(zip(reports, contents, strict=True)):
        key = report.vendor, report.mark
        if key in fresh and first[key] == place:
            outcomes.append("duplicate" if fresh[key] is False else "accepted")
        else:
            outcomes.append("duplicate" if known[key] in (None, content) else "conflict")
    further = sorted(first[key] for key, is_new in fresh.items() if is_new is None)
    await _note_last(unit, {place: reports[place] for place in further}, contents, outcomes)
    return outcomes


def _record(report: Report) -> _Key | None:
    """What the last word of a record is kept by; None for a report whose id alone says whether it came before."""
    return (report.vendor, hashlib.sha256(report.record.encode()).digest()) if report.by_content else None


async def _known(unit: Unit, keys: Iterable[_Key]) -> Mapping[_Key, bytes | None]:
    wanted = sorted(keys)
    if not wanted:
        return {}
    rows = await unit.connection.fetch(
        SQL["read_intake"], [vendor for vendor, _ in wanted], [mark for _, mark in wanted]
    )
    return {(row["vendor"], row["event_digest"]): row["content_digest"] for row in rows}


async def _note_last(
    unit: Unit, reports: Mapping[int, Report], contents: Sequence[bytes], outcomes: list[Outcome]
) -> None:
    """Of further reports of a record, one after the other, those that say what the one before said are repetitions."""
    waves: list[dict[_Key, int]] = []
    for place, report in reports.items():
        if (key := _record(report)) is not None:
            wave = next((one for one in waves if key not in one), None)
            if wave is None:
                waves.append(wave := {})
            wave[key] = place
    for wave in waves:
        rows = await unit.connection.fetch(
            SQL["note_last_of_record"],
            unit.at,
            [vendor for vendor, _ in wave],
            [record for _, record in wave],
            [contents[place] for place in wave.values()],
        )
        changed = {(row["vendor"], row["record_digest"]) for row in rows}
        for key, place in wave.items():
            if key not in changed:
                outcomes[place] = "duplicate"
