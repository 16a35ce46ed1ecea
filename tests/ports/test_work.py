"""Work that is no record, and the loop that does it: on the fake rows and on PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from shared.clock import Clock
from shared.messaging.errors import TransientError
from shared.messaging.unit import Unit, unit_of_work
from shared.postgres.migrate import PLUMBING
from shared.runner.loop import POLL, Runner
from shared.runner.model import TURN, Again, Job, Queue, Wanted
from shared.runner.ports import WorkRows
from shared.runner.postgres import PostgresWork
from tests.databases import Databases
from tests.fakes.clock import NOON, FixedClock
from tests.fakes.work import FakeWork
from tests.waiting import until

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
LEASE = timedelta(minutes=2)
Work = Callable[[], AbstractAsyncContextManager[Any]]


@dataclass
class Kit:
    """Rows, and how to open them."""

    work: Work
    rows: Callable[[Any], WorkRows]
    clock: FixedClock
    pass_time: Callable[[timedelta], Awaitable[None]]
    """So much time goes by for whoever has a lease, by the clock of the database."""

    def runner(self) -> Runner[Any]:
        return Runner(self.work, self.rows, self.clock)

    async def schedule(self, *keys: str, queue: str = "letters", **options: Any) -> None:
        options = {"run_at": self.clock.now(), **options}
        async with self.work() as unit:
            await self.rows(unit).schedule([Wanted(queue, key, **options) for key in keys])

    async def claim(self, *, lease: str = "00000000-0000-0000-0000-000000000001", limit: int = 100) -> list[Job]:
        at = self.clock.now()
        async with self.work() as unit:
            return await self.rows(unit).claim("letters", [0], limit, at=at, lease=lease, lasts=LEASE)

    async def set_aside(self, queue: str = "letters") -> int:
        async with self.work() as unit:
            return (await self.rows(unit).depths([queue], [0, 1], at=self.clock.now()))[queue].set_aside


@pytest.fixture(params=["fake", "postgres"])
async def kit(request: pytest.FixtureRequest) -> AsyncIterator[Kit]:
    clock = FixedClock()
    if request.param == "fake":
        table = FakeWork()

        async def pass_time(time: timedelta) -> None:
            table.server += time

        yield Kit(table.transaction, lambda unit: unit, clock, pass_time)
        return
    databases: Databases = request.getfixturevalue("databases")
    async with databases.pool(PLUMBING) as pool:

        @asynccontextmanager
        async def work() -> AsyncIterator[Unit]:
            async with unit_of_work(pool, at=clock.now(), source="tests") as unit:
                yield unit

        async def let_time_pass(time: timedelta) -> None:
            await pool.execute("UPDATE work SET leased_until = leased_until - $1::interval", time)

        yield Kit(work, lambda unit: PostgresWork(unit.connection), clock, let_time_pass)


class Letters:
    """A handler that notes what it did, and fails where it is told to."""

    def __init__(self, *bad: str, error: Exception | None = None) -> None:
        self.bad = set(bad)
        self.error = error or ValueError("a zone that nobody knows")
        self.done: list[str] = []
        self.tried: list[list[str]] = []

    async def __call__(self, _: object, jobs: Sequence[Job]) -> Again | None:
        keys = [job.key for job in jobs]
        self.tried.append(keys)
        if self.bad & set(keys):
            raise self.error
        self.done += keys
        return None

    def queue(self, **options: Any) -> Queue[Any]:
        return Queue("letters", self, **options)


async def test_what_is_due_is_done_once_and_what_is_not_waits(kit: Kit) -> None:
    letters, runner = Letters(), kit.runner()
    runner.add(letters.queue())
    await kit.schedule("a", "b")
    await kit.schedule("later", run_at=NOON + MINUTE)
    assert await runner.run_once() == 2
    assert await runner.run_once() == 0
    assert sorted(letters.done) == ["a", "b"]
    kit.clock.advance(MINUTE)
    await runner.run_once()
    assert letters.done[2:] == ["later"]


async def test_a_bad_row_stops_no_other_and_is_set_aside_with_its_reason(kit: Kit) -> None:
    letters, runner = Letters("c"), kit.runner()
    runner.add(letters.queue(attempts=3))
    await kit.schedule(*"abcdefgh")
    await runner.run_once()
    assert sorted(letters.done) == list("abdefgh")
    assert await kit.set_aside() == 0, "it is tried again first"
    for _ in range(2):
        kit.clock.advance(MINUTE)
        await runner.run_once()
    assert await kit.set_aside() == 1
    kit.clock.advance(timedelta(days=1))
    assert await runner.run_once() == 0, "set aside, it waits for an operator"


async def test_two_runners_share_a_database_that_has_a_bad_row_and_do_each_other_row_once(kit: Kit) -> None:
    letters = Letters("07", "33")
    runners = [kit.runner(), kit.runner()]
    for runner in runners:
        runner.add(letters.queue(batch=8, attempts=1))
    keys = [f"{number:02}" for number in range(40)]
    await kit.schedule(*keys)
    await asyncio.gather(*(runner.run_once() for runner in runners))
    assert sorted(letters.done) == [key for key in keys if key not in letters.bad]
    assert await kit.set_aside() == 2


async def test_the_attempts_at_a_bad_row_are_spaced_and_grow_apart(kit: Kit) -> None:
    letters, runner = Letters("bad"), kit.runner()
    runner.add(letters.queue(attempts=None))
    await kit.schedule("bad")
    await runner.run_once()
    assert await runner.run_once() == 0, "not at once"
    for tried in range(2, 13):
        kit.clock.advance(timedelta(minutes=10))
        await runner.run_once()
        assert len(letters.tried) == tried
    kit.clock.advance(timedelta(minutes=4))
    assert await runner.run_once() == 0, "ten minutes at most, half of it at least"


async def test_what_is_transient_counts_no_attempt_and_sets_nothing_aside(kit: Kit) -> None:
    letters, runner = Letters("a", error=TransientError("Redis is away")), kit.runner()
    runner.add(letters.queue(attempts=2))
    await kit.schedule("a", "b")
    for _ in range(5):
        with pytest.raises(TransientError):
            await runner.run_once()
    assert all(tried == ["a", "b"] for tried in letters.tried), "and nothing is halved"
    letters.bad.clear()
    await runner.run_once()
    assert sorted(letters.done) == ["a", "b"]


async def test_a_row_can_be_run_again_later_which_is_no_failure(kit: Kit) -> None:
    attempts: list[int] = []

    async def again(_: object, jobs: Sequence[Job]) -> Again:
        attempts.extend(job.attempts for job in jobs)
        return {job.key: kit.clock.now() + MINUTE for job in jobs if len(attempts) < 3}

    runner = kit.runner()
    runner.add(Queue("letters", again, attempts=1))
    await kit.schedule("a")
    for _ in range(4):
        await runner.run_once()
        kit.clock.advance(MINUTE)
    assert attempts == [1, 1, 1]


async def test_a_row_that_kills_its_process_is_set_aside_and_takes_no_other_with_it(kit: Kit) -> None:
    letters, runner = Letters(), kit.runner()
    runner.add(letters.queue(attempts=4))
    await kit.schedule("a", "killer")
    for _ in range(3):  # both were in hand when the process died
        assert len(await kit.claim()) == 2
        await kit.pass_time(LEASE)
    died: list[list[str]] = []

    async def dies(_: object, jobs: Sequence[Job]) -> None:
        died.append([job.key for job in jobs])
        if "killer" in died[-1]:
            raise SystemExit

    for _ in range(3):
        dying = kit.runner()
        dying.add(Queue("letters", dies, attempts=4))
        try:
            await dying.run_once()
        except SystemExit:
            await kit.pass_time(LEASE)
    assert died == [["a"], ["killer"]], "each alone"
    await runner.run_once()
    assert letters.done == []
    assert await kit.set_aside() == 1


async def test_a_row_whose_process_was_killed_after_the_claim_is_done_when_the_lease_is_over(kit: Kit) -> None:
    letters, runner = Letters(), kit.runner()
    runner.add(letters.queue())
    await kit.schedule("a")
    assert len(await kit.claim()) == 1
    assert await runner.run_once() == 0
    await kit.pass_time(LEASE)
    await runner.run_once()
    assert letters.done == ["a"]


async def test_who_takes_longer_than_a_lease_and_lives_keeps_what_they_have_in_hand(kit: Kit) -> None:
    """A lease is how long a process may be silent: one that is at work on a long list is not."""
    claimed: list[Sequence[Job]] = []

    async def is_in_hand() -> bool:
        async with kit.work() as unit:
            return await kit.rows(unit).next(["letters"], [0]) == {}

    async def slow(_: object, __: Sequence[Job]) -> None:
        await kit.pass_time(LEASE)
        assert not await is_in_hand()
        await until(is_in_hand)
        claimed.append(await kit.claim())

    runner = kit.runner()
    runner.add(Queue("letters", slow, attempts=1, lease=timedelta(seconds=1.5)))
    await kit.schedule("a")
    await runner._batches.turn(runner._queues["letters"])
    assert claimed == [[]], "nobody else has it meanwhile"
    assert await kit.set_aside() == 0


async def test_nothing_is_committed_for_a_row_whose_lease_was_lost(kit: Kit) -> None:
    runner = kit.runner()

    async def slow(unit: Any, _: Sequence[Job]) -> None:
        await kit.rows(unit).schedule([Wanted("written", "by the slow one", NOON)])
        await kit.pass_time(LEASE)
        if isinstance(unit, FakeWork):
            await unit.claim("letters", [0], 1, at=kit.clock.now(), lease="other", lasts=LEASE)
        else:
            await kit.claim()

    runner.add(Queue("letters", slow))
    await kit.schedule("a")
    await runner._batches.turn(runner._queues["letters"])
    async with kit.work() as unit:
        assert await kit.rows(unit).next(["written"], [0]) == {}


async def test_what_is_scheduled_while_it_is_in_hand_runs_once_more(kit: Kit) -> None:
    runs: list[str] = []

    async def handle(unit: Any, jobs: Sequence[Job]) -> None:
        runs.extend(job.key for job in jobs)
        if len(runs) == 1:
            await kit.rows(unit).schedule([Wanted("letters", "a", NOON + MINUTE)])

    runner = kit.runner()
    runner.add(Queue("letters", handle))
    await kit.schedule("a")
    await runner.run_once()
    assert runs == ["a"]
    kit.clock.advance(MINUTE)
    await runner.run_once()
    assert runs == ["a", "a"]


async def test_a_row_moves_to_an_earlier_time_and_to_a_later_one_only_exactly(kit: Kit) -> None:
    letters, runner = Letters(), kit.runner()
    runner.add(letters.queue())
    await kit.schedule("a", run_at=NOON + MINUTE)
    await kit.schedule("a", run_at=NOON + 3 * MINUTE)
    await kit.schedule("b", run_at=NOON + MINUTE)
    await kit.schedule("b", run_at=NOON + 3 * MINUTE, exactly=True)
    kit.clock.advance(MINUTE)
    await runner.run_once()
    assert letters.done == ["a"]
    await kit.schedule("b", run_at=NOON)
    await runner.run_once()
    assert letters.done == ["a", "b"]


async def test_what_was_set_aside_is_tried_anew_when_it_is_scheduled_anew(kit: Kit) -> None:
    letters, runner = Letters("a"), kit.runner()
    runner.add(letters.queue(attempts=1))
    await kit.schedule("a")
    await runner.run_once()
    assert await kit.set_aside() == 1
    letters.bad.clear()
    await kit.schedule("a")
    await runner.run_once()
    assert letters.done == ["a"]
    assert await kit.set_aside() == 0


async def test_what_is_cancelled_is_not_done(kit: Kit) -> None:
    letters, runner = Letters(), kit.runner()
    runner.add(letters.queue())
    await kit.schedule("a", "b")
    async with kit.work() as unit:
        await kit.rows(unit).cancel("letters", ["a"])
    await runner.run_once()
    assert letters.done == ["b"]


async def test_the_urgent_never_wait_behind_a_burst_and_the_burst_goes_on_beside_them(kit: Kit) -> None:
    letters, runner = Letters(), kit.runner()
    runner.add(letters.queue(batch=2, lanes=(0, 1)))
    await kit.schedule(*(f"burst {number}" for number in range(6)), lane=1, run_at=NOON - MINUTE)
    await kit.schedule(*(f"urgent {number}" for number in range(8)))
    queue = runner._queues["letters"]
    await runner._batches.turn(queue)
    assert all(key.startswith("urgent") for key in letters.done)
    for _ in range(3):
        await runner._batches.turn(queue)
    assert any(key.startswith("burst") for key in letters.done), "while some of the urgent still wait"
    assert len([key for key in letters.done if key.startswith("urgent")]) == 6


async def test_a_queue_that_is_woken_does_its_work_and_a_stop_ends_what_is_in_hand(kit: Kit) -> None:
    begun, may_end, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def handle(_: object, __: Sequence[Job]) -> None:
        begun.set()
        await may_end.wait()
        done.set()

    runner = kit.runner()
    runner.add(Queue("letters", handle))
    running = asyncio.create_task(runner.run())
    await kit.schedule("a")
    runner.wake(["letters"])
    async with asyncio.timeout(20):
        await begun.wait()
        running.cancel()
        may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert done.is_set()
    await kit.pass_time(LEASE)
    async with kit.work() as unit:
        assert await kit.rows(unit).next(["letters"], [0]) == {}, "and it was committed"


async def test_who_waits_for_something_that_is_away_is_done_as_soon_as_it_is_back(kit: Kit) -> None:
    letters = Letters("a", error=TransientError("away"))
    runner = kit.runner()
    runner.add(letters.queue())
    await kit.schedule("a")
    for _ in range(9):
        with pytest.raises(TransientError):
            await runner.run_once("letters")
    letters.bad.clear()
    assert await runner.run_once("letters") == 1
    assert letters.done == ["a"]


async def test_a_row_that_looks_like_an_outage_steps_aside_and_stops_nobody(kit: Kit) -> None:
    letters = Letters("slow", error=TimeoutError())
    runner = kit.runner()
    runner.add(letters.queue())
    good = [f"good{number}" for number in range(20)]
    await kit.schedule("slow", run_at=NOON - 2 * MINUTE)
    await kit.schedule(*good, run_at=NOON - MINUTE)
    for _ in range(20):
        try:
            if not await runner.run_once("letters"):
                break
        except TimeoutError:
            pass
    assert sorted(letters.done) == sorted(good)
    assert await kit.set_aside() == 0, "what is transient counts for nothing"


async def test_what_is_held_is_as_old_as_it_was(kit: Kit) -> None:
    letters = Letters("a", error=TransientError("away"))
    runner = kit.runner()
    runner.add(letters.queue())
    await kit.schedule("a", "b", run_at=NOON - MINUTE)
    with pytest.raises(TransientError):
        await runner.run_once("letters")
    async with kit.work() as unit:
        depth = (await kit.rows(unit).depths(["letters"], [0], at=kit.clock.now()))["letters"]
    assert (depth.due, depth.oldest) == (2, MINUTE)


async def test_of_a_batch_whose_lease_is_lost_whole_nothing_is_tried_again(kit: Kit) -> None:
    letters = Letters()
    runner = kit.runner()

    async def slowly(unit: object, jobs: Sequence[Job]) -> Again | None:
        if not letters.tried:
            await kit.pass_time(2 * LEASE)
            assert len(await kit.claim(lease="00000000-0000-0000-0000-000000000009")) == len(jobs)
        return await letters(unit, jobs)

    runner.add(Queue("letters", slowly))
    keys = [f"k{number}" for number in range(8)]
    await kit.schedule(*keys)
    await runner.run_once("letters")
    assert all(sorted(tried) == keys for tried in letters.tried), "nothing was halved: there was no bad row to find"


async def test_a_process_whose_clock_is_wrong_takes_nothing_that_another_has_in_hand(kit: Kit) -> None:
    await kit.schedule("a")
    assert len(await kit.claim()) == 1
    kit.clock.advance(timedelta(days=1))
    assert await kit.claim(lease="00000000-0000-0000-0000-000000000002") == []
    async with kit.work() as unit:
        assert await kit.rows(unit).next(["letters"], [0]) == {}
    await kit.pass_time(LEASE)
    assert len(await kit.claim(lease="00000000-0000-0000-0000-000000000003")) == 1


async def test_the_work_of_one_tenant_does_not_wait_behind_a_burst_of_another(kit: Kit) -> None:
    await kit.schedule(*(f"burst {number:05}" for number in range(10_000)), flow="emp_many", run_at=NOON - MINUTE)
    await kit.schedule("one", flow="emp_one")
    claimed = [job.key for job in await kit.claim(limit=10)]
    assert "one" in claimed
    assert len(claimed) == 10, "and nobody's place stays empty"


async def test_tenants_have_the_same_share_of_a_batch_and_each_of_them_who_waited_longest_first(kit: Kit) -> None:
    for number in range(20):
        await kit.schedule(f"a{number:02}", flow="emp_a", run_at=NOON - (60 - number) * SECOND)
        await kit.schedule(f"b{number:02}", flow="emp_b", run_at=NOON - (30 - number) * SECOND)
    await kit.schedule("c", flow="emp_c", run_at=NOON + MINUTE)
    claimed = sorted(job.key for job in await kit.claim(limit=9))
    assert {"a00", "a01", "a02", "b00", "b01", "b02"} <= set(claimed)
    assert len(claimed) == 9


async def test_of_very_many_tenants_each_has_its_turn(kit: Kit) -> None:
    await kit.schedule(*(f"burst {number:04}" for number in range(2_000)), flow="emp_many", run_at=NOON - MINUTE)
    for number in range(200):
        await kit.schedule(f"later {number}", flow=f"emp_{number}", run_at=NOON + MINUTE)
    for number in range(100):
        await kit.schedule(f"now {number}", flow=f"emp_now_{number}", run_at=NOON)
    claimed: set[str] = set()
    for _ in range(19):
        claimed |= {job.key for job in await kit.claim(limit=100)}
    assert len(claimed) == 1900, "each batch is full"
    assert sum(key.startswith("now") for key in claimed) > 50, "whom chance has passed over so often"


async def test_tenants_whose_work_is_not_due_take_no_turn_from_those_whose_work_is(kit: Kit) -> None:
    waiting = [Wanted("letters", f"later {n}", NOON + timedelta(days=1), flow=f"emp_{n}") for n in range(2_000)]
    async with kit.work() as unit:
        await kit.rows(unit).schedule(waiting)
    await kit.schedule(*(f"burst {number:04}" for number in range(1_000)), flow="emp_many", run_at=NOON - MINUTE)
    await kit.schedule(*(f"small {number}" for number in range(10)), flow="emp_small", run_at=NOON)
    claimed = [job.key for job in await kit.claim(limit=20)]
    assert len([key for key in claimed if key.startswith("small")]) == 10, "half of the batch is theirs"
    assert len(claimed) == 20


async def test_behind_a_burst_of_any_size_tenants_whose_work_is_due_are_found_among_those_who_wait(kit: Kit) -> None:
    waiting = [Wanted("letters", f"later {n}", NOON + timedelta(days=1), flow=f"emp_{n}") for n in range(500)]
    async with kit.work() as unit:
        await kit.rows(unit).schedule(waiting)
    await kit.schedule(*(f"burst {number:05}" for number in range(10_500)), flow="emp_many", run_at=NOON - MINUTE)
    await kit.schedule(*(f"small {number}" for number in range(10)), flow="emp_small", run_at=NOON)
    claimed = [job.key for job in await kit.claim(limit=20)]
    assert len([key for key in claimed if key.startswith("small")]) == 10


async def test_tenants_whose_work_is_in_hand_take_no_turn_from_those_whose_work_waits(kit: Kit) -> None:
    for n in range(100):
        await kit.schedule(f"in hand {n}", flow=f"emp_{n}", run_at=NOON - 2 * MINUTE)
    assert len(await kit.claim(limit=100)) == 100
    await kit.schedule(*(f"burst {number:04}" for number in range(1_000)), flow="emp_many", run_at=NOON - MINUTE)
    await kit.schedule(*(f"small {number}" for number in range(10)), flow="emp_small", run_at=NOON)
    claimed = [job.key for job in await kit.claim(lease="00000000-0000-0000-0000-000000000002", limit=20)]
    assert len([key for key in claimed if key.startswith("small")]) == 10


async def test_a_row_is_theirs_who_have_it_done_first(kit: Kit) -> None:
    await kit.schedule("shared", flow="emp_many", run_at=NOON + MINUTE)
    await kit.schedule("shared", flow="emp_one", run_at=NOON)
    await kit.schedule("shared", flow="emp_many", run_at=NOON + MINUTE)
    await kit.schedule(*(f"burst {number:02}" for number in range(50)), flow="emp_many", run_at=NOON - MINUTE)
    assert "shared" in [job.key for job in await kit.claim(limit=2)]


async def test_the_runner_sleeps_until_the_next_work_is_due_or_five_seconds(kit: Kit) -> None:
    runner = kit.runner()
    runner.add(Letters().queue())
    assert await runner.wake_due() == POLL
    await kit.schedule("later", run_at=kit.clock.now() + SECOND)
    assert await runner.wake_due() == SECOND
    assert not runner._wakes["letters"].is_set()
    kit.clock.advance(SECOND)
    assert runner._looks.is_set(), "a clock that was moved is looked at again"
    assert await runner.wake_due() == POLL
    assert runner._wakes["letters"].is_set()
    await kit.schedule("in a minute", run_at=kit.clock.now() + MINUTE)
    assert await runner.wake_due() == POLL


async def test_periodic_work_comes_again_at_the_next_multiple_of_its_period_and_at_once_where_there_is_more(
    kit: Kit,
) -> None:
    letters, runner, said = Letters(), kit.runner(), list[Again | None]()

    async def handle(unit: object, jobs: Sequence[Job]) -> Again | None:
        await letters(unit, jobs)
        return said.pop() if said else None

    runner.add(Queue("letters", handle, attempts=None, period=MINUTE))
    queue = runner._queues["letters"]
    kit.clock.advance(7 * SECOND)
    await kit.schedule(TURN)
    said.append({TURN: kit.clock.now()})
    assert await runner._batches.turn(queue) == 1
    assert runner._batches.rests(queue) is None, "there is more"
    assert await runner._batches.turn(queue) == 1
    rests = runner._batches.rests(queue)
    assert rests is not None
    assert timedelta(0) <= rests - 53 * SECOND < SECOND
    assert await runner.wake_due() == POLL
    kit.clock.advance(52 * SECOND)
    assert await runner._batches.turn(queue) == 0
    kit.clock.advance(SECOND)
    assert await runner._batches.turn(queue) == 1
    assert letters.done == [TURN] * 3


async def test_a_turn_that_fails_leaves_nothing_and_is_noted_and_spaced_as_other_work(kit: Kit) -> None:
    letters, runner = Letters(TURN), kit.runner()

    async def handle(unit: Any, jobs: Sequence[Job]) -> Again | None:
        await kit.rows(unit).schedule([Wanted("notes", "a", NOON)])
        return await letters(unit, jobs)

    runner.add(Queue("letters", handle, attempts=None, period=SECOND))
    await kit.schedule(TURN)
    await runner.run_once("letters")
    assert not letters.done
    async with kit.work() as unit:
        assert "notes" not in await kit.rows(unit).next(["notes"], [0]), "nothing of it was committed"
    (job,) = await kit_when_due(kit)
    assert (job.attempts, job.reason) == (2, "failed: ValueError")


async def kit_when_due(kit: Kit) -> list[Job]:
    """The row, once its pause is over."""
    kit.clock.advance(MINUTE)
    return await kit.claim()


async def test_a_turn_that_something_outside_holds_counts_no_attempt_and_stays_due(kit: Kit) -> None:
    letters, runner = Letters(TURN, error=TransientError("away")), kit.runner()
    runner.add(letters.queue(attempts=None, period=SECOND))
    await kit.schedule(TURN)
    with pytest.raises(TransientError):
        await runner.run_once("letters")
    assert len(letters.tried) == 1
    (job,) = await kit.claim()
    assert (job.attempts, job.reason) == (1, None)


async def test_a_turn_that_another_process_has_in_hand_is_passed_over(kit: Kit) -> None:
    letters, runner = Letters(), kit.runner()
    runner.add(letters.queue(attempts=None, period=SECOND))
    await kit.schedule(TURN)
    assert len(await kit.claim()) == 1, "by a version before this one, with a lease"
    assert await runner._batches.turn(runner._queues["letters"]) == 0
    await kit.pass_time(LEASE)
    assert await runner._batches.turn(runner._queues["letters"]) == 1


async def test_a_turn_that_is_under_way_is_taken_by_nobody_else(databases: Databases) -> None:
    async with databases.pool(PLUMBING) as pool:
        async with unit_of_work(pool, at=NOON, source="tests") as unit:
            await PostgresWork(unit.connection).schedule([Wanted("letters", TURN, NOON)])
        async with (
            unit_of_work(pool, at=NOON, source="tests") as unit,
            unit_of_work(pool, at=NOON, source="tests") as o,
        ):
            assert await PostgresWork(unit.connection).take_turn("letters", at=NOON, until=NOON + SECOND)
            assert not await PostgresWork(o.connection).take_turn("letters", at=NOON, until=NOON + SECOND)


async def test_a_process_that_starts_waits_for_no_turn_that_is_under_way_and_holds_up_none(
    databases: Databases,
) -> None:
    async with databases.pool(PLUMBING) as pool:

        @asynccontextmanager
        async def work() -> AsyncIterator[Unit]:
            async with unit_of_work(pool, at=NOON, source="tests") as unit:
                yield unit

        runner = Runner(work, lambda unit: PostgresWork(unit.connection), FixedClock())
        for name in "letters", "missing", "others":
            runner.add(Queue(name, Letters(), attempts=None, period=MINUTE))
        async with work() as unit:
            turns = [Wanted(name, TURN, NOON) for name in ("letters", "others")]
            await PostgresWork(unit.connection).schedule(turns)
        async with work() as unit:
            assert await PostgresWork(unit.connection).take_turn("letters", at=NOON, until=NOON + MINUTE)
            await asyncio.wait_for(runner._begin(runner._queues), 5)
            for name in "missing", "others":
                assert await runner.run_once(name) == 1
        async with work() as unit:
            found = await PostgresWork(unit.connection).next(["letters"], [0])
            assert found == {"letters": NOON + MINUTE}, "its turn was under way"


async def test_a_process_that_starts_gives_periodic_work_a_turn_now_and_leaves_what_is_in_hand(kit: Kit) -> None:
    letters, runner = Letters(), kit.runner()
    runner.add(letters.queue(attempts=None, period=MINUTE))
    runner.add(Queue("others", Letters(), attempts=None, period=MINUTE))
    await kit.schedule(TURN, run_at=NOON + MINUTE)
    await runner._begin(runner._queues)
    async with kit.work() as unit:
        assert await kit.rows(unit).next(["letters", "others"], [0]) == {"letters": NOON, "others": NOON}
    assert len(await kit.claim()) == 1
    await runner._begin(runner._queues)
    await runner._begin(runner._queues)
    async with kit.work() as unit:
        assert await kit.rows(unit).next(["letters", "others"], [0]) == {"others": NOON}


async def test_a_wake_too_many_does_not_take_its_own_alarm_from_periodic_work(kit: Kit) -> None:
    letters, runner = Letters(), kit.runner()
    runner.add(letters.queue(attempts=None, period=MINUTE))
    queue = runner._queues["letters"]
    await kit.schedule(TURN)
    assert await runner._batches.turn(queue) == 1
    rests = runner._batches.rests(queue)
    assert rests is not None
    assert await runner._batches.turn(queue) == 0
    assert runner._batches.rests(queue) == rests


async def test_a_turn_that_others_schedule_too_is_claimed_so_that_they_need_not_wait_for_it(kit: Kit) -> None:
    runner, seen = kit.runner(), list[int]()

    async def handle(_: object, __: Sequence[Job]) -> None:
        seen.append(len(await kit.claim()))
        await asyncio.wait_for(kit.schedule(TURN), 60)

    runner.add(Queue("letters", handle, attempts=None, period=MINUTE, is_hurried=True))
    await kit.schedule(TURN)
    assert await runner._batches.turn(runner._queues["letters"]) == 1
    assert seen == [0]
    assert len(await kit.claim()) == 1, "it runs once more"


async def test_the_runner_comes_again_by_itself_when_the_period_is_over(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def sees_nothing(_: object) -> timedelta:
        return timedelta(hours=1)

    monkeypatch.setattr(Runner, "wake_due", sees_nothing)
    letters, runner = Letters(), Runner(kit.work, kit.rows, Clock())
    runner.add(letters.queue(attempts=None, period=timedelta(milliseconds=50)))
    running = asyncio.create_task(runner.run())
    await until(lambda: len(letters.done) > 2, what="the third turn")
    running.cancel()
    await asyncio.wait([running])
