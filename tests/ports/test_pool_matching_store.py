"""One suite for matching's stores, on the fakes and on PostgreSQL."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from services.pool_matching import handlers
from services.pool_matching.adapters.read_back import lists_behind
from services.pool_matching.handlers import (
    on_candidates_erased,
    on_employers_removed,
    on_overdue,
    on_pools_changed,
)
from services.pool_matching.model import Made
from shared.contracts.pool_matching import MembershipsChangedV1, PoolChangedV1, PoolUpdatedV1
from shared.contracts.signup import CandidateErasedV1
from shared.messaging.envelope import Received, Record
from shared.messaging.passes import SQL as READ_BACK
from shared.messaging.unit import unit_of_work
from shared.postgres.pool import open_pool
from tests.conftest import unique
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
    in_pool,
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
from tests.stack import Servers
from tests.working import jobs_for

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
    assert await in_pool(kit, "p_1") == {who}
    assert await in_pool(kit, "p_2") == set()
    (told,) = await kit.published(MembershipsChangedV1)
    assert (told.candidate, told.version, [one.pool for one in told.pools]) == (who, 1, ["p_1"])
    assert await kit.published(PoolUpdatedV1) == [], "nobody is told before the tick"


async def test_one_version_of_a_persons_pools_is_one_value_whenever_it_is_said(kit: Kit) -> None:
    (who,) = candidates(1)
    for name in ("p_3", "p_1", "p_2"):
        await put_pool(kit, pool(name, occupations=("29-0000",)))
    await tell_persons(kit, profile(who), consent(who))
    await put_pool(kit, pool("p_0", occupations=("29-0000",)))
    await evaluate(kit)
    told = (await kit.published(MembershipsChangedV1))[-1]
    assert [one.pool for one in told.pools] == ["p_0", "p_1", "p_2", "p_3"]
    if isinstance(kit, PostgresKit):
        async with unit_of_work(kit.connections, at=NOON, source="pool_matching") as unit:
            await unit.connection.execute(READ_BACK["begin_page"])
            await unit.connection.execute("INSERT INTO pg_temp.read_back (key, version) VALUES ($1, 0)", who)
            assert await lists_behind.states(unit) == [told]


async def test_a_new_pool_takes_in_those_who_are_there(kit: Kit) -> None:
    people = candidates(3)
    for who in people:
        await tell_persons(kit, profile(who), consent(who))
    await put_pool(kit, pool(occupations=("29-1140",)))
    assert await in_pool(kit) == set(people)
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
    assert await in_pool(kit) == {guard}


async def test_refs_are_of_one_pool_and_of_the_time_until_the_next_withdrawal(kit: Kit) -> None:
    (who,) = candidates(1)
    await put_pool(kit, pool("p_1"))
    await put_pool(kit, pool("p_2"))
    await tell_persons(kit, profile(who), consent(who))
    for generation, steps in enumerate(
        (
            [],
            [[consent(who, 2, match=False)], [consent(who, 3)]],
            [[consent(who, 4, match=False), consent(who, 5)]],  # seen at once, as after a pause of ours
            [[consent(who, 5)], [consent(who, 4, match=False)]],  # what came before
        )
    ):
        for step in steps:
            await tell_persons(kit, *step)
        now = min(generation, 2)
        for name in ("p_1", "p_2"):
            assert await member_refs(kit, name) == {ref(who, name, generation=now)}
        told = (await kit.published(MembershipsChangedV1))[-1]
        assert (told.generation, {one.pool for one in told.pools}) == (now, {"p_1", "p_2"})


async def test_who_paused_or_whose_consent_ended_comes_back_as_somebody_new(kit: Kit) -> None:
    paused, ended = candidates(2)
    at = kit.at
    await put_pool(kit, pool("p_1"))
    await tell_persons(
        kit, profile(paused), consent(paused), profile(ended), consent(ended, ends_at=at - timedelta(hours=1))
    )
    await tell_persons(kit, consent(paused, 2, paused_until=at + timedelta(days=1)))
    await tell_persons(kit, consent(paused, 3, paused_until=at + timedelta(days=2)))
    await tell_persons(kit, consent(paused, 4), consent(ended, 2))
    assert await member_refs(kit, "p_1") == {ref(paused, "p_1", generation=1), ref(ended, "p_1", generation=1)}


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
    assert await in_pool(kit) == set()
    assert [told.pools for told in await kit.published(MembershipsChangedV1)][-1] == ()


async def test_what_a_key_made_is_known_by_its_employer_and_that_key_also_once_it_was_deleted(kit: Kit) -> None:
    made = Made("p_nurses", "emp_a", b"a body")
    async with kit.pools() as store:
        await store.begin_change()
        await store.write(pool())
        await store.note_made(b"a key", made)
    async with kit.pools() as store:
        assert await store.made_by("emp_a", b"a key") == made
        assert await store.made_by("emp_b", b"a key") is await store.made_by("emp_a", b"another") is None
        await store.begin_change()
        await store.delete(pool(version=2))
        assert await store.made_by("emp_a", b"a key") == made


async def test_an_old_version_never_replaces_a_newer_one(kit: Kit) -> None:
    (who,) = candidates(1)
    await put_pool(kit, pool())
    await tell_persons(kit, profile(who), consent(who, 5, match=False))
    await tell_persons(kit, consent(who, 4), profile(who, 0))
    assert await in_pool(kit) == set()
    await tell_persons(kit, consent(who, 6))
    assert await in_pool(kit) == {who}


async def test_the_same_batch_again_changes_and_tells_nothing(kit: Kit) -> None:
    (who,) = candidates(1)
    await put_pool(kit, pool())
    for _ in range(2):
        await tell_persons(kit, profile(who), consent(who))
    assert len(await kit.published(MembershipsChangedV1)) == 1


async def test_a_pool_that_arrives_twice_is_evaluated_once(kit: Kit) -> None:
    (who,) = candidates(1)
    await tell_persons(kit, profile(who), consent(who))
    value = pool()
    await put_pool(kit, value)
    await tell_pools(kit, value)
    async with kit.persons() as store:
        assert not await store.has_waiting(value.employer)
        assert await store.next_turn(value.employer, 0) is None


async def test_a_pause_that_passes_brings_the_person_back_and_an_end_takes_them_out(kit: Kit) -> None:
    (who,) = candidates(1)
    await put_pool(kit, pool())
    await tell_persons(kit, profile(who), consent(who, paused_until=NOON + HOUR, ends_at=NOON + 3 * HOUR))
    seen = []
    for _ in range(4):
        async with kit.persons() as store:
            await on_overdue(store, jobs_for(*await store.overdue(10), at=kit.at), REFS.make)
        seen.append(await in_pool(kit))
        kit.at += HOUR
    assert seen == [set(), {who}, {who}, set()]


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


async def test_the_feed_of_the_release_before_is_carried_over_and_what_its_processes_still_tell_comes_once(
    servers: Servers,
) -> None:
    plumbing, own = MIGRATIONS_OF["pool_matching"]
    dsn = await servers.create_database(unique("carried"))
    async with await open_pool(dsn, name="test") as connections:
        for file in (*sorted(plumbing.glob("*.sql")), *sorted(own.glob("*.sql"))):
            if file.name == "0022_pre_feed.sql":
                break
            await connections.execute(file.read_text())
        kit = PostgresKit(connections)

        async def comes_back(id_: str, days: int = 0) -> None:
            write = "INSERT INTO feed (employer, update_id, pool, member_ref, change, at, stored_at)"
            await connections.execute(
                write + " VALUES ('emp_a', $1, 'p', 'm_1', 'joined', $2, $2)", id_, NOON - timedelta(days=days)
            )

        async def is_published(id_: str) -> None:
            event = PoolUpdatedV1(employer="emp_a", pool="p", member_ref="m_1", change="joined", at=NOON)
            async with unit_of_work(connections, at=NOON, source="pool_matching") as unit:
                unit.publish(event, id=id_)

        await comes_back("u_1", 3)
        await comes_back("u_2", 1)
        async with connections.acquire() as connection, connection.transaction():
            await connection.execute((own / "0022_pre_feed.sql").read_text())
        assert [one.id for one in await kit.told("emp_a")] == ["u_1", "u_2"]
        await comes_back("u_on_its_way")
        await is_published("u_late")
        await is_published("up_new")
        await comes_back("u_late")
        await comes_back("up_new")
        told = await kit.told("emp_a")
        assert [one.id for one in told] == ["u_1", "u_2", "u_on_its_way", "u_late"]
        assert {(one.change, one.pool, one.member_ref) for one in told} == {("joined", "p", "m_1")}
        await connections.execute((own / "0024_post_feed_alone.sql").read_text())
        await is_published("up_newer")
        assert await kit.told("emp_a") == told


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
    assert [await in_pool(kit, id_) for id_ in ("p_1", "p_2")] == [set(), set()]
    assert await in_pool(kit, "p_3") == {who}
    async with kit.pools() as store:
        assert await on_employers_removed(store, [], limit=1) == 0
        assert await store.count("emp_gone") == 0


def erased(candidate: str) -> Received[CandidateErasedV1]:
    return Received(
        "e", "signup", NOON, CandidateErasedV1(candidate=candidate, at=NOON), Record("erasures", 0, 0, None, b"", ())
    )


async def test_whoever_was_erased_leaves_every_pool_and_no_later_event_brings_them_back(kit: Kit) -> None:
    there, early = candidates(2)
    await put_pool(kit, pool("p_1", occupations=("29-0000",)))
    await tell_persons(kit, profile(there), consent(there))
    assert await in_pool(kit, "p_1") == {there}
    for _ in range(2):
        async with kit.persons() as store:
            await on_candidates_erased(store, [erased(there), erased(early)], REFS.make)
    for who in (there, early):
        await tell_persons(kit, profile(who, version=7), consent(who, version=7))
    assert await in_pool(kit, "p_1") == set()


async def test_members_of_before_refs_knew_their_pool_get_new_ones_some_at_a_time(databases: Databases) -> None:
    async with databases.pool(*MIGRATIONS_OF["pool_matching"]) as opened:
        kit = PostgresKit(opened)
        people = candidates(3)
        await put_pool(kit, pool())
        for who in people:
            await tell_persons(kit, profile(who), consent(who))
        await tell_persons(kit, consent(people[0], 2, match=False))
        await tell_persons(kit, consent(people[0], 3))
        await opened.execute("UPDATE memberships SET member_ref = 'm_' || candidate, generation = NULL, ref_key = NULL")
        renewed = []
        for _ in range(3):
            async with kit.persons() as store:
                renewed.append(await store.renew_refs(2, REFS.make))
        assert renewed == [2, 1, 0]
        new = {ref(people[0], generation=1), *(ref(who) for who in people[1:])}
        assert await member_refs(kit, "p_nurses") == new


async def test_who_leaves_before_their_ref_was_renewed_is_told_to_leave(databases: Databases) -> None:
    async with databases.pool(*MIGRATIONS_OF["pool_matching"]) as opened:
        kit = PostgresKit(opened)
        (who,) = candidates(1)
        await put_pool(kit, pool())
        await tell_persons(kit, profile(who), consent(who))
        await opened.execute("UPDATE memberships SET member_ref = 'm_' || candidate, generation = NULL, ref_key = NULL")
        await tell_persons(kit, profile(who, 2, NURSE.model_copy(update={"years": 10})))
        assert len(await kit.published(MembershipsChangedV1)) == 1  # the same member still
        await tell_persons(kit, consent(who, 2, match=False))
        assert await member_refs(kit, "p_nurses") == set()
        assert (await kit.published(MembershipsChangedV1))[-1].pools == ()
