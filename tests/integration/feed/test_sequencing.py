"""Feeds on real connections side by side: long transactions, several sequencers, killed ones, restored databases."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from shared.feed.model import Lost, Place, Telling
from shared.feed.postgres import SQL, PostgresFeedRows, PostgresFeedWriter
from shared.feed.reading import FeedReader, Page
from shared.feed.sequencer import Sequencer
from shared.feed.tailer import Tailer
from shared.messaging.unit import unit_of_work
from shared.postgres.migrate import PLUMBING
from shared.postgres.pool import Connection, Pool
from shared.security.cursors import FeedCursors
from tests.databases import Databases
from tests.fakes.clock import NOON
from tests.stack import Servers
from tests.waiting import until, until_held_up

_DOCS = Path(__file__).parents[3] / "docs"


@pytest.fixture
async def pool(databases: Databases) -> AsyncIterator[Pool]:
    async with databases.pool(PLUMBING) as opened:
        await opened.execute("SELECT make_feed('updates')")
        yield opened


def rows_of(pool: Pool) -> PostgresFeedRows:
    return PostgresFeedRows(lambda: pool, "updates", lambda: NOON)


async def write(pool: Pool, *names: str) -> None:
    async with unit_of_work(pool, at=NOON, source="test") as unit:
        await PostgresFeedWriter(unit, "updates", lambda: None).write([Telling("emp_a", f'"{one}"') for one in names])


async def told(pool: Pool, *, after: int = 0) -> list[tuple[int, str]]:
    found = await rows_of(pool).rows("emp_a", after=Place(0, after), limit=10_000)
    return [(row.seq, json.loads(row.body)) for row in found]


async def test_a_long_transaction_holds_nobody_up_and_what_it_wrote_comes_when_it_commits(
    pool: Pool, databases: Databases
) -> None:
    rows = rows_of(pool)
    async with databases.pool(PLUMBING) as elsewhere, elsewhere.acquire() as other, other.transaction():
        await other.execute("INSERT INTO inbox (consumer, event_id) VALUES ('long', 'one')")
        async with unit_of_work(pool, at=NOON, source="test") as unit:
            await PostgresFeedWriter(unit, "updates", lambda: None).write([Telling("emp_a", '"slow"')])
            await write(pool, "quick")
            assert await rows.sequence(10) == 1
            assert await told(pool) == [(1, "quick")]
        await rows.sequence(10)
        assert await told(pool, after=1) == [(2, "slow")]


async def test_of_two_sequencers_one_works_and_the_other_is_told_so(pool: Pool) -> None:
    await write(pool, "first")
    async with pool.acquire() as connection, connection.transaction():
        assert await connection.fetchval(SQL["lock_sequencer"], 0x0FA1_B006, "updates")
        assert await rows_of(pool).sequence(10) is None
        assert await told(pool) == []
    assert await rows_of(pool).sequence(10) == 1


async def test_many_writers_and_sequencers_number_every_row_once_and_without_gaps(pool: Pool) -> None:
    sequencers = [Sequencer("updates", rows_of(pool)) for _ in range(3)]
    running = [asyncio.create_task(one.run()) for one in sequencers]

    async def writer(name: int) -> None:
        for place in range(10):
            await write(pool, f"{name}:{place}:a", f"{name}:{place}:b")
            sequencers[name % 3].wake()

    seen: list[tuple[int, str]] = []

    async def read_all() -> bool:
        seen.extend(await told(pool, after=seen[-1][0] if seen else 0))
        return len(seen) == 120

    async with asyncio.TaskGroup() as group:
        for name in range(6):
            group.create_task(writer(name))
        group.create_task(until(read_all, what="all rows are read"))
    for one in running:
        one.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    assert [seq for seq, _ in seen] == list(range(1, 121)), "who reads along passes over none"
    for name in range(6):
        own = [text for _, text in seen if text.startswith(f"{name}:")]
        assert own == [f"{name}:{place}:{half}" for place in range(10) for half in "ab"]


async def test_a_sequencer_that_is_killed_at_any_statement_leaves_no_gap(pool: Pool) -> None:
    await write(pool, "one", "two")
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.fetchval(SQL["lock_sequencer"], 0x0FA1_B006, "updates")
        await connection.execute(SQL["make_partition"], "updates", NOON)
        assert await connection.fetchval(SQL["sequence"], "updates", 0, NOON, 10) == 2
        connection.terminate()
    await until(lambda: rows_of(pool).sequence(10), what="the lock of who was killed is free")
    assert await told(pool) == [(1, "one"), (2, "two")]


async def test_a_partition_is_made_beside_readers_and_writers(pool: Pool) -> None:
    await write(pool, "one")
    await rows_of(pool).sequence(10)
    async with pool.acquire() as reader, reader.transaction():
        await reader.fetch(SQL["rows"], "updates", "emp_a", 0, NOON, 10)
        tomorrow = PostgresFeedRows(lambda: pool, "updates", lambda: NOON + timedelta(days=1))
        await tomorrow.prepare(timedelta(days=2))
        await write(pool, "two")
        assert await tomorrow.sequence(10) == 1
    days = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'feed_rows_updates'::regclass"
    assert await pool.fetchval(days) == 4


async def test_a_feed_whose_clock_was_far_ahead_is_mended_by_what_the_docs_say(pool: Pool) -> None:
    now = datetime.now(UTC)
    ahead = PostgresFeedRows(lambda: pool, "updates", lambda: now + timedelta(days=400))
    present = PostgresFeedRows(lambda: pool, "updates", lambda: now + timedelta(minutes=10))
    await write(pool, "ahead")
    await ahead.sequence(10)
    await write(pool, "behind it")
    await present.sequence(10)
    assert min([row.told_at for row in await present.rows("emp_a", after=Place(0, 0), limit=10)]) > now + timedelta(
        days=399
    )
    section = (_DOCS / "operating.md").read_text("utf-8").partition("## A feed whose end lies in the future")[2]
    await pool.execute(section.partition("```sql\n")[2].partition("```")[0])
    await write(pool, "after it")
    await present.sequence(10)
    found = await present.rows("emp_a", after=Place(0, 0), limit=10)
    assert [row.seq for row in found] == [1, 2, 3]
    assert max([row.told_at for row in found]) < now + timedelta(hours=1)


async def test_a_day_is_dropped_however_postgresql_looks_for_it(pool: Pool) -> None:
    """Among many tables it reads them all before it knows which of them are the feed's."""
    await write(pool, "one")
    await rows_of(pool).sequence(10)
    later = NOON + timedelta(days=8)
    async with pool.acquire() as connection, connection.transaction():
        for way in ("nestloop", "mergejoin", "indexscan", "indexonlyscan", "bitmapscan"):
            await connection.execute(f"SET LOCAL enable_{way} = off")
        assert await connection.fetchval(SQL["drop_partition"], "updates", later)
        assert not await connection.fetchval(SQL["drop_partition"], "updates", later)


