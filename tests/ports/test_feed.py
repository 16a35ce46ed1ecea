"""One suite for feeds, on the fake and on PostgreSQL."""

import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import pytest

from shared.feed.model import Lost, Place, Row, Telling, to_the_hour
from shared.feed.ports import FeedRows, FeedWriter
from shared.feed.postgres import PostgresFeedRows, PostgresFeedWriter
from shared.feed.reading import FeedReader, Page
from shared.feed.sequencer import Sequencer
from shared.feed.tailer import Tailer
from shared.messaging.unit import unit_of_work
from shared.postgres.migrate import PLUMBING
from shared.postgres.pool import Pool
from shared.security.cursors import FeedCursors
from tests.databases import Databases
from tests.fakes.clock import NOON
from tests.fakes.feed import FakeFeed

KEPT = timedelta(days=30)
HOUR = timedelta(hours=1)


class Kit(Protocol):
    """Either feed, with a clock that stands still."""

    at: datetime

    @property
    def rows(self) -> FeedRows: ...
    def writing(self) -> AbstractAsyncContextManager[FeedWriter]: ...


@dataclass
class FakeKit:
    """The fake."""

    feed: FakeFeed = field(default_factory=FakeFeed)

    @property
    def at(self) -> datetime:
        return self.feed.at

    @at.setter
    def at(self, moment: datetime) -> None:
        self.feed.at = moment

    @property
    def rows(self) -> FakeFeed:
        return self.feed

    def writing(self) -> AbstractAsyncContextManager[FeedWriter]:
        return self.feed.work()


@dataclass
class PostgresKit:
    """PostgreSQL."""

    pool: Pool
    at: datetime = NOON
    woken: int = 0

    @property
    def rows(self) -> PostgresFeedRows:
        return PostgresFeedRows(lambda: self.pool, "updates", lambda: self.at)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[FeedWriter]:
        async with unit_of_work(self.pool, at=self.at, source="test") as unit:
            yield PostgresFeedWriter(unit, "updates", self._wake)

    def _wake(self) -> None:
        self.woken += 1


@pytest.fixture(params=["fake", "postgres"])
async def kit(request: pytest.FixtureRequest) -> AsyncIterator[Kit]:
    if request.param == "fake":
        yield FakeKit()
        return
    databases: Databases = request.getfixturevalue("databases")
    async with databases.pool(PLUMBING) as opened:
        await opened.execute("SELECT make_feed('updates')")
        yield PostgresKit(opened)


async def tell(kit: Kit, *readers: str) -> list[Row]:
    """A row for each of them, numbered; all rows there are."""
    async with kit.writing() as feed:
        await feed.write([Telling(reader, json.dumps({"n": place})) for place, reader in enumerate(readers)])
    await kit.rows.sequence(1000)
    return await all_of(kit)


async def all_of(kit: Kit, reader: str | None = None) -> list[Row]:
    return await kit.rows.rows(reader, after=Place(0), limit=1000)


def reading(kit: Kit, *, keeps: int = 100) -> FeedReader:
    tailer = Tailer("updates", kit.rows, keeps=keeps)
    return FeedReader(kit.rows, FeedCursors(bytes(64), feed="updates"), tailer, now=lambda: kit.at, kept=KEPT)


async def page(reader: FeedReader, who: str | None, start: Place | datetime | None = None, limit: int = 100) -> Page:
    found = await reader.page(who, start, limit=limit)
    assert isinstance(found, Page), found
    return found


async def test_rows_get_consecutive_numbers_in_the_order_in_which_they_were_written(kit: Kit) -> None:
    await tell(kit, "emp_a", "emp_b")
    async with kit.writing() as feed:
        await feed.write([])
        await feed.write([Telling("emp_a", '{"n": 7}')])
    assert [row.seq for row in await all_of(kit)] == [1, 2], "nobody reads what has no number"
    assert await kit.rows.sequence(1) == 1
    assert await kit.rows.sequence(1) == 0
    assert [(row.seq, row.reader, json.loads(row.body)["n"]) for row in await all_of(kit)] == [
        (1, "emp_a", 0), (2, "emp_b", 1), (3, "emp_a", 7),
    ]  # fmt: skip
    assert [row.seq for row in await kit.rows.rows("emp_a", after=Place(0, 1), limit=10)] == [3]
    assert (await kit.rows.ends("emp_a")).last_seq == 3


