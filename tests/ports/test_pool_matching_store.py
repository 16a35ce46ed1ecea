"""One suite for matching's stores, on the fakes and on PostgreSQL."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from services.pool_matching import handlers
from services.pool_matching.handlers import (
    on_candidates_changed,
    on_candidates_erased,
    on_employers_removed,
    on_pools_changed,
    on_time_passed,
)
from services.pool_matching.model import Position, Shown
from shared.contracts.pool_matching import MembershipsChangedV1, PoolChangedV1, PoolUpdatedV1
from shared.contracts.signup import CandidateErasedV1
from shared.messaging.envelope import Received, Record
from tests.databases import MIGRATIONS_OF, Databases
from tests.fakes.clock import NOON
from tests.integration.pool_matching.kit import (
    NURSE,
    REFS,
    FakeKit,
    Kit,
    PostgresKit,
    candidates,
    consent,
    evaluate,
    keep_pool,
    member_refs,
    pool,
    profile,
    put_pool,
    received,
    ref,
    tell_persons,
    tell_pools,
)

HOUR = timedelta(hours=1)
MIGRATIONS = Path(handlers.__file__).parent / "migrations"


@pytest.fixture(params=["fake", "postgres"])
async def kit(request: pytest.FixtureRequest) -> AsyncIterator[Kit]:
    if request.param == "fake":
        yield FakeKit()
        return
    databases: Databases = request.getfixturevalue("databases")
    async with databases.pool(*MIGRATIONS_OF["pool_matching"]) as opened:
        yield PostgresKit(opened)


async def test_a_person_joins_the_pools_that_fit(kit: Kit) -> None:
    (who,) = candidates(1)
    await put_pool(kit, pool("p_1", occupations=("29-0000",), min_years=3))
    await put_pool(kit, pool("p_2", states=("WY",)))
    await tell_persons(kit, profile(who), consent(who))
    assert await member_refs(kit, "p_1") == {ref(who)}
    assert await member_refs(kit, "p_2") == set()
    async with kit.pools() as store:
        (member,) = await store.members("p_1", after="", limit=10)
    assert member.shown == Shown(occupations=("29-1141",), years=5)
    (told,) = await kit.published(MembershipsChangedV1)
    assert (told.candidate, told.version, [one.pool for one in told.pools]) == (who, 1, ["p_1"])
    (update,) = await kit.published(PoolUpdatedV1)
    assert (update.member_ref, update.change, update.at) == (ref(who), "joined", NOON)


async def test_a_new_pool_takes_in_those_who_are_there(kit: Kit) -> None:
    people = candidates(3)
    for who in people:
        await tell_persons(kit, profile(who), consent(who))
    await put_pool(kit, pool(occupations=("29-1140",)))
    assert await member_refs(kit, "p_nurses") == {ref(who) for who in people}
    async with kit.pools() as store:
        listed = await store.get("emp_a", "p_nurses")
    assert listed and listed.ready


async def test_a_changed_pool_lets_go_and_takes_in(kit: Kit) -> None:
    nurse, guard = candidates(2)
    await tell_persons(kit, profile(nurse), consent(nurse), consent(guard))
    await tell_persons(kit, profile(guard, value=NURSE.model_copy(update={"occupations": ("33-9032",)})))
    await put_pool(kit, pool(occupations=("29-1141",)))
    changed = pool(version=2, occupations=("33-0000",))
    await keep_pool(kit, changed)
    async with kit.pools() as store:
        listed = await store.get("emp_a", "p_nurses")
    assert listed and not listed.ready
    await tell_pools(kit, changed)
    await evaluate(kit)
    assert await member_refs(kit, "p_nurses") == {ref(guard)}


async def test_a_deleted_pool_loses_its_members(kit: Kit) -> None:
    (who,) = candidates(1)
    await tell_persons(kit, profile(who), consent(who))
    await put_pool(kit, pool())
    gone = pool(version=2)
    async with kit.pools() as store:
        await store.begin_change()
        await store.delete(gone)
        assert await store.get("emp_a", "p_nurses") is None
    await tell_pools(kit, gone)
    await evaluate(kit)
    assert await member_refs(kit, "p_nurses") == set()
    assert [told.pools for told in await kit.published(MembershipsChangedV1)][-1] == ()


async def test_an_old_version_never_replaces_a_newer_one(kit: Kit) -> None:
    (who,) = candidates(1)
    await put_pool(kit, pool())
    await tell_persons(kit, profile(who), consent(who, 5, match=False))
    await tell_persons(kit, consent(who, 4), profile(who, 0))
    assert await member_refs(kit, "p_nurses") == set()
    await tell_persons(kit, consent(who, 6))
    assert await member_refs(kit, "p_nurses") == {ref(who)}


async def test_the_same_batch_again_changes_and_tells_nothing(kit: Kit) -> None:
    (who,) = candidates(1)
    await put_pool(kit, pool())
    for _ in range(2):
        await tell_persons(kit, profile(who), consent(who))
    assert len(await kit.published(MembershipsChangedV1)) == 1
    assert len(await kit.published(PoolUpdatedV1)) == 1


async def test_a_pool_that_arrives_twice_is_evaluated_once(kit: Kit) -> None:
    (who,) = candidates(1)
    await tell_persons(kit, profile(who), consent(who))
    value = pool()
    await put_pool(kit, value)
    await tell_pools(kit, value)
    async with kit.persons() as store:
        assert await store.next_turn() is None


async def test_a_change_that_is_not_shown_is_not_told(kit: Kit) -> None:
    (who,) = candidates(1)
    await put_pool(kit, pool(occupations=("29-1141",)))
    await tell_persons(kit, profile(who), consent(who))
    await tell_persons(kit, profile(who, 2, NURSE.model_copy(update={"years": 10})))
    assert [update.change for update in await kit.published(PoolUpdatedV1)] == ["joined"]
    await put_pool(kit, pool(version=2, occupations=("29-1141",), min_years=1))
    assert [update.change for update in await kit.published(PoolUpdatedV1)] == ["joined", "changed"]
    async with kit.pools() as store:
        (member,) = await store.members("p_nurses", after="", limit=10)
    assert member.shown.years == 10


async def test_a_pause_that_passes_brings_the_person_back_and_an_end_takes_them_out(kit: Kit) -> None:
    (who,) = candidates(1)
    await put_pool(kit, pool())
    await tell_persons(kit, profile(who), consent(who, paused_until=NOON + HOUR, ends_at=NOON + 3 * HOUR))
    seen = []
    for _ in range(4):
        async with kit.persons() as store:
            while await on_time_passed(store, REFS.make):
                pass
        seen.append(await member_refs(kit, "p_nurses"))
        kit.at += HOUR
    assert seen == [set(), {ref(who)}, {ref(who)}, set()]


async def test_members_are_listed_in_the_order_of_their_refs(kit: Kit) -> None:
    people = candidates(7)
    await put_pool(kit, pool())
    async with kit.persons() as store:
        events = [event for who in people for event in (profile(who), consent(who))]
        await on_candidates_changed(store, received(*events), REFS.make)
    found: list[str] = []
    async with kit.pools() as pools:
        while page := await pools.members("p_nurses", after=found[-1] if found else "", limit=3):
            found += [member.member_ref for member in page]
    assert found == sorted(ref(who) for who in people)


async def test_a_pool_is_there_for_its_employer_alone(kit: Kit) -> None:
    await put_pool(kit, pool(employer="emp_a"))
    async with kit.pools() as store:
        assert await store.get("emp_b", "p_nurses") is None
        assert await store.of("emp_b") == []
        assert (await store.count("emp_a"), await store.count("emp_b")) == (1, 0)


async def test_many_persons_are_evaluated_in_several_chunks(kit: Kit) -> None:
    people = candidates(1100)
    events = [event for who in people for event in (profile(who), consent(who))]
    await tell_persons(kit, *events)
    await put_pool(kit, pool(occupations=("29-1141",)))
    assert len(await kit.published(MembershipsChangedV1)) == 1100


async def test_the_feed_gives_each_employer_its_own_in_order(kit: Kit) -> None:
    def update(employer: str, member: str) -> PoolUpdatedV1:
        return PoolUpdatedV1(employer=employer, pool="p", member_ref=member, change="joined", at=NOON)

    async with kit.feed() as store:
        await store.note(
            [("u1", update("emp_a", "m_1")), ("u2", update("emp_b", "m_2")), ("u3", update("emp_a", "m_3"))]
        )
    async with kit.feed() as store:
        first = await store.read("emp_a", after=Position(), limit=1)
        rest = await store.read("emp_a", after=first[-1].position, limit=10)
        assert [one.id for one in (*first, *rest)] == ["u1", "u3"]
        assert await store.read("emp_a", after=rest[-1].position, limit=10) == []


async def test_the_feed_forgets_what_is_old(kit: Kit) -> None:
    event = PoolUpdatedV1(employer="emp_a", pool="p", member_ref="m_1", change="left", at=NOON)
    async with kit.feed() as store:
        await store.note([("u1", event)])
    kit.at += timedelta(days=20)
    async with kit.feed() as store:
        await store.note([("u2", event)])
    kit.at += timedelta(days=11)
    async with kit.feed() as store:
        assert await store.forget(100, kept=timedelta(days=30)) == 1
    async with kit.feed() as store:
        assert [one.id for one in await store.read("emp_a", after=Position(), limit=10)] == ["u2"]


async def test_each_feed_knows_the_last_update_that_it_forgot(kit: Kit) -> None:
    def update(employer: str) -> PoolUpdatedV1:
        return PoolUpdatedV1(employer=employer, pool="p", member_ref="m_1", change="left", at=NOON)

    async with kit.feed() as store:
        await store.note([("u1", update("emp_a")), ("u2", update("emp_b")), ("u3", update("emp_a"))])
    async with kit.feed() as store:
        places = [one.position for one in await store.read("emp_a", after=Position(), limit=10)]
        assert await store.forgotten("emp_a") == Position()
    kit.at += timedelta(days=31)
    for _ in range(3):
        async with kit.feed() as store:
            assert await store.forget(1, kept=timedelta(days=30)) == 1
    async with kit.feed() as store:
        assert await store.forget(1, kept=timedelta(days=30)) == 0
        assert await store.forgotten("emp_a") == places[-1]
        assert await store.forgotten("emp_b") > Position()
        assert await store.forgotten("emp_c") == Position()


async def test_the_pools_of_an_employer_that_left_are_closed_some_at_a_time_and_their_members_leave(kit: Kit) -> None:
    (who,) = candidates(1)
    await tell_persons(kit, profile(who), consent(who))
    for id_, employer in (("p_1", "emp_gone"), ("p_2", "emp_gone"), ("p_3", "emp_a")):
        await put_pool(kit, pool(id_, employer))
    counts = []
    for _ in range(3):
        async with kit.pools() as store:
            counts.append(await on_employers_removed(store, ["emp_gone"], limit=1))
    assert counts == [1, 1, 0]
    closed = [event for event in await kit.published(PoolChangedV1) if event.criteria is None]
    assert {(event.pool, event.version, event.name) for event in closed} == {("p_1", 2, ""), ("p_2", 2, "")}
    async with kit.persons() as evaluations:
        await on_pools_changed(evaluations, received(*closed))
    await evaluate(kit)
    assert [await member_refs(kit, id_) for id_ in ("p_1", "p_2")] == [set(), set()]
    assert await member_refs(kit, "p_3") == {ref(who)}
    async with kit.pools() as store:
        assert await on_employers_removed(store, [], limit=1) == 0
        assert await store.count("emp_gone") == 0


async def test_a_feed_that_forgot_before_it_was_written_down_answers_an_old_cursor(kit: Kit) -> None:
    if not isinstance(kit, PostgresKit):
        pytest.skip("a migration is PostgreSQL's")
    script = (MIGRATIONS / "0003_feeds_that_forgot.sql").read_text()
    event = PoolUpdatedV1(employer="emp_a", pool="p", member_ref="m_1", change="left", at=NOON)
    await keep_pool(kit, pool("p_1", "emp_b"))
    for id_ in ("u1", "u2"):
        async with kit.feed() as store:
            await store.note([(id_, event)])
    async with kit.feed() as store:
        first, second = [one.position for one in await store.read("emp_a", after=Position(), limit=10)]
    await kit.connections.execute("DELETE FROM feed WHERE update_id = 'u1'")  # as it once was
    await kit.connections.execute(script)
    async with kit.feed() as store:
        assert first < await store.forgotten("emp_a") < second
    await kit.connections.execute("DELETE FROM feed; DELETE FROM feed_forgotten")
    await kit.connections.execute(script)
    async with kit.feed() as store:
        assert await store.forgotten("emp_b") > second


def erased(candidate: str) -> Received[CandidateErasedV1]:
    return Received(
        "e", "signup", NOON, CandidateErasedV1(candidate=candidate, at=NOON), Record("erasures", 0, 0, None, b"", ())
    )


async def test_whoever_was_erased_leaves_every_pool_and_no_later_event_brings_them_back(kit: Kit) -> None:
    there, early = candidates(2)
    await put_pool(kit, pool("p_1", occupations=("29-0000",)))
    await tell_persons(kit, profile(there), consent(there))
    assert await member_refs(kit, "p_1") == {ref(there)}
    for _ in range(2):
        async with kit.persons() as store:
            await on_candidates_erased(store, [erased(there), erased(early)], REFS.make)
    for who in (there, early):
        await tell_persons(kit, profile(who, version=7), consent(who, version=7))
    assert await member_refs(kit, "p_1") == set()
    assert [update.change for update in await kit.published(PoolUpdatedV1)] == ["joined", "left"]
