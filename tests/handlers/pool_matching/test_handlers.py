"""Messages in any order, on the fakes."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.pool_matching import handlers
from services.pool_matching.decisions import matches
from services.pool_matching.handlers import (
    on_candidates_changed,
    on_overdue,
    on_pools_changed,
)
from services.pool_matching.jobs import find_overdue
from services.pool_matching.model import Consent, Person, Pool
from shared.contracts.consent import ConsentChangedV2
from shared.contracts.pool_matching import Criteria, MembershipsChangedV1, PoolChangedV1, PoolUpdatedV1
from shared.contracts.signup import CandidateProfileChangedV1, CoarseProfile
from shared.facts import Known
from tests.fakes.clock import NOON
from tests.fakes.pool_matching import SOC, FakeMatching
from tests.integration.pool_matching.kit import (
    NURSE,
    REFS,
    FakeKit,
    candidates,
    consent,
    evaluate,
    in_pool,
    pool,
    profile,
    put_pool,
    received,
    ref,
    tell_persons,
    tick,
)
from tests.integration.pool_matching.kit import step as take_step
from tests.working import jobs_for

PEOPLE = tuple(candidates(2))
CRITERIA = (Criteria(occupations=("29-1000",)), Criteria(states=("CO",)), Criteria(min_years=10), None)
PROFILES = (
    NURSE,
    CoarseProfile(occupations=("29-1171",), state="WY", years=10),
    CoarseProfile(occupations=("33-9032",), state="CO"),
    None,
)

Step = PoolChangedV1 | CandidateProfileChangedV1 | ConsentChangedV2 | None
"""None: an evaluation takes one step."""


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Step], list[Step]]:
    """What happened, and the same in the order in which it may arrive; the pools' rows are written in their order."""
    steps: list[Step] = []
    for who in PEOPLE:
        for version in range(1, draw(st.integers(1, 4))):
            told = draw(st.sampled_from(PROFILES))
            steps.append(profile(who, version, told))
        for version in range(1, draw(st.integers(1, 4))):
            blocked = draw(st.sampled_from(((), ("emp_a",))))
            steps.append(consent(who, version, match=draw(st.booleans()), blocked_employers=blocked))
    for id_, employer in (("p_1", "emp_a"), ("p_2", "emp_b")):
        for version in range(1, draw(st.integers(1, 4))):
            asked = draw(st.sampled_from(CRITERIA))
            steps.append(PoolChangedV1(pool=id_, version=version, employer=employer, name="n", criteria=asked))
            if asked is None:
                break
    again = draw(st.lists(st.sampled_from(steps), max_size=3)) if steps else []
    return steps, draw(st.permutations([*steps, *again, *[None] * draw(st.integers(0, 4))]))


async def _play(world: FakeMatching, steps: Sequence[Step]) -> None:
    written: dict[str, int] = {}
    for step in steps:
        if step is None:
            await take_step(FakeKit(world))
        elif isinstance(step, PoolChangedV1):
            if step.version > written.get(step.pool, 0):
                written[step.pool] = step.version
                await _write(world, step)
            await on_pools_changed(world, received(step))
        else:
            await on_candidates_changed(world, received(step), REFS.make)
    await evaluate(FakeKit(world))


async def _write(world: FakeMatching, event: PoolChangedV1) -> None:
    if event.criteria is not None:
        await world.write(Pool(event.pool, event.employer, event.version, event.name, event.criteria))
    elif await world.pool_in_force(event.pool):
        await world.delete(Pool(event.pool, event.employer, event.version, "", Criteria()))


def _expected(steps: Sequence[Step]) -> set[tuple[str, str]]:
    """By the newest version of everything, one pair at a time."""
    newest: dict[tuple[type, str], Step] = {}
    for step in steps:
        if step is not None:
            known = newest.get((type(step), step.key))
            if known is None or step.version > known.version:
                newest[type(step), step.key] = step
    found = set()
    for who in PEOPLE:
        told, agreed = newest.get((CandidateProfileChangedV1, who)), newest.get((ConsentChangedV2, who))
        for id_ in ("p_1", "p_2"):
            event = newest.get((PoolChangedV1, id_))
            if not (
                isinstance(told, CandidateProfileChangedV1)
                and isinstance(agreed, ConsentChangedV2)
                and isinstance(event, PoolChangedV1)
                and event.criteria
            ):
                continue
            person = Person.of(who, Known(told.profile), Known(Consent.of(agreed)), SOC)
            if matches(person, Pool(id_, event.employer, 1, "", event.criteria), NOON):
                found.add((who, id_))
    return found