async def test_times_never_fall_as_numbers_rise(kit: Kit) -> None:
    await tell(kit, "emp_a")
    kit.at -= timedelta(days=2)
    await tell(kit, "emp_a")
    kit.at += timedelta(days=40)
    rows = await tell(kit, "emp_a")
    assert [row.told_at for row in rows] == [NOON, NOON, NOON + timedelta(days=38)]


async def test_what_was_kept_longer_goes_by_the_day_and_each_reader_knows_how_far(kit: Kit) -> None:
    await tell(kit, "emp_a", "emp_b")
    kit.at += timedelta(days=1)
    await tell(kit, "emp_a")
    assert not await kit.rows.forget(kept=KEPT)
    kit.at += timedelta(days=30)
    await tell(kit, "emp_c")
    assert await kit.rows.forget(kept=KEPT)
    assert not await kit.rows.forget(kept=KEPT)
    assert [row.seq for row in await all_of(kit)] == [3, 4]
    forgotten = [(await kit.rows.ends(who)).forgotten_seq for who in ("emp_a", "emp_b", "emp_c", None)]
    assert forgotten == [1, 2, 0, 2]


async def test_a_cursor_is_lost_when_rows_behind_it_were_forgotten_and_any_other_works(kit: Kit) -> None:
    reader = reading(kit)
    quiet = (await page(reader, "emp_quiet")).end
    await tell(kit, "emp_a", "emp_a")
    first = (await page(reader, "emp_a", limit=1)).end
    last = (await page(reader, "emp_a")).end
    kit.at += timedelta(days=32)
    assert await kit.rows.forget(kept=KEPT)
    assert await reader.page("emp_a", first, limit=10) is Lost.FORGOTTEN
    await tell(kit, "emp_a", "emp_quiet")
    for who, start in (("emp_a", last), ("emp_a", None), ("emp_quiet", quiet)):
        assert len((await page(reader, who, start)).rows) == 1


async def test_a_feed_is_read_from_the_hour_of_a_time_on(kit: Kit) -> None:
    reader = reading(kit)
    await tell(kit, "emp_a")
    kit.at += HOUR + timedelta(minutes=20)
    await tell(kit, "emp_b", "emp_a")
    kit.at += HOUR
    await tell(kit, "emp_a")
    told = {NOON - HOUR: [1, 3, 4], NOON + HOUR: [3, 4], NOON + HOUR * 1.99: [3, 4], NOON + 9 * HOUR: []}
    for since, expected in told.items():
        assert [row.seq for row in (await page(reader, "emp_a", since)).rows] == expected
    assert [row.seq for row in (await page(reader, None, NOON + HOUR)).rows] == [2, 3, 4]
    assert (await page(reader, "emp_a", NOON + 9 * HOUR)).end.seq == 4


async def test_a_time_before_what_is_kept_is_told_alike_to_who_missed_something_and_who_did_not(kit: Kit) -> None:
    reader = reading(kit)
    await tell(kit, "emp_a")
    kit.at += timedelta(days=32)
    await kit.rows.forget(kept=KEPT)
    for who in ("emp_a", "emp_quiet"):
        assert await reader.page(who, kit.at - KEPT - 2 * HOUR, limit=10) is Lost.FORGOTTEN
        assert (await page(reader, who, kit.at - KEPT)).rows == []


async def test_a_cursor_of_another_generation_or_from_beyond_the_end_is_lost(kit: Kit) -> None:
    reader = reading(kit)
    await tell(kit, "emp_a")
    end = (await page(reader, "emp_a")).end
    beyond = Place(end.generation, end.seq + 1, end.told_at)
    assert await reader.page("emp_a", beyond, limit=10) is Lost.OF_ANOTHER_HISTORY
    await kit.rows.restart()
    assert await reader.page("emp_a", end, limit=10) is Lost.OF_ANOTHER_HISTORY
    assert len((await page(reader, "emp_a", None)).rows) == 1


