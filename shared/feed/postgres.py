"""Feeds in PostgreSQL."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import asyncpg

from shared.feed.model import BEGINNING, Ends, Place, Row, Telling
from shared.messaging.unit import Unit
from shared.postgres.columns import joined
from shared.postgres.pool import Connection, Pool
from shared.postgres.queries import load

SQL = load(Path(__file__).parent / "queries.sql")
_LOCK_SPACE = 0x0FA1_B006


class PostgresFeedWriter:
    """`FeedWriter` in a unit of work; `wake` is called once it is committed."""

    def __init__(self, unit: Unit, feed: str, wake: Callable[[], None]) -> None:
        self._unit = unit
        self._feed = feed
        self._wake = wake

    async def write(self, tellings: Sequence[Telling]) -> None:
        """One statement for all."""
        if tellings:
            await self._unit.connection.execute(
                SQL["write"],
                self._feed,
                joined([one.reader for one in tellings]),
                joined([one.body for one in tellings]),
            )
            self._unit.when_committed(self._wake)


class PostgresFeedRows:
    """`FeedRows`."""

    def __init__(self, pool: Callable[[], Pool], feed: str, now: Callable[[], datetime]) -> None:
        self._pool = pool
        self._feed = feed
        self._now = now

    async def sequence(self, limit: int) -> int | None:
        """One transaction, which sees what is committed and waits for nobody."""
        async with self._pool().acquire() as connection, connection.transaction():
            if not await self._locked(connection):
                return None
            next_of = await connection.fetchrow(SQL["next_of"], self._feed, self._now())
            if next_of is None or not next_of["waits"]:
                return 0
            await connection.execute(SQL["make_partition"], self._feed, next_of["told_at"])
            rows: int = await connection.fetchval(
                SQL["sequence"], self._feed, next_of["last_seq"], next_of["told_at"], limit
            )
            return rows

    async def rows(self, reader: str | None, *, after: Place, limit: int) -> list[Row]:
        """By the reader's index, in the days from the place on."""
        if reader is None:
            found = await self._pool().fetch(SQL["rows_of_all"], self._feed, after.seq, after.told_at, limit)
        else:
            found = await self._pool().fetch(SQL["rows"], self._feed, reader, after.seq, after.told_at, limit)
        return [Row(row["seq"], row["told_at"], row["reader"], row["body"]) for row in found]

    async def ends(self, reader: str | None) -> Ends:
        """One statement, and another one after a restore."""
        async with self._pool().acquire() as connection:
            row = await self._ends(connection, reader)
            if not row["is_ours"]:
                await connection.execute(SQL["begin_generation_if_restored"], self._feed)
                row = await self._ends(connection, reader)
        return Ends(
            row["generation"],
            row["last_seq"],
            _time(row["last_told_at"]),
            row["forgotten_seq"],
            _time(row["forgotten_at"]),
        )

    async def _ends(self, connection: Connection, reader: str | None) -> asyncpg.Record:
        row = await connection.fetchrow(SQL["ends"], self._feed, reader)
        if row is None:
            raise LookupError(f"there is no feed {self._feed}: a migration makes it (make_feed)")
        return row

    async def last_before(self, reader: str | None, moment: datetime) -> Place | None:
        """Backwards through the day in which the moment lies, or the next one before that has a row."""
        generation = (await self.ends(reader)).generation
        if reader is None:
            row = await self._pool().fetchrow(SQL["last_before_of_all"], self._feed, moment)
        else:
            row = await self._pool().fetchrow(SQL["last_before"], self._feed, reader, moment)
        return None if row is None else Place(generation, row["seq"], row["told_at"])

    async def waits(self, reader: str) -> bool:
        """Among what waits for the sequencer."""
        return bool(await self._pool().fetchval(SQL["waits_of"], self._feed, reader))

    async def any_waits(self) -> bool:
        """One statement, without the sequencer's lock."""
        return bool(await self._pool().fetchval(SQL["any_waits"], self._feed))

    async def forget(self, *, kept: timedelta) -> bool:
        """A partition a transaction; who reads at this moment is waited for 2 s, and then it is a transient error."""
        async with self._pool().acquire() as connection, connection.transaction():
            await connection.execute(SQL["lock_timeout"])
            return bool(await connection.fetchval(SQL["drop_partition"], self._feed, self._now() - kept))

    async def prepare(self, ahead: timedelta) -> None:
        """A partition for each day until then; while the sequencer is at work, the next turn does it."""
        for days in range(ahead.days + 1):
            async with self._pool().acquire() as connection, connection.transaction():
                if await self._locked(connection):
                    await connection.execute(SQL["lock_timeout"])
                    await connection.execute(SQL["make_partition"], self._feed, self._now() + timedelta(days=days))

    async def restart(self) -> None:
        """From its commit on."""
        await self._pool().execute(SQL["begin_generation"], self._feed)

    async def waiting(self) -> tuple[int, int, float]:
        """The last number, how many rows wait for one, and for how many seconds the oldest has."""
        row = await self._pool().fetchrow(SQL["waiting"], self._feed)
        return (row["last_seq"], row["rows"], row["age"]) if row is not None else (0, 0, 0.0)

    async def _locked(self, connection: Connection) -> bool:
        return bool(await connection.fetchval(SQL["lock_sequencer"], _LOCK_SPACE, self._feed))


def _time(found: datetime) -> datetime:
    """asyncpg gives a naive one for -infinity."""
    return BEGINNING if found.tzinfo is None else max(BEGINNING, found)
