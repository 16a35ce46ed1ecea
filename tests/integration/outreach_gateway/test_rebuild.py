"""Windows that were lost are built anew from the rows, in pages: on real PostgreSQL and Redis, by processes that are killed."""

import asyncio
import os
import secrets
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from prometheus_client import REGISTRY
from redis.asyncio import Redis
from structlog.testing import capture_logs

from services.outreach_gateway import rebuild
from services.outreach_gateway.adapters.postgres_epochs import PostgresEpochs
from services.outreach_gateway.adapters.redis_servers import OneServer
from services.outreach_gateway.adapters.redis_windows import RedisWindows
from services.outreach_gateway.model import SHARDS, Queue
from services.outreach_gateway.ports.windows import Booked, Epoch, Found, WindowsAwayError
from services.outreach_gateway.rebuild import Rebuild
from shared.postgres.pool import Pool
from tests.databases import MIGRATIONS_OF
from tests.fakes.clock import FixedClock
from tests.integration.outreach_gateway.rebuilding import NOW, POLICY, Rows, person
from tests.stack import Servers
from tests.waiting import until, until_held_up


@pytest.fixture
def migrations() -> tuple[Path, ...]:
    return MIGRATIONS_OF["outreach_gateway"]


class Watched(RedisWindows):
    """Notes whom it places, and may be made to wait before it does."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        super().__init__(OneServer(redis), POLICY, FixedClock(NOW), prefix=prefix, at=NOW)
        self.placed: list[str] = []
        self.may_place = asyncio.Event()
        self.may_place.set()
        self.waits = asyncio.Event()

    async def place(self, shard: int, epoch: Epoch, page: Sequence[Booked]) -> None:
        self.waits.set()
        await self.may_place.wait()
        await super().place(shard, epoch, page)
        self.placed += [booked.candidate for booked in page]


@dataclass
class Place(Rows):
    """Rows, and the windows of one Redis."""

    redis: Redis = field(kw_only=True)
    database: str = field(kw_only=True)
    prefix: str = field(default_factory=lambda: f"t{secrets.token_hex(4)}", kw_only=True)

    def process(self) -> tuple[Rebuild, Watched]:
        windows = Watched(self.redis, self.prefix)
        return Rebuild(self.epochs, windows), windows

    async def whole(self) -> None:
        """All shards are built, of what is there."""
        process, _ = self.process()
        await process.look()
        await process.build()
        assert set((await process.look()).values()) == {Found.OPEN}

    async def lose(self, *shards: int) -> None:
        await self.redis.delete(*(f"{self.prefix}:{{s{shard}}}" for shard in shards))

    async def logs(self) -> set[str]:
        """People who have windows."""
        return {key.decode().rpartition(":")[2] async for key in self.redis.scan_iter(match=f"{self.prefix}:*:*")}


@pytest.fixture
async def place(pool: Pool, database: str, servers: Servers) -> AsyncIterator[Place]:
    redis = Redis.from_url(servers.redis)
    yield Place(pool, redis=redis, database=database)
    await redis.aclose()


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebuild, "PEOPLE_A_PAGE", 2)


def slots_to_place(what: str) -> float | None:
    return REGISTRY.get_sample_value("fairpool_windows_rebuild_slots", {"state": what})


async def test_an_empty_redis_gets_all_shards_and_a_lost_shard_is_built_alone(place: Place) -> None:
    people = [person(number, shard) for number in range(1, 4) for shard in (0, 1, 63)]
    await place.sent(*people)
    await place.whole()
    assert await place.logs() == set(people)
    before = await place.names()
    await place.lose(1)
    process, windows = place.process()
    found = await process.look()
    assert [shard for shard, what in found.items() if what is not Found.OPEN] == [1]
    assert windows.held == {1}
    assert (slots_to_place("placed"), slots_to_place("total")) == (0, 3)
    await process.build()
    assert windows.placed == [person(number, 1) for number in range(1, 4)]
    after = await place.names()
    assert {shard for shard in after if after[shard] != before[shard]} == {1}
    assert set((await process.look()).values()) == {Found.OPEN}
    assert windows.held == frozenset()


async def test_nobody_looks_twice_a_second_while_nothing_is_held_and_a_batch_that_finds_a_shard_lost_has_it_looked_at(
    place: Place,
) -> None:
    who = person(1, 1)
    await place.sent(who)
    await place.whole()
    process, windows = place.process()
    await process.look()
    before = await place.names()
    await place.lose(1)
    await process.look_at_held()
    await process.build_what_is_begun()
    assert await place.names() == before, "nobody knows of it yet, and nobody asked"
    (answer,) = await windows.book([Queue(who, (), ())], {1: Epoch(before[1])})
    assert answer is None
    assert windows.held == {1}
    await process.look_at_held()
    assert await place.building(1) is not None
    await process.build_what_is_begun()
    await process.look_at_held()
    assert windows.held == frozenset()
    assert {shard for shard, name in (await place.names()).items() if name != before[shard]} == {1}


async def test_the_first_building_is_told_once_and_as_no_loss_and_a_lost_shard_is_warned_of(place: Place) -> None:
    def rebuilt() -> float:
        return REGISTRY.get_sample_value("fairpool_windows_rebuild_seconds_count") or 0.0

    before = rebuilt()
    with capture_logs() as told:
        await place.whole()
    assert told == [{"event": "windows_built_first", "log_level": "info", "shards": SHARDS}]
    assert rebuilt() == before
    await place.lose(1)
    with capture_logs() as told:
        await place.whole()
    assert [(line["event"], line["log_level"]) for line in told] == [
        ("shard_lost", "warning"),
        ("shard_rebuilt", "warning"),
    ]
    assert rebuilt() == before + 1


async def test_while_a_shard_is_built_batches_hold_all_others_and_what_ends_meanwhile_is_no_difference(
    place: Place,
) -> None:
    gone, stays = person(1), person(2)
    await place.sent(gone, stays)
    await place.whole()
    await place.lose(0)
    process, _ = place.process()
    await process.look()
    async with place.store() as store:
        assert sorted(await store.hold_epochs([0, 1, 2])) == [1, 2]
    await process.build_a_page()
    await place.pool.execute("UPDATE outreach SET slot_at = NULL, state = 'bounced' WHERE candidate = $1", UUID(gone))
    await process.build()
    assert await place.logs() == {gone, stays}, "a slot too many, which the rows take back before they decide"
    async with place.store() as store:
        assert sorted(await store.hold_epochs([0, 1])) == [0, 1]


async def test_a_batch_of_the_old_epoch_ends_first_and_who_comes_later_is_held_of_this_shard_alone(
    place: Place,
) -> None:
    await place.sent(person(1))
    await place.whole()
    await place.lose(0)
    process, windows = place.process()
    async with place.store() as batch:
        assert len(await batch.hold_epochs([0])) == 1
        looking = asyncio.create_task(process.look())
        await until_held_up(place.pool)
        async with place.store() as newcomer:
            assert sorted(await newcomer.hold_epochs([0, 1])) == [1]
        await place.sent(person(2))
    assert (await looking)[0] is Found.BUILDING
    await process.build()
    assert windows.placed == [person(1), person(2)]


async def test_who_read_the_epoch_before_it_was_begun_anew_is_fenced(place: Place) -> None:
    await place.whole()
    before = await place.names()
    process, windows = place.process()
    windows._different[0] = (Epoch(before[0]), 1000)  # the marker stands; what the rows say is not what is there
    assert (await process.look())[0] is Found.BUILDING
    _, late = place.process()
    async with place.epochs() as rows:
        known = (await rows.present())[0]
    assert known.epoch == Epoch(before[0])
    found = await late.look({0: type(known)(known.epoch)})
    assert found[0] is Found.LOST


_CHILD = """
import asyncio, sys
from shared.postgres.pool import open_pool
from tests.integration.outreach_gateway import test_rebuild as here

