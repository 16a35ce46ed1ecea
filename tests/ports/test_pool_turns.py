"""Whose pool is held against everybody next: no employer makes another one wait. On the fake and on PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.pool_matching import handlers, jobs
from services.pool_matching.model import Pool
from services.pool_matching.ports import EvaluationStore, Refs
from shared.contracts.pool_matching import PoolChangedV1
from shared.postgres.migrate import migrate
from shared.postgres.pool import open_pool
from shared.ticks import Ticks
from tests.conftest import unique
from tests.databases import MIGRATIONS_OF, Databases
from tests.fakes.clock import FixedClock
from tests.integration.pool_matching.kit import (
    NURSE,
    FakeKit,
    Kit,
    PostgresKit,
    candidates,
    consent,
    evaluate,
    in_pool,
    keep_pool,
    pool,
    profile,
    put_pool,
    received,
    step,
    tell_persons,
    tell_pools,
)
from tests.stack import Servers

MIGRATIONS = Path(handlers.__file__).parent / "migrations"
MINUTE = timedelta(minutes=1)
BUSY = "emp_a_busy"
ACTS = ("rename", "ask", "make", "delete")


@pytest.fixture(params=["fake", "postgres"])
async def kit(request: pytest.FixtureRequest) -> AsyncIterator[Kit]:
    if request.param == "fake":
        yield FakeKit()
        return
    databases: Databases = request.getfixturevalue("databases")
    async with databases.pool(*MIGRATIONS_OF["pool_matching"]) as opened:
        yield PostgresKit(opened)


@pytest.fixture
async def pool_kit(databases: Databases) -> AsyncIterator[PostgresKit]:
    async with databases.pool(*MIGRATIONS_OF["pool_matching"]) as opened:
        yield PostgresKit(opened)


class BusyEmployer:
    """Somebody who does with pools whatever the API lets them, and makes their ids begin low."""

    def __init__(self, kit: Kit, name: str = BUSY) -> None:
        self.kit = kit
        self.name = name
        self._made = 0
        self._pools: list[Pool] = []

    async def act(self, what: str, which: int) -> None:
        if what == "make" or not self._pools:
            self._made += 1
            await self._say(pool(f"p_0{which}{self.name}{self._made}", self.name, occupations=("29-0000",)))
            return
        before = self._pools.pop(which % len(self._pools))
        after = replace(before, version=before.version + 1)
        if what == "delete":
            async with self.kit.pools() as store:
                await store.begin_change()
                await store.delete(after)
            await tell_pools(self.kit, after)
        elif what == "rename":
            await self._say(replace(after, name=f"{after.name} again"))
        else:
            await self._say(replace(after, criteria=pool(min_years=after.version % 7).criteria))

    async def _say(self, value: Pool) -> None:
        await keep_pool(self.kit, value)
        await tell_pools(self.kit, value)
        self._pools.append(value)


async def ready(kit: Kit, id_: str, employer: str) -> bool:
    async with kit.pools() as store:
        listed = await store.get(employer, id_)
    return listed is not None and listed.ready


async def steps_of_others(kit: Kit, busy: BusyEmployer, acts: list[list[tuple[str, int]]]) -> int:
    """How many steps others get between a new pool and its end, while they act as told between any two steps."""
    mine = pool("p_zz", "emp_new", occupations=("29-1141",))
    await keep_pool(kit, mine)
    await tell_pools(kit, mine)
    others = 0
    for place in range(100):
        for what, which in acts[place % len(acts)] if acts else ():
            await busy.act(what, which)
        taken = await step(kit)
        others += taken not in (None, "p_zz")
        if await ready(kit, "p_zz", "emp_new"):
            return others
    raise AssertionError("the new pool was never ready")


histories = st.lists(st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 9)), max_size=6), min_size=1, max_size=8)


@given(before=histories, steps_before=st.integers(0, 30), during=histories)
def test_whatever_one_employer_does_anothers_new_pool_waits_for_three_of_its_steps_at_most(
    before: list[list[tuple[str, int]]], steps_before: int, during: list[list[tuple[str, int]]]
) -> None:
    async def play() -> int:
        kit = FakeKit()
        busy = BusyEmployer(kit)
        for some in before:
            for what, which in some:
                await busy.act(what, which)
        for _ in range(steps_before):
            await step(kit)
        return await steps_of_others(kit, busy, during)

    assert asyncio.run(play()) <= 3, "two before the first of its own two steps, one before the second"


async def test_sixty_pools_that_are_asked_anew_all_the_time_leave_another_its_turn(kit: Kit) -> None:
    busy = BusyEmployer(kit)
    for place in range(60):
        await busy.act("make", place)
    acts = [[(what, place) for what in ACTS] for place in (7, 0, 5, 1)]
    assert await steps_of_others(kit, busy, acts) <= 3


async def test_a_wide_pool_lets_others_in_between_its_steps(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "_CHUNK", 250)
    monkeypatch.setattr(handlers, "_CHUNKS", 2)
    people = candidates(1600)
    await tell_persons(kit, *(event for who in people for event in (profile(who), consent(who))))
    wide, narrow = pool("p_1", BUSY), pool("p_2", "emp_b", states=("WY",))
    for value in (wide, narrow):
        await keep_pool(kit, value)
        await tell_pools(kit, value)
    assert [await step(kit) for _ in range(7)] == ["p_1", "p_2", "p_1", "p_2", "p_1", "p_1", "p_1"]
    assert [await step(kit) for _ in range(2)] == [None, None]
    assert len(await kit.published(PoolChangedV1)) == 0
    assert len(await in_pool(kit, "p_1")) == 1600


async def test_within_an_employer_who_asked_first_comes_first(kit: Kit) -> None:
    for id_ in ("p_9", "p_5", "p_1"):
        await keep_pool(kit, pool(id_))
        await tell_pools(kit, pool(id_))
    assert [await step(kit) for _ in range(6)] == ["p_9", "p_5", "p_1"] * 2


async def test_a_pool_that_is_asked_anew_while_it_waits_keeps_its_turn_and_begins_again(kit: Kit) -> None:
    (who,) = candidates(1)
    await tell_persons(kit, profile(who), consent(who))
    for id_ in ("p_1", "p_2"):
        await keep_pool(kit, pool(id_))
        await tell_pools(kit, pool(id_))
    assert await step(kit) == "p_1"
    await keep_pool(kit, pool("p_1", version=2, states=("WY",)))
    await tell_pools(kit, pool("p_1", version=2, states=("WY",)))
    assert [await step(kit) for _ in range(4)] == ["p_2", "p_1", "p_2", "p_1"]
    assert (await in_pool(kit, "p_1"), await in_pool(kit, "p_2")) == (set(), {who})


async def test_a_new_name_alone_leaves_a_pool_ready_and_asks_nobody(kit: Kit) -> None:
    value = pool(states=("CO", "WY"), skills_all=("icu", "triage"))
    await put_pool(kit, value)
    for version, criteria in (
        (2, value.criteria),
        (3, pool(states=("WY", "CO"), skills_all=("triage", "icu")).criteria),
    ):
        renamed = replace(value, version=version, name=f"Name {version}", criteria=criteria)
        await keep_pool(kit, renamed)
        assert await ready(kit, value.id, value.employer)
        await tell_pools(kit, renamed)
        assert await step(kit) is None
        assert await ready(kit, value.id, value.employer)
    narrower = replace(value, version=4, criteria=pool(states=("CO",)).criteria)
    await keep_pool(kit, narrower)
    assert not await ready(kit, value.id, value.employer)


async def test_a_name_that_comes_during_an_evaluation_neither_ends_nor_repeats_it(kit: Kit) -> None:
    value = pool(states=("CO",))
    await keep_pool(kit, value)
    await tell_pools(kit, value)
    assert await step(kit) == value.id
    renamed = replace(value, version=2, name="Other")
    await keep_pool(kit, renamed)
    await tell_pools(kit, renamed)
    assert not await ready(kit, value.id, value.employer)
    assert [await step(kit), await step(kit)] == [value.id, None]
    assert await ready(kit, value.id, value.employer)


async def test_a_pool_that_few_fit_is_held_against_everybody_a_few_people_a_step(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whom it concerns is the last of many; and one who is in it and came not to fit stands in a step of their own."""
    monkeypatch.setattr(handlers, "_AMONG", 2)
    monkeypatch.setattr(handlers, "_CHUNKS", 1)
    people = [f"00000000-0000-4000-8000-00000000000{number}" for number in range(7)]
    elsewhere = NURSE.model_copy(update={"state": "TX"})
    for who in people[:-1]:
        await tell_persons(kit, profile(who, value=elsewhere if who != people[3] else NURSE), consent(who))
    value = pool(states=("CO",))
    await put_pool(kit, value)
    assert await in_pool(kit) == {people[3]}
    await tell_persons(kit, profile(people[6]), consent(people[6]))
    other = replace(value, version=2, criteria=pool(states=("CO",), min_years=10).criteria)
    await keep_pool(kit, other)
    await tell_pools(kit, other)
    steps = 0
    while await step(kit) is not None:
        steps += 1
    assert steps == 5, "one begins, three are through two people each, one is through the last"
    assert await in_pool(kit) == set()
    assert await ready(kit, value.id, value.employer)