async def test_the_end_of_a_readers_feed_lies_behind_all_that_they_were_told_and_moves_for_nobody_else(
    kit: Kit,
) -> None:
    reader = reading(kit)
    assert await reader.end("emp_a") == (await kit.rows.ends("emp_a")).first
    await tell(kit, "emp_a", "emp_b")
    end = await reader.end("emp_a")
    assert end is not None and (await page(reader, "emp_a", end)).rows == []
    async with kit.writing() as feed:
        await feed.write([Telling("emp_b", "{}")])
    assert (await reader.end("emp_a"), await reader.end("emp_b")) == (end, None), "what has no number yet is on its way"
    await kit.rows.sequence(10)
    assert await reader.end("emp_a") == end
    await tell(kit, "emp_a")
    assert [row.seq for row in (await page(reader, "emp_a", end)).rows] == [4]
    assert await reader.end("emp_a") == (await page(reader, "emp_a", end)).end
    kit.at += KEPT + timedelta(days=2)
    while await kit.rows.forget(kept=KEPT):
        pass
    end = await reader.end("emp_a")
    assert end is not None and (await page(reader, "emp_a", end)).rows == []


async def test_memory_serves_who_has_read_up_to_the_newest_rows_and_nobody_else(kit: Kit) -> None:
    reader = reading(kit, keeps=3)
    await tell(kit, "emp_a", "emp_quiet", "emp_a")
    await reader.tailer.look()
    first = (await page(reader, "emp_a", limit=1)).end
    end = (await page(reader, "emp_a", first)).end
    quiet = (await page(reader, "emp_quiet")).end
    await tell(kit, "emp_a", "emp_b")
    await reader.tailer.look()
    for who, place, expected in (("emp_a", end, [4]), ("emp_quiet", quiet, [])):
        found = await page(reader, who, place)
        assert ([row.seq for row in found.rows], found.from_memory) == (expected, True)
    assert not (await page(reader, "emp_a", first)).from_memory
    await tell(kit, "emp_c", "emp_a", "emp_c")
    await reader.tailer.look()
    behind = await page(reader, "emp_a", end)
    assert ([row.seq for row in behind.rows], behind.from_memory) == ([4, 7], False), "memory has the last three rows"
    found = await page(reader, "emp_quiet", quiet)
    assert (found.rows, found.from_memory) == ([], True)


async def test_memory_forgets_what_the_feed_forgets_and_knows_no_other_generation(kit: Kit) -> None:
    reader = reading(kit)
    beginning = (await page(reader, "emp_a")).end
    await reader.tailer.look()
    await page(reader, "emp_a")
    await tell(kit, "emp_a")
    await reader.tailer.look()
    found = await page(reader, "emp_a", beginning)
    assert (len(found.rows), found.from_memory) == (1, True)
    kit.at += timedelta(days=32)
    await kit.rows.forget(kept=KEPT)
    await reader.tailer.look()
    assert await reader.page("emp_a", beginning, limit=10) is Lost.FORGOTTEN
    assert (await page(reader, "emp_a", found.end)).from_memory
    await kit.rows.restart()
    await reader.tailer.look()
    assert await reader.page("emp_a", found.end, limit=10) is Lost.OF_ANOTHER_HISTORY


async def test_more_than_memory_holds_at_once_is_read_from_the_database(kit: Kit) -> None:
    reader = reading(kit, keeps=3)
    beginning = (await page(reader, "emp_a")).end
    await reader.tailer.look()
    await tell(kit, *["emp_a"] * 5)
    await reader.tailer.look()
    found = await page(reader, "emp_a", beginning)
    assert (len(found.rows), found.from_memory) == (5, False)
    assert (await page(reader, "emp_a", found.end)).from_memory


def test_hours_begin_in_utc_and_no_time_is_too_early_or_too_late() -> None:
    for text in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"):
        to_the_hour(datetime.fromisoformat(text))
    assert to_the_hour(datetime.fromisoformat("2026-11-28T01:45:10+05:30")).isoformat() == "2026-11-27T20:00:00+00:00"


async def test_a_sequencer_that_nobody_told_sees_with_one_look_whether_anything_waits(kit: Kit) -> None:
    sequencer = Sequencer("told", kit.rows)
    assert not await kit.rows.any_waits()
    async with kit.writing() as writer:
        await writer.write([Telling("emp_a", "{}")])
    assert await kit.rows.any_waits()
    await sequencer.look()
    assert not await kit.rows.any_waits()