async def main(dsn, url, prefix):
    place = here.Place(await open_pool(dsn, name="child"), redis=here.Redis.from_url(url), database=dsn, prefix=prefix)
    here.rebuild.PEOPLE_A_PAGE = 2
    process, windows = place.process()
    await process.build_a_page()
    await process.build_a_page()
    windows.may_place.clear()
    while True:  # the test looks whether the row can be claimed, and for that moment nobody else can
        await process.build_a_page()

asyncio.run(main(*sys.argv[1:]))
"""


async def test_killed_in_the_middle_the_next_process_goes_on_where_it_was(place: Place, servers: Servers) -> None:
    people = [person(number) for number in range(1, 12)]
    await place.sent(*people)
    await place.whole()
    await place.lose(0)
    process, windows = place.process()
    await process.look()
    begun = await place.building(0)
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _CHILD, place.database, servers.redis, place.prefix, env={**os.environ}
    )

    async def waits_in_its_third_page() -> bool:
        """Its transaction has the row, and nobody else can claim it."""
        found = await place.building(0)
        async with place.epochs() as rows:
            return found is not None and found.placed == 4 and await rows.claim(but=()) is None

    await until(waits_in_its_third_page, what="the child is in the middle of the shard")
    child.kill()
    await child.wait()
    found = await place.building(0)
    assert begun is not None
    assert found is not None
    assert (found.epoch, found.after, found.placed, found.total) == (begun.epoch, person(4), 4, 11)

    async def is_built() -> bool:
        await process.build()  # the row is free once PostgreSQL has seen that nobody is there
        return await place.building(0) is None

    await until(is_built, what="the shard is built")
    assert windows.placed == people[4:], "what was placed is not placed again"
    assert await place.logs() == set(people)
    assert (await place.names())[0] == begun.epoch.name


async def test_killed_between_opening_the_windows_and_saying_so_it_is_opened_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await place.whole()
    await place.lose(0)
    process, _ = place.process()
    await process.look()

    async def killed(*_: object) -> timedelta:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(PostgresEpochs, "end", killed)
        await process.build()
    assert await place.building(0) is not None
    await process.build()
    assert await place.building(0) is None
    assert set((await process.look()).values()) == {Found.OPEN}


async def test_two_processes_share_the_shards_and_place_nobody_twice(place: Place) -> None:
    people = [person(number, shard) for number in range(1, 6) for shard in (0, 1)]
    await place.sent(*people)
    await place.whole()
    await place.lose(0, 1)
    (first, slow), (second, quick) = place.process(), place.process()
    await first.look()
    slow.may_place.clear()
    building = asyncio.create_task(first.build())
    await slow.waits.wait()
    await second.build()
    assert {who[-1] for who in quick.placed} == {"1"}, "the first one has shard 0"
    slow.may_place.set()
    await building
    assert sorted(slow.placed + quick.placed) == sorted(people)
    assert await place.building(0) is await place.building(1) is None


async def test_what_is_lost_again_while_it_is_built_begins_again_and_what_is_away_holds_no_other_shard(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = [person(number, shard) for number in range(1, 6) for shard in (0, 1)]
    await place.sent(*people)
    await place.whole()
    await place.lose(0, 1)
    process, windows = place.process()
    await process.look()
    await process.build_a_page()
    begun = await place.building(0)
    assert begun is not None
    assert begun.placed == 2
    await place.redis.delete(*[key async for key in place.redis.scan_iter(match=f"{place.prefix}:*")])
    await process.build_a_page()
    again = await place.building(0)
    assert again is not None
    assert (again.placed, again.epoch == begun.epoch) == (0, False)
    fill = windows._fill

    async def away(what: str, shard: int, *more: object) -> None:
        if shard == 0:
            raise WindowsAwayError
        await fill(what, shard, *more)  # type: ignore[arg-type]  # as it is called

    with monkeypatch.context() as patch:
        patch.setattr(windows, "_fill", away)
        await process.build()
    assert [(await place.building(shard)) is None for shard in (0, 1)] == [False, True]
    await process.look()
    await process.build()
    assert await place.logs() == set(people)
    assert set((await process.look()).values()) == {Found.OPEN}


async def test_what_is_more_than_100_days_old_is_not_placed(place: Place) -> None:
    await place.sent(person(1), person(2))
    await place.pool.execute(
        "UPDATE outreach SET slot_at = $1 WHERE candidate = $2", NOW - timedelta(days=101), UUID(person(1))
    )
    await place.whole()
    assert await place.logs() == {person(2)}


def test_there_are_as_many_rows_as_shards() -> None:
    sql = next(Path(rebuild.__file__).parent.glob("migrations/0023_*.sql")).read_text()
    assert f"generate_series(0, {SHARDS - 1})" in sql
    assert f"& {SHARDS - 1};" in sql