@given(histories())
def test_the_order_of_arrival_never_changes_who_is_in_which_pool(history: tuple[list[Step], list[Step]]) -> None:
    happened, arrived = history
    in_order, mixed = FakeMatching(), FakeMatching()
    asyncio.run(_play(in_order, happened))
    # A pool's row is written by the route, in the order of its versions, whatever the order of arrival.
    pools = [step for step in happened if isinstance(step, PoolChangedV1)]
    asyncio.run(_play(mixed, _pools_in_order(arrived, pools)))
    expected = _expected(happened)
    for world in (in_order, mixed):
        assert asyncio.run(_members(world)) == expected
        assert _as_published(world) == expected


def _pools_in_order(arrived: Sequence[Step], pools: list[PoolChangedV1]) -> list[Step]:
    """The arrivals, each pool's versions rising; what came twice comes twice."""
    queues = {id_: [step for step in pools if step.pool == id_] for id_ in ("p_1", "p_2")}
    last: dict[str, PoolChangedV1] = {}
    steps: list[Step] = []
    for step in arrived:
        if isinstance(step, PoolChangedV1):
            if queues[step.pool]:
                last[step.pool] = queues[step.pool].pop(0)
            step = last[step.pool]
        steps.append(step)
    return steps


async def _members(world: FakeMatching) -> set[tuple[str, str]]:
    return {(known.person.candidate, member.pool) for known in await world.known(PEOPLE) for member in known.members}


def _as_published(world: FakeMatching) -> set[tuple[str, str]]:
    newest: dict[str, MembershipsChangedV1] = {}
    for event in world.published:
        if isinstance(event, MembershipsChangedV1):
            assert event.candidate not in newest or event.version > newest[event.candidate].version
            newest[event.candidate] = event
    return {(event.candidate, one.pool) for event in newest.values() for one in event.pools}


async def test_a_withdrawal_empties_the_pools_and_tells_no_employer_before_its_tick() -> None:
    kit = FakeKit()
    people = candidates(6)
    await put_pool(kit, pool("p_1", "emp_a"))
    await put_pool(kit, pool("p_2", "emp_b"))
    await tell_persons(kit, *(event for who in people for event in (profile(who), consent(who))))
    await tick(kit, "emp_a", "emp_b")
    await tick(kit, "emp_b", "emp_a")
    kit.world.published.clear()
    await tell_persons(kit, consent(people[0], 2, match=False))
    assert await kit.published(PoolUpdatedV1) == []
    assert [told.pools for told in await kit.published(MembershipsChangedV1)] == [()]
    for _ in range(8):
        await tick(kit, "emp_a", "emp_b")
    updates = await kit.published(PoolUpdatedV1)
    assert {(one.employer, one.member_ref, one.change) for one in updates} == {
        ("emp_a", ref(people[0], "p_1"), "left"),
        ("emp_b", ref(people[0], "p_2", employer="emp_b"), "left"),
    }


async def test_only_the_newest_of_a_batch_counts() -> None:
    kit = FakeKit()
    (who,) = candidates(1)
    await put_pool(kit, pool())
    await tell_persons(kit, profile(who), consent(who, 3, match=False), consent(who, 2))
    assert await in_pool(kit) == set()


async def test_who_is_found_overdue_is_decided_once_and_not_found_again() -> None:
    kit = FakeKit()
    (who,) = candidates(1)
    await put_pool(kit, pool())
    await tell_persons(kit, profile(who), consent(who, ends_at=NOON + timedelta(hours=1)))
    kit.world.at = NOON + timedelta(hours=1)
    assert not await find_overdue(kit.world)
    assert kit.world.to_decide == {who}
    assert await kit.world.overdue(10) == [], "somebody has them to decide"
    for _ in range(2):
        await on_overdue(kit.world, jobs_for(who, at=NOON), REFS.make)
    assert [len(told.pools) for told in await kit.published(MembershipsChangedV1)] == [1, 0]
    assert await kit.world.overdue(10) == []


async def test_an_evaluation_that_was_cut_short_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "_CHUNK", 250)
    monkeypatch.setattr(handlers, "_CHUNKS", 2)
    kit = FakeKit()
    people = candidates(1200)
    await tell_persons(kit, *(event for who in people for event in (profile(who), consent(who))))
    value = replace(pool(), criteria=Criteria(states=("CO",)))
    await kit.world.write(value)
    event = PoolChangedV1(pool=value.id, version=1, employer=value.employer, name="", criteria=value.criteria)
    await on_pools_changed(kit.world, received(event))
    assert [await take_step(kit), await take_step(kit)] == ["p_nurses", "p_nurses"]
    assert len(await in_pool(kit)) == 500
    await evaluate(kit)
    assert len(await in_pool(kit)) == 1200
