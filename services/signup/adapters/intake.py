"""The way onto the bus: recognised, sealed, committed with its outbox row, and acknowledged by Kafka."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import date, timedelta
from pathlib import Path
from typing import Protocol

from services.signup.adapters.intake_keys import IntakeKeys
from services.signup.model import Report, Taken
from services.signup.vault.intake import seal_told
from shared.contracts.signup import CandidateReportedV1
from shared.messaging.errors import WillHealError
from shared.messaging.unit import Unit
from shared.postgres.pool import Pool
from shared.postgres.queries import load

SQL = load(Path(__file__).parent / "queries.sql")


class HasPublished(Protocol):
    """`Relay.has_published`."""

    def __call__(self, outbox_ids: Sequence[int], *, within: timedelta) -> Awaitable[bool]:
        """Whether Kafka has acknowledged these rows by then."""


class PostgresIntake:
    """`ports.Intake`: one transaction for what one request brought."""

    def __init__(
        self,
        pool: Callable[[], Pool],
        work: Callable[[], AbstractAsyncContextManager[Unit]],
        has_published: HasPublished,
        keys: IntakeKeys,
        *,
        publish_within: timedelta,
    ) -> None:
        self._pool = pool
        self._work = work
        self._has_published = has_published
        self._keys = keys
        self._publish_within = publish_within

    async def take(self, reports: Sequence[Report]) -> Taken:
        """Returns once Kafka has the reports; raises what heals when it does not, or the database does not answer.

        After a failure the reports may have been kept: sent again they are duplicates, and nothing is lost or twice.
        """
        if not reports:
            return Taken(accepted=0, duplicates=0)
        day = reports[0].at.date()
        key = await self._keys.for_day(self._pool(), day)
        async with self._work() as unit:
            rows = await unit.connection.fetch(
                SQL["note_intake"],
                unit.at,
                [report.vendor for report in reports],
                [report.digest for report in reports],
            )
            fresh = {row["event_digest"] for row in rows}
            accepted = 0
            for report in reports:
                if report.digest in fresh:
                    fresh.discard(report.digest)
                    accepted += 1
                    unit.publish(_event(report, day, key), id=report.digest.hex())
        if unit.outbox_ids and not await self._has_published(unit.outbox_ids, within=self._publish_within):
            raise WillHealError("Kafka has not acknowledged the reports in time")
        return Taken(accepted, duplicates=len(reports) - accepted)


def _event(report: Report, day: date, key: bytes) -> CandidateReportedV1:
    is_empty = report.told.person is None and report.told.profile is None
    plain = report.told.model_dump_json(exclude_none=True).encode()
    return CandidateReportedV1(
        vendor=report.vendor,
        record=report.record,
        employer=report.employer,
        change=report.change,
        reported_at=report.at,
        intake_key=day,
        sealed="" if is_empty else seal_told(key, plain, vendor=report.vendor, record=report.record),
    )