async def test_a_day_is_dropped_once_whoever_reads_it_is_done(pool: Pool) -> None:
    await write(pool, "one")
    await rows_of(pool).sequence(10)
    later = PostgresFeedRows(lambda: pool, "updates", lambda: NOON + timedelta(days=40))
    async with pool.acquire() as reader, reader.transaction():
        await reader.fetch(SQL["rows"], "updates", "emp_a", 0, NOON, 10)
        dropping = asyncio.create_task(later.forget(kept=timedelta(days=30)))
        await until_held_up(pool)
    assert await dropping
    assert await told(pool) == []
    assert (await later.ends("emp_a")).forgotten_seq == 1


def reader_of(pool: Pool) -> FeedReader:
    rows = rows_of(pool)
    cursors = FeedCursors(bytes(64), feed="updates")
    return FeedReader(rows, cursors, Tailer("updates", rows), now=lambda: NOON, kept=timedelta(days=30))


async def test_a_database_that_was_restored_elsewhere_begins_another_generation_by_itself(servers: Servers) -> None:
    """As `pg_restore` does it: the same rows in another database of the same server."""
    original, copy = f"feed_{NOON:%H%M}_original", f"feed_{NOON:%H%M}_copy"
    dsn = await servers.create_database(original)
    async with await asyncpg.create_pool(dsn) as pool:
        await migrate_feed(pool)
        await write(pool, "one", "two")
        await rows_of(pool).sequence(10)
        page = await reader_of(pool).page("emp_a", None, limit=10)
        assert isinstance(page, Page)
        assert await reader_of(pool).page("emp_a", page.end, limit=10) == Page(page.end, [])
    administrator = await asyncpg.connect(servers.postgres)
    try:
        await administrator.execute(f"CREATE DATABASE {copy} TEMPLATE {original} OWNER {original}")
    finally:
        await administrator.close()
    async with await asyncpg.create_pool(dsn.rpartition("/")[0] + f"/{copy}") as pool:
        await write(pool, "instead of three")
        await rows_of(pool).sequence(10)
        assert await reader_of(pool).page("emp_a", page.end, limit=10) is Lost.OF_ANOTHER_HISTORY
        anew = await reader_of(pool).page("emp_a", None, limit=10)
        assert isinstance(anew, Page)
        assert [row.seq for row in anew.rows] == [1, 2, 3]
        assert await reader_of(pool).page("emp_a", anew.end, limit=10) == Page(anew.end, [])