async def test_a_pool_that_cannot_be_evaluated_holds_up_no_other_of_its_employer_and_nobody_elses(
    pool_kit: PostgresKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On two processes; at last the employer's turn is set aside, and comes back with the next pool that they ask for."""
    kit = pool_kit
    for value in (pool("p_1", BUSY), pool("p_2", BUSY), pool("p_3", "emp_b")):
        await keep_pool(kit, value)
        await tell_pools(kit, value)
    well = handlers.on_turn

    async def fails_for_one(store: EvaluationStore, id_: str, refs: Refs, ticks: Ticks) -> None:
        if id_ == "p_1":
            raise ValueError(id_)
        await well(store, id_, refs, ticks)

    monkeypatch.setattr(handlers, "on_turn", fails_for_one)
    clock = FixedClock()
    processes = [kit.process(clock) for _ in range(2)]
    for _ in range(12):
        await asyncio.gather(*(process.run_once() for process in processes))
        clock.advance(timedelta(minutes=10))
    assert await ready(kit, "p_2", BUSY)
    assert await ready(kit, "p_3", "emp_b")
    aside = await kit.connections.fetch("SELECT key, reason FROM work WHERE set_aside_at IS NOT NULL")
    assert [tuple(row) for row in aside] == [(BUSY, "failed: ValueError")]
    kit.at = clock.now()
    await keep_pool(kit, pool("p_4", BUSY))
    await tell_pools(kit, pool("p_4", BUSY))
    for _ in range(4):
        await processes[0].run_once()
        clock.advance(timedelta(minutes=10))
    assert await ready(kit, "p_4", BUSY)


async def test_pools_that_wait_without_anybody_to_evaluate_them_are_found(pool_kit: PostgresKit) -> None:
    kit = pool_kit
    await keep_pool(kit, pool())
    await tell_pools(kit, pool())
    await kit.connections.execute("DELETE FROM work")  # as an older version left it
    async with kit.persons() as store:
        assert not await jobs.find_missed_evaluations(store)
    async with kit.persons() as store:
        assert await store.employers_waiting(10) == []
    await evaluate(kit)
    assert await ready(kit, pool().id, pool().employer)


async def test_pools_of_whom_a_step_failed_too_often_are_taken_up_again_after_an_hour(pool_kit: PostgresKit) -> None:
    kit = pool_kit
    await keep_pool(kit, pool())
    await tell_pools(kit, pool())
    for age, expected in (("1 minute", []), ("2 hours", [pool().employer])):
        await kit.connections.execute(f"UPDATE work SET set_aside_at = $1::timestamptz - interval '{age}'", kit.at)
        async with kit.persons() as store:
            assert await store.employers_waiting(10) == expected


async def test_so_many_changes_come_at_once_and_then_one_after_the_other(kit: Kit) -> None:
    async def wait(employer: str = "emp_a") -> timedelta | None:
        async with kit.pools() as store:
            return await store.use_change(employer, most=3, within=MINUTE)

    assert [await wait() for _ in range(5)] == [None, None, None, MINUTE / 3, MINUTE / 3]
    assert await wait("emp_b") is None
    kit.at += MINUTE / 3
    assert [await wait(), await wait()] == [None, MINUTE / 3]
    kit.at += 10 * MINUTE
    assert [await wait() for _ in range(4)] == [None, None, None, MINUTE / 3]
    kit.at -= 5 * MINUTE  # a clock that was ahead
    assert await wait() == MINUTE / 3


@pytest.fixture
async def own_kit(servers: Servers) -> AsyncIterator[PostgresKit]:
    async with await open_pool(await servers.create_database(unique("turns")), name="test") as opened:
        await migrate(opened, *MIGRATIONS_OF["pool_matching"])
        yield PostgresKit(opened)


async def test_pools_that_waited_before_turns_were_kept_get_one_each(own_kit: PostgresKit) -> None:
    kit = own_kit
    for value in (pool("p_1", BUSY), pool("p_2", BUSY), pool("p_3", "emp_b")):
        await keep_pool(kit, value)
        await tell_pools(kit, value)
    await kit.connections.execute(
        """
        ALTER TABLE pools DROP COLUMN criteria_version, DROP COLUMN asks, DROP COLUMN asks_since, DROP COLUMN asks_as_of;
        ALTER TABLE evaluations DROP COLUMN employer, DROP COLUMN turn, DROP COLUMN asked;
        CREATE INDEX evaluations_to_do ON evaluations (pool) WHERE NOT done;
        """
    )
    await kit.connections.execute((MIGRATIONS / "0006_turns.sql").read_text())
    assert [await step(kit) for _ in range(3)] == ["p_1", "p_3", "p_2"]
    await kit.connections.execute("UPDATE pools SET version = 2, name = 'by an older release' WHERE pool = 'p_1'")
    async with kit.persons() as store:
        await handlers.on_pools_changed(
            store, received(PoolChangedV1(pool="p_1", version=2, employer=BUSY, name="", criteria=pool().criteria))
        )
    assert await kit.connections.fetchval("SELECT version FROM evaluations WHERE pool = 'p_1'") == 2
