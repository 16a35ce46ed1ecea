"""Which reports are news: an id that comes again is a repetition, or a conflict when it says something else."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from services.signup.adapters.intake_keys import IntakeKeys
from services.signup.model import Report
from shared.messaging.unit import Unit
from shared.postgres.queries import load

SQL = load(Path(__file__).parent / "queries.sql")
Outcome = Literal["accepted", "duplicate", "conflict"]
_Key = tuple[str, bytes]


async def note(unit: Unit, reports: Sequence[Report], keys: IntakeKeys) -> list[Outcome]:
    """Notes the reports and says of each what it is, in their order; two round trips, and one more for repetitions."""
    contents = [keys.digest(report.content) for report in reports]
    first: dict[_Key, bytes] = {}
    for report, content in zip(reports, contents, strict=True):
        first.setdefault((report.vendor, report.mark), content)
    rows = await unit.connection.fetch(
        SQL["note_intake"],
        unit.at,
        [vendor for vendor, _ in first],
        [mark for _, mark in first],
        list(first.values()),
    )
    fresh = {(row["vendor"], row["event_digest"]) for row in rows}
    known = {**first, **await _known(unit, first.keys() - fresh)}
    outcomes: list[Outcome] = []
    for report, content in zip(reports, contents, strict=True):
        key = report.vendor, report.mark
        if key in fresh:
            fresh.remove(key)
            outcomes.append("accepted")
        else:
            outcomes.append("duplicate" if known[key] in (None, content) else "conflict")
    await _note_last(unit, reports, contents, outcomes)
    return outcomes


async def _known(unit: Unit, keys: Iterable[_Key]) -> Mapping[_Key, bytes | None]:
    wanted = sorted(keys)
    if not wanted:
        return {}
    rows = await unit.connection.fetch(
        SQL["read_intake"], [vendor for vendor, _ in wanted], [mark for _, mark in wanted]
    )
    return {(row["vendor"], row["event_digest"]): row["content_digest"] for row in rows}


async def _note_last(unit: Unit, reports: Sequence[Report], contents: Sequence[bytes], outcomes: list[Outcome]) -> None:
    """Of new webhooks, those that say what the last one of their record said are repetitions."""
    waves: list[dict[_Key, int]] = []
    for place, report in enumerate(reports):
        if report.by_content and outcomes[place] == "accepted":
            key = report.vendor, hashlib.sha256(report.record.encode()).digest()
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
