"""Messages to whoever is in a pool, in PostgreSQL."""

import hmac
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import asyncpg

from services.outreach_gateway.adapters.kept import SQL as ROWS
from services.outreach_gateway.answers import PoolNews, handed_on_until
from services.outreach_gateway.model import Fitting, PoolMessage, State
from services.outreach_gateway.ports.jobs import POOL_MESSAGES, Child
from services.outreach_gateway.ports.outreach import DUE
from shared.contracts.outreach_gateway import OutreachRequestedV1
from shared.feed.model import Telling
from shared.feed.ports import FeedWriter
from shared.messaging.unit import Unit
from shared.postgres.columns import joined
from shared.postgres.queries import load
from shared.security import boxes
from shared.security.member_refs import tag_of

SQL = load(Path(__file__).with_name("pool_messages.sql"))


class PostgresPoolMessages:
    """The `PoolMessages` inside one unit of work; `feed` is the one that employers read. `keys` are the gateway's own (32
    bytes): words are sealed with the first until they are sealed to people, which takes seconds."""

    def __init__(self, unit: Unit, feed: Callable[[Unit], FeedWriter], keys: Sequence[bytes]) -> None:
        self._unit = unit
        self._sql = unit.connection
        self._feed = feed(unit)
        self._keys = [hmac.digest(key, b"fairpool words of pool messages v1", "sha256") for key in keys]

    @property
    def at(self) -> datetime:
        """The unit's time."""
        return self._unit.at

    async def lock_pool(self, employer: str, pool: str) -> PoolMessage | None:
        """The lock goes with the transaction."""
        await self._sql.execute(SQL["lock_pool"], employer, pool)
        row = await self._sql.fetchrow(SQL["last_pool_message"], employer, pool)
        return None if row is None else _message(row)

    async def keep(self, message: PoolMessage, words: bytes) -> None:
        """The same two statements, whoever is in the pool."""
        await self._sql.execute(
            SQL["keep_pool_message"],
            message.id,
            message.employer,
            message.pool,
            message.digest,
            boxes.seal(self._keys[0], words, context=_context(message.id)),
            message.submitted_at,
            message.last_day,
            message.valid_through,
            message.tell_at,
        )
        self._unit.work.add(POOL_MESSAGES, [message.id], at=self.at, flow=message.employer)

    async def find(self, ids: Sequence[str], employer: str) -> PoolMessage | None:
        """One row."""
        row = await self._sql.fetchrow(SQL["find_pool_message"], ids, employer)
        return None if row is None else _message(row)

    async def get(self, id: str, employer: str | None) -> PoolMessage | None:
        """One row."""
        row = await self._sql.fetchrow(SQL["pool_message"], id, employer)
        return None if row is None else _message(row)

    async def of(self, employer: str, *, after: str, limit: int) -> list[PoolMessage]:
        """From the index of the employer's pools: there are few."""
        return [_message(row) for row in await self._sql.fetch(SQL["pool_messages_of"], employer, after, limit)]

    async def take(self, ids: Sequence[str]) -> list[tuple[PoolMessage, bytes | None]]:
        """Locked, with the words that are not sealed to people yet."""
        rows = await self._sql.fetch(SQL["take_pool_messages"], sorted(ids))
        return [(_message(row), self._opened(row)) for row in rows]

    async def fitting(self, message: PoolMessage, limit: int) -> list[Fitting]:
        """By the index of seats."""
        rows = await self._sql.fetch(SQL["fitting"], f"{message.employer} {message.pool}", message.id, limit)
        return [Fitting(row["candidate"], row["generation"], row["public_key"]) for row in rows]

    async def spread(self, message: PoolMessage, children: Sequence[Child], held_until: datetime) -> None:
        """Rows and events together; the words that are sealed to the gateway go."""
        until = handed_on_until(message.last_day)
        await self._sql.execute(
            SQL["submit_each"],
            [child.id for child in children],
            [child.candidate for child in children],
            [child.sealed for child in children],
            [child.generation for child in children],
            message.employer,
            message.digest,
            self.at,
            until,
            held_until,
            message.valid_through,
            tag_of(message.pool),
            message.last_day,
            message.id,
            [child.sealed_job for child in children],
        )
        await self._sql.execute(SQL["forget_words"], message.id)
        for child in children:
            event = OutreachRequestedV1(
                outreach=child.id, employer=message.employer, candidate=child.candidate, at=self.at, expires_at=until
            )
            self._unit.publish(event, id=child.id)

    async def take_back(self, message: PoolMessage, at: datetime) -> None:
        """The employer's row alone, and its feed; its messages follow in their turn."""
        await self._sql.execute(SQL["take_back_pool_message"], message.id, at)
        await self._feed.write([Telling(message.employer, PoolNews(message.id, "cancelled", None, at).said())])
        self._unit.work.add(POOL_MESSAGES, [message.id], at=at, flow=message.employer)

    async def take_back_each(self, message: PoolMessage) -> None:
        """People first, as whoever changes their places does."""
        people = [row["candidate"] for row in await self._sql.fetch(SQL["people_of_parent"], message.id)]
        if people:
            await self._sql.fetch(ROWS["lock_people"], joined(people))
            await self._sql.execute(SQL["take_back_each"], message.id, message.taken_back_at, self.at)
            self._unit.work.add(DUE, people, at=self.at, flow=message.employer)

    async def states(self, id: str) -> Mapping[State, int]:
        """By the index of parents."""
        return {State(row["state"]): row["messages"] for row in await self._sql.fetch(SQL["states_of_parent"], id)}

    async def end(self, message: PoolMessage, sent: int, *, told_at: datetime) -> None:
        """Row and feed together."""
        await self._sql.execute(SQL["end_pool_message"], message.id, sent)
        news = PoolNews(message.id, "ended", sent, told_at)
        await self._feed.write([Telling(message.employer, news.said())])

    async def forget(self, limit: int, *, submitted_before: datetime) -> int:
        """From the index by age."""
        return len(await self._sql.fetch(SQL["forget_pool_messages"], submitted_before, limit))

    def _opened(self, row: asyncpg.Record) -> bytes | None:
        return (
            None if row["sealed"] is None else boxes.unseal_any(self._keys, row["sealed"], context=_context(row["id"]))
        )


def _context(id: str) -> str:
    return f"words of a pool message:{id}"


def _message(row: asyncpg.Record) -> PoolMessage:
    return PoolMessage(
        id=row["id"],
        employer=row["employer"],
        pool=row["pool"],
        digest=row["request_digest"],
        submitted_at=row["submitted_at"],
        last_day=row["last_day"],
        valid_through=row["valid_through"],
        tell_at=row["tell_at"],
        taken_back_at=row["taken_back_at"],
        sent=row["sent"],
    )
