"""What employers wrote to people, in PostgreSQL."""

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import asyncpg

from services.consent.model import Decided, Message, Reported
from shared.contracts.consent import MessageWishedV1
from shared.contracts.outreach_gateway import OutreachDecidedV1, PolicyNumbers
from shared.contracts.signup import OutreachOutcomeReportedV1
from shared.facts import UNKNOWN, Fact, Known
from shared.messaging.unit import Unit
from shared.postgres.queries import load

E = TypeVar("E", OutreachDecidedV1, OutreachOutcomeReportedV1)
SQL = load(Path(__file__).parent / "messages.sql")
ERASURES = 0x0FA1_6A7E
"""The lock that an erasure holds alone, and whoever writes of people by what topics tell shares."""
_BEFORE_ALL = (datetime.max.replace(tzinfo=UTC), "")


class PostgresMessages:
    """The port `Messages` on a unit of work."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._sql = unit.connection

    @property
    def at(self) -> datetime:
        """The time of the unit."""
        return self._unit.at

    async def hold_erasures(self) -> None:
        """A shared lock; a statement of its own, so that the next ones see who was closed before it was given."""
        await self._sql.execute(SQL["hold_erasures"], ERASURES)

    async def keep_decisions(self, decisions: Sequence[OutreachDecidedV1]) -> None:
        """Two statements: the decisions, and the numbers of policies not known yet."""
        newest = _newest(decisions, lambda one: one.version)
        await self._sql.execute(
            SQL["keep_decisions"],
            [one.outreach for one in newest],
            [one.candidate for one in newest],
            [one.employer for one in newest],
            [one.asked_at or one.at for one in newest],
            [one.ends_at for one in newest],
            [one.version for one in newest],
            [one.outcome for one in newest],
            [one.rule for one in newest],
            [one.policy for one in newest],
            [one.at for one in newest],
            [_slot(one) for one in newest],
            [one.sealed_job for one in newest],
        )
        numbers = {one.policy: one.numbers.model_dump_json() for one in newest if one.numbers is not None}
        if numbers:
            await self._sql.execute(SQL["keep_policies"], list(numbers), list(numbers.values()))

    async def keep_reports(self, reports: Sequence[OutreachOutcomeReportedV1]) -> None:
        """One statement."""
        newest = _newest(reports, lambda one: one.decision_version)
        await self._sql.execute(
            SQL["keep_reports"],
            [one.outreach for one in newest],
            [one.candidate for one in newest],
            [one.employer for one in newest],
            [one.decision_version for one in newest],
            [one.outcome for one in newest],
            [one.at for one in newest],
            [one.sender_suspended for one in newest],
        )

    async def page(self, candidate: str, most: int, after: tuple[datetime, str] | None) -> Sequence[Message]:
        """From an index that ends where `most` do."""
        began_at, outreach = after or _BEFORE_ALL
        return [_message(row) for row in await self._sql.fetch(SQL["messages"], candidate, began_at, outreach, most)]

    async def since(self, candidate: str, since: datetime, most: int) -> Sequence[Message]:
        """The same, from another end."""
        return [_message(row) for row in await self._sql.fetch(SQL["messages_since"], candidate, since, most)]

    async def lock(self, candidate: str, outreach: str) -> Fact[Message]:
        """By its key."""
        row = await self._sql.fetchrow(SQL["lock_message"], outreach, candidate)
        return UNKNOWN if row is None else Known(_message(row))

    async def wish(self, message: Message) -> None:
        """The row, and the event in the outbox."""
        await self._sql.execute(SQL["note_wish"], message.outreach, self.at)
        self._unit.publish(MessageWishedV1(candidate=message.candidate, outreach=message.outreach, at=self.at))

    async def numbers(self, policy: str) -> Fact[PolicyNumbers]:
        """By its key."""
        found = await self._sql.fetchval(SQL["numbers"], policy)
        return UNKNOWN if found is None else Known(PolicyNumbers.model_validate_json(found))

    async def forget(self, until: datetime, most: int) -> int:
        """Those that another process forgets just now are left to it."""
        done = await self._sql.execute(SQL["forget_messages"], until, most)
        return int(done.rpartition(" ")[2])


def _newest(events: Sequence[E], version: Callable[[E], int]) -> Collection[E]:
    """Of each message the highest version; of equal ones the first, as it is in the table."""
    newest: dict[str, E] = {}
    for one in sorted(events, key=version, reverse=True):
        newest.setdefault(one.outreach, one)
    return newest.values()


def _slot(event: OutreachDecidedV1) -> datetime | None:
    """Of what was admitted by a version that did not say it, when that was: at most ten minutes later."""
    if event.outcome == "admitted":
        return event.slot_at or event.at
    return event.until


def _message(row: asyncpg.Record) -> Message:
    return Message(
        outreach=row["outreach"],
        candidate=row["candidate"],
        employer=row["employer"],
        began_at=row["began_at"],
        ends_at=row["ends_at"],
        decided=_decided(row),
        reported=_reported(row),
        wished_at=row["wished_at"],
        sealed_job=row["sealed_job"],
    )


def _decided(row: asyncpg.Record) -> Decided | None:
    if row["outcome"] is None:
        return None
    return Decided(
        row["decision_version"], row["outcome"], row["rule"], row["policy"], row["decided_at"], row["slot_at"]
    )


def _reported(row: asyncpg.Record) -> Reported | None:
    if row["reported"] is None:
        return None
    return Reported(row["report_version"], row["reported"], row["reported_at"], row["sender_suspended"])
