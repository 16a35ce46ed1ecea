"""The gateway's rows as requests need them."""

from collections.abc import Callable, Sequence
from datetime import datetime

import asyncpg

from services.outreach_gateway.adapters.kept import SQL
from services.outreach_gateway.answers import Course, News, Told
from services.outreach_gateway.model import PublicKey, Rule, State
from services.outreach_gateway.ports.outreach import DUE, TELLINGS
from services.outreach_gateway.ports.requests import Account, Submission, Taken
from shared.contracts.outreach_gateway import OutreachRequestedV1
from shared.facts import Fact, fact
from shared.feed.model import Telling
from shared.feed.ports import FeedWriter
from shared.messaging.unit import Unit


class PostgresRequestStore:
    """The `RequestStore` inside one unit of work; `feed` is the one that employers read."""

    def __init__(self, unit: Unit, feed: Callable[[Unit], FeedWriter]) -> None:
        self._unit = unit
        self._sql = unit.connection
        self._feed = feed(unit)

    async def public_key(self, candidate: str) -> Fact[PublicKey]:
        """The person's key, if it has arrived."""
        return fact(await self._sql.fetchval(SQL["public_key"], candidate))

    async def kept(self, ids: Sequence[str]) -> Taken | None:
        """The row under one of these ids."""
        row = await self._sql.fetchrow(SQL["kept"], ids)
        return None if row is None else _taken(row)

    async def earlier_to_refs(
        self, employer: str, candidate: str, member_refs: Sequence[str], *, since: datetime, but: Sequence[str]
    ) -> list[Taken]:
        """By the employer's index of people."""
        rows = await self._sql.fetch(SQL["earlier_to_refs"], employer, candidate, member_refs, but, since)
        return [_taken(row) for row in rows]

    async def submit(self, submission: Submission) -> Taken:
        """Row, event and the tick at which its end is told, or what was there before.

        While keys are exchanged, processes name the same request differently: they take turns at it.
        """
        if submission.earlier_names:
            names = sorted((submission.id, *submission.earlier_names))
            await self._sql.execute(SQL["lock_request"], names[0])
            if (before := await self.kept(names)) is not None:
                return before
        fresh = await self._sql.fetchval(
            SQL["submit"],
            submission.id,
            submission.employer,
            submission.candidate,
            submission.member_ref,
            submission.digest,
            submission.sealed,
            submission.at,
            submission.expires_at,
            submission.held_until,
            submission.valid_through,
            submission.pool_tag,
            submission.generation,
            submission.last_day,
            submission.tell_at,
            submission.key_missing,
            submission.occupation,
            submission.job_state,
            submission.sealed_job,
        )
        if fresh is None:
            there = await self.kept([submission.id])
            if there is None:
                raise LookupError("a row that was there a moment ago is gone")
            return there
        event = OutreachRequestedV1(
            outreach=submission.id,
            employer=submission.employer,
            candidate=submission.candidate,
            at=submission.at,
            expires_at=submission.expires_at,
        )
        self._unit.publish(event, id=submission.id)
        self._unit.work.add(TELLINGS, [submission.employer], at=submission.tell_at, flow=submission.employer)
        course = Course(State.SUBMITTED, submission.at, submission.last_day)
        return Taken(submission.id, submission.candidate, submission.digest, course, Told.WAITING)

    async def account(self, id: str, employer: str | None) -> Account | None:
        """One row."""
        row = await self._sql.fetchrow(SQL["account"], id, employer)
        return None if row is None else _account(row)

    async def accounts_of(self, candidate: str, *, limit: int) -> list[Account]:
        """Everything to one person, newest first."""
        return [_account(row) for row in await self._sql.fetch(SQL["accounts_of"], candidate, limit)]

    async def accounts_of_seat(self, employer: str, *, after: str, limit: int) -> list[Account]:
        """From the index of the seat."""
        return [_account(row) for row in await self._sql.fetch(SQL["accounts_of_seat"], employer, after, limit)]

    async def lock_one(self, id: str, employer: str) -> Taken | None:
        """One row, locked after its person."""
        candidate = await self._sql.fetchval(SQL["person_of"], id, employer)
        if candidate is None:
            return None
        await self._sql.fetch(SQL["lock_people"], candidate)
        row = await self._sql.fetchrow(SQL["lock_one"], id, employer)
        return None if row is None else _taken(row)

    async def take_back(self, employer: str, taken: Taken, tell_at: datetime | None, news: News) -> None:
        """The same statements whatever has become of it."""
        await self._sql.execute(SQL["take_back"], taken.id, news.at, tell_at)
        await self._feed.write([Telling(employer, news.said())])
        self._unit.work.add(DUE, [taken.candidate], at=news.at, flow=employer)

    async def seal_again(self, id: str, sealed: str, sealed_job: str, *, key_missing: bool) -> None:
        """One statement whatever has become of it."""
        await self._sql.execute(SQL["seal_again"], id, sealed, key_missing, sealed_job)


def course_of_row(row: asyncpg.Record) -> Course:
    """What became of it, as its row says it."""
    return Course(
        State(row["state"]),
        row["submitted_at"],
        row["last_day"],
        row["sent_at"],
        row["heard_at"],
        row["taken_back_at"],
    )


def _taken(row: asyncpg.Record) -> Taken:
    return Taken(row["id"], row["candidate"], row["request_digest"], course_of_row(row), Told(row["told"]))


def _account(row: asyncpg.Record) -> Account:
    return Account(
        id=row["id"],
        employer=row["employer"],
        member_ref=row["member_ref"],
        course=course_of_row(row),
        told=Told(row["told"]),
        expires_at=row["expires_at"],
        decision=row["decision"],
        rule=Rule(row["rule"]) if row["rule"] else None,
        policy=row["policy"],
        decided_at=row["decided_at"],
        slot_at=row["slot_at"],
    )
