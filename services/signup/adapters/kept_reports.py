"""What was told before its time, in PostgreSQL: sealed as it came, for a day at most."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import asyncpg
import structlog
from prometheus_client import Counter
from pydantic import ValidationError

from services.signup.decisions import quota
from services.signup.decisions.quota import MOST_KEPT, full, is_kept
from services.signup.model.people import Change, Record
from services.signup.model.reports import Deletion, KeptReport
from shared.contracts.signup import CandidateMergedV1, CandidateReportedV1
from shared.messaging.envelope import encode_as_it_is
from shared.messaging.unit import Unit
from shared.postgres.pool import Connection, Pool
from shared.postgres.queries import load

SQL = load(Path(__file__).parent / "kept_reports.sql")
_MERGED = "merged"
_DELETED = "deleted"
_log = structlog.get_logger(__name__)
KEPT_REPORTS_REFUSED = Counter(
    "fairpool_kept_reports_refused_total",
    "Reports of unknown records that were not kept, since their tenant has too many: by `edge` (429) or `topic` (left out).",
    ["at"],
)
for _place in ("edge", "topic"):
    KEPT_REPORTS_REFUSED.labels(_place)


class PostgresBacklog:
    """`ports.Backlog`, from an index that ends where the quota does."""

    def __init__(self, pool: Callable[[], Pool], *, most: int = MOST_KEPT) -> None:
        self._pool = pool
        self._most = most

    async def full(self, vendor: str) -> frozenset[Change]:
        """One statement."""
        (row,) = await self._pool().fetch(SQL["kept_of"], [vendor], 2 * self._most)
        return full(row["kept"], self._most)

    def note_refused(self, reports: int) -> None:
        """In the figures."""
        KEPT_REPORTS_REFUSED.labels("edge").inc(reports)


async def keep(connection: Connection, reports: Sequence[KeptReport], at: datetime) -> None:
    """One of each kind for a record: the later, by the vendor's clock where it says.

    Of a tenant that has filled twice its quota, by what came faster than it was handled, no more is kept.
    """
    reports = await _with_room(connection, reports) if reports else ()
    if not reports:
        return
    await connection.execute(
        SQL["keep"],
        at,
        [one.event.vendor for one in reports],
        [one.event.record for one in reports],
        [one.event.employer or "" for one in reports],
        [_kind(one) for one in reports],
        [one.id for one in reports],
        [one.event.model_dump_json() for one in reports],
        [one.happened_at for one in reports],
        [one.waits_for for one in reports],
        [one.counted for one in reports],
    )


async def _with_room(connection: Connection, reports: Sequence[KeptReport]) -> Sequence[KeptReport]:
    vendors, most = sorted({one.event.vendor for one in reports}), 2 * quota.MOST_KEPT
    counts = {row["vendor"]: row["kept"] for row in await connection.fetch(SQL["kept_of"], vendors, 2 * most)}
    kept = [one for one in reports if one.counted or is_kept(one.change, counts[one.event.vendor], most)]
    if left_out := len(reports) - len(kept):
        KEPT_REPORTS_REFUSED.labels("topic").inc(left_out)
        _log.warning("kept_reports_full", left_out=left_out)
    return kept


async def take_kept(unit: Unit, records: Sequence[Record], since: datetime) -> list[KeptReport]:
    """What was kept of these records since then, out of the table, in the order in which it happened or came."""
    if not records:
        return []
    return _reports(unit, await unit.connection.fetch(SQL["take_kept"], *_columns(records), since))


async def deletions(connection: Connection, records: Sequence[Record], since: datetime) -> list[Deletion]:
    """Those that these records had since then."""
    return [Deletion(**dict(row)) for row in await connection.fetch(SQL["deletions"], *_columns(records), since)]


async def count_deletions(connection: Connection, records: Sequence[tuple[Record, str]], at: datetime) -> None:
    """The deletions of these records and employers are only remembered from now on, for a day."""
    if records:
        await connection.execute(SQL["count_deletions"], at, *_with_employers(records))


async def forget_told_before(connection: Connection, deleted: Mapping[tuple[Record, str], datetime | None]) -> None:
    """What is kept of these records and employers, but for deletions: all, or what is no later by the vendor's clock."""
    if deleted:
        columns = _with_employers(list(deleted))
        await connection.execute(SQL["forget_told_before"], *columns, list(deleted.values()))


async def release(unit: Unit, *, limit: int) -> list[KeptReport]:
    """What waited for somebody who does not lapse any more, out of the table."""
    return _reports(unit, await unit.connection.fetch(SQL["release"], limit))


async def forget_kept(connection: Connection, before: datetime, *, limit: int) -> int:
    """What was kept before; how many."""
    return len(await connection.fetch(SQL["forget_kept"], before, limit))


def _columns(records: Sequence[Record]) -> tuple[list[str], list[str]]:
    return [vendor for vendor, _ in records], [record for _, record in records]


def _with_employers(records: Sequence[tuple[Record, str]]) -> tuple[list[str], list[str], list[str]]:
    vendors, names = _columns([record for record, _ in records])
    return vendors, names, [employer for _, employer in records]


def _kind(one: KeptReport) -> str:
    if one.counted:
        return _DELETED
    return _MERGED if isinstance(one.event, CandidateMergedV1) else one.event.change


def _reports(unit: Unit, rows: Sequence[asyncpg.Record]) -> list[KeptReport]:
    """In their order. One that this version can't read holds up none of them: it leaves as it was kept, and whoever reads the
    topic sets it aside with its reason.
    """
    found = []
    for row in sorted(rows, key=lambda row: row["happened_at"] or row["kept_at"]):
        kind = CandidateMergedV1 if row["kind"] == _MERGED else CandidateReportedV1
        try:
            found.append(KeptReport(row["id"], kind.model_validate_json(row["event"])))
        except ValidationError:
            _log.warning("kept_report_unreadable", kind=row["kind"])
            key = f"{row['vendor']}:{row['record']}".encode()
            unit.write(encode_as_it_is(kind, key, row["event"], source=unit.source, at=unit.at))
    return found