async def migrate_feed(pool: Pool) -> None:
    await pool.execute((PLUMBING / "0006_pre_feed.sql").read_text())
    await pool.execute("SELECT make_feed('updates')")


class Counting:
    """Counts the statements of every connection that a pool lends."""

    def __init__(self) -> None:
        self.statements = 0

    def note(self, *_: object) -> None:
        self.statements += 1


async def test_a_hundred_readers_at_the_end_cost_as_many_statements_as_one(pool: Pool) -> None:
    reader = reader_of(pool)
    await reader.tailer.look()
    names = [f"emp_{place}" for place in range(100)]
    starts = {}
    for name in names:
        page = await reader.page(name, None, limit=10)
        assert isinstance(page, Page)
        starts[name] = page.end
    counts = []
    for readers in (names[:1], names):
        async with unit_of_work(pool, at=NOON, source="test") as unit:
            feed = PostgresFeedWriter(unit, "updates", lambda: None)
            await feed.write([Telling(name, '"news"') for name in names])
        await rows_of(pool).sequence(1000)
        counting = Counting()
        async with counted(pool, counting):
            await reader.tailer.look()
            for name in readers:
                page = await reader.page(name, starts[name], limit=10)
                assert isinstance(page, Page)
                assert page.rows
                page = await reader.page(name, page.end, limit=10)
                assert isinstance(page, Page)
                assert not page.rows
        counts.append(counting.statements)
    assert counts == [2, 2]


def counted(pool: Pool, counting: Counting) -> Any:
    return _Counted(pool, counting)


class _Counted:
    """Holds every connection of the pool at once to set its logger: a pool of asyncpg gives them in no order."""

    def __init__(self, pool: Pool, counting: Counting) -> None:
        self._pool, self._counting = pool, counting
        self._held: list[Connection] = []

    async def _each(self, what: str) -> None:
        held = [await self._pool.acquire() for _ in range(self._pool.get_max_size())]
        for connection in held:
            getattr(connection, what)(self._counting.note)
            await self._pool.release(connection)

    async def __aenter__(self) -> None:
        await self._each("add_query_logger")

    async def __aexit__(self, *_: object) -> None:
        await self._each("remove_query_logger")


async def test_a_page_is_read_by_index_in_the_days_from_its_place_on(pool: Pool) -> None:
    today = NOON
    rows = PostgresFeedRows(lambda: pool, "updates", lambda: today)
    for day in range(5):
        today = NOON + timedelta(days=day)
        await write(pool, *[str(n) for n in range(300)])
        await rows.sequence(1000)
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL enable_seqscan = off; ANALYZE")
        for name, arguments in (
            ("rows", ("updates", "emp_a", 1150, NOON + timedelta(days=3), 100)),
            ("rows_of_all", ("updates", 1150, NOON + timedelta(days=3), 100)),
            ("last_before", ("updates", "emp_a", NOON + timedelta(days=1, hours=1))),
            ("last_before_of_all", ("updates", NOON + timedelta(days=1, hours=1))),
        ):
            found = await connection.fetch("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) " + SQL[name], *arguments)
            plan = "\n".join(row[0] for row in found)
            assert "Seq Scan" not in plan, plan
            assert "Sort" not in plan.replace("Sort Key", ""), plan
            assert len(re.findall("Index (?:Only )?Scan", plan)) == 2, plan
