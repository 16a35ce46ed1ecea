"""The way onto the bus: recognized, sealed, and acknowledged by Kafka before it is kept that they came.

No row of the outbox stands between: whoever sent a report waits, and sends it again unless it was answered. So Kafka has
it first and the transaction is committed then; a report that Kafka has and nobody answered comes again under the same id.
"""

import asyncio
import hashlib
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice
from typing import Protocol

from services.signup.adapters.intake_keys import IntakeKeys
from services.signup.adapters.repetitions import Outcome, note
from services.signup.model.reports import Report, Taken
from services.signup.vault.intake import seal_told
from shared.contracts.signup import CandidateMergedV1, CandidateReportedV1
from shared.messaging.envelope import Outgoing
from shared.messaging.errors import TransientError, is_transient
from shared.messaging.unit import Unit
from shared.postgres.pool import Pool
from shared.web import request_ids

_WRITERS = 2
"""Transactions at once: while one waits for Kafka, the other writes. With more, each would hold fewer requests and cost as much."""
_TOGETHER = 500
"""Reports in one transaction, and what the last request brings."""


class Kafka(Protocol):
    """`Producer`."""

    def must_answer(self) -> Awaitable[None]:
        """Raises a transient error when no broker answers."""

    def send(self, records: Sequence[Outgoing]) -> Awaitable[None]:
        """Returns once Kafka has all of them; raises a transient error when it has not, and nothing of them leaves later."""


@dataclass(slots=True)
class _Request:
    """Reports that somebody waits for."""

    reports: Sequence[Report]
    answer: asyncio.Future[Taken]


class PostgresIntake:
    """`ports.Intake`: requests that come at the same time share a transaction and a batch for Kafka.

    A transaction for each would cost twenty times as much. While no broker answers, no connection is taken.
    """

    def __init__(
        self,
        pool: Callable[[], Pool],
        work: Callable[[], AbstractAsyncContextManager[Unit]],
        kafka: Callable[[], Kafka],
        keys: IntakeKeys,
        *,
        publish_within: timedelta,
    ) -> None:
        self._pool = pool
        self._work = work
        self._kafka = kafka
        self._keys = keys
        self._publish_within = publish_within
        self._waiting: deque[_Request] = deque()
        self._writing = 0
        self._writers: set[asyncio.Task[None]] = set()

    async def take(self, reports: Sequence[Report]) -> Taken:
        """Returns once Kafka has the reports; raises a transient error when it does not, or the database does not answer.

        After a failure Kafka may have them all the same: sent again they have the same ids, and who reads takes each once.
        """
        if not reports:
            return Taken(accepted=0, duplicates=0)
        request = _Request(reports, asyncio.get_running_loop().create_future())
        self._waiting.append(request)
        if self._writing < _WRITERS:
            self._writing += 1
            writer = asyncio.create_task(self._write_waiting())
            self._writers.add(writer)
            writer.add_done_callback(self._writers.discard)
        return await request.answer

    async def _write_waiting(self) -> None:
        request_ids.forget()  # it writes for many
        try:
            while self._waiting:
                together: list[_Request] = []
                while self._waiting and sum(len(one.reports) for one in together) < _TOGETHER:
                    request = self._waiting.popleft()
                    if not request.answer.done():  # whoever left while Kafka was away sends again
                        together.append(request)
                if together:
                    await self._answer(together)
        finally:
            self._writing -= 1  # in the turn that saw nobody waiting: whoever comes next starts another

    async def _answer(self, together: Sequence[_Request]) -> None:
        try:
            taken = await self._write([one.reports for one in together])
        except Exception as error:  # noqa: BLE001 - whoever waits is told
            if len(together) > 1 and not is_transient(error):
                for one in together:  # one request's fault is not the others'
                    await self._answer([one])
                return
            for one in together:
                if not one.answer.done():
                    one.answer.set_exception(error)
            return
        for one, result in zip(together, taken, strict=True):
            if not one.answer.done():  # a client may have left
                one.answer.set_result(result)

    async def _write(self, requests: Sequence[Sequence[Report]]) -> list[Taken]:
        reports = [report for request in requests for report in request]
        day = reports[0].at.date()
        key = await self._keys.for_day(self._pool(), day)
        await self._in_time(self._kafka().must_answer())
        async with self._work() as unit:
            outcomes = await note(unit, reports, self._keys)
            for report, outcome in zip(reports, outcomes, strict=True):
                if outcome == "accepted":
                    unit.publish(_event(report, day, key), id=self._id_of(report))
            await self._in_time(unit.publish_now(self._kafka().send))
        each = iter(outcomes)
        return [_taken(list(islice(each, len(request)))) for request in requests]

    def _id_of(self, report: Report) -> str:
        # Its content is in it: where Kafka has what was not answered, other content that comes under the same id is news.
        named = report.vendor.encode() + b"\n" + report.mark + self._keys.digest(report.content)
        return hashlib.sha256(named).hexdigest()

    async def _in_time(self, answer: Awaitable[None]) -> None:
        try:
            async with asyncio.timeout(self._publish_within.total_seconds()):
                await answer
        except TimeoutError as error:
            raise TransientError("Kafka has not acknowledged the reports in time") from error


def _taken(outcomes: Sequence[Outcome]) -> Taken:
    conflicts = tuple(place for place, outcome in enumerate(outcomes) if outcome == "conflict")
    return Taken(outcomes.count("accepted"), outcomes.count("duplicate"), conflicts)


def _event(report: Report, day: date, key: bytes) -> CandidateReportedV1 | CandidateMergedV1:
    if report.change == "merged":
        return CandidateMergedV1(
            vendor=report.vendor,
            record=report.record,
            into=report.into or report.record,
            employer=report.employer,
            reported_at=report.at,
        )
    is_empty = report.told.person is None and report.told.profile is None
    told = report.told.model_copy(update={"event_id": report.event_id, "proof": report.proof})
    plain = told.model_dump_json(exclude_none=True).encode()
    return CandidateReportedV1(
        vendor=report.vendor,
        record=report.record,
        employer=report.employer,
        change=report.change,
        reported_at=report.at,
        intake_key=day,
        happened_at=report.happened_at,
        sealed="" if is_empty else seal_told(key, plain, vendor=report.vendor, record=report.record),
    )
