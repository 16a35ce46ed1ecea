"""What an employer is shown and told of its pools, and when: on the fake and on PostgreSQL."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.pool_matching import handlers
from services.pool_matching.adapters import postgres_listings
from services.pool_matching.handlers import on_candidates_erased
from services.pool_matching.jobs import find_missed_tellings
from services.pool_matching.model import Shown, Update
from shared.contracts.pool_matching import PoolClosedV1, PoolUpdatedV1
from shared.contracts.signup import CandidateErasedV1
from tests.databases import MIGRATIONS_OF, Databases
from tests.integration.pool_matching.kit import (
    NURSE,
    REFS,
    TICKS,
    FakeKit,
    Kit,
    PostgresKit,
    candidates,
    consent,
    keep_pool,
    members,
    next_tick,
    pool,
    profile,
    put_pool,
    received,
    ref,
    tell,
    tell_persons,
    tell_pools,
    telling,
    tick,
)

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture(params=["fake", "postgres"])
async def kit(request: pytest.FixtureRequest) -> AsyncIterator[Kit]:
    if request.param == "fake":
        yield FakeKit()
        return
    databases: Databases = request.getfixturevalue("databases")
    async with databases.pool(*MIGRATIONS_OF["pool_matching"]) as opened:
        yield PostgresKit(opened)


async def come(kit: Kit, people: Sequence[str], version: int = 1, **profile_: Any) -> None:
    value = NURSE.model_copy(update=profile_)
    await tell_persons(
        kit, *(event for who in people for event in (profile(who, version, value), consent(who, version)))
    )


async def leave(kit: Kit, people: Sequence[str], version: int = 2) -> None:
    await tell_persons(kit, *(consent(who, version, match=False) for who in people))


async def shown(kit: Kit, pool_id: str = "p_nurses") -> set[str]:
    return {one.member_ref for one in await members(kit, pool_id)}


async def news(kit: Kit, before: Sequence[Update] = (), employer: str = "emp_a") -> list[Update]:
    return (await kit.told(employer))[len(before) :]


async def all_told(kit: Kit, employer: str = "emp_a") -> bool:
    async with kit.pools() as store:
        return await store.all_told(employer)


async def quiet_tick(kit: Kit, employer: str = "emp_a") -> None:
    """The next tick that is not the weekly one."""
    while TICKS.is_weekly(next_tick(kit, employer)):
        await tick(kit, employer)
    await tick(kit, employer)


async def weekly_tick(kit: Kit, employer: str = "emp_a") -> None:
    await tick(kit, employer)
    while not TICKS.is_weekly(kit.at):
        await tick(kit, employer)


async def opened(kit: Kit, count: int = 6) -> Sequence[str]:
    """People who are listed, some days before the week is over."""
    people = candidates(count)
    await put_pool(kit, pool())
    await weekly_tick(kit)
    await come(kit, people)
    await quiet_tick(kit)
    assert await shown(kit) == {ref(who) for who in people}
    return people


async def test_whoever_joins_is_listed_and_told_at_the_tick_and_not_before(kit: Kit) -> None:
    people = candidates(5)
    await put_pool(kit, pool())
    await tell(kit)
    await come(kit, people)
    await tell(kit)
    assert await members(kit) == [] and await kit.told("emp_a") == []
    await tick(kit)
    refs = sorted(ref(who) for who in people)
    assert [one.member_ref for one in await members(kit)] == refs, "in the order of the refs"
    assert {one.since for one in await members(kit)} == {kit.at.date()}
    told = await kit.told("emp_a")
    assert [(one.change, one.member_ref, one.at) for one in told] == [("joined", one, kit.at) for one in refs]
    assert [(one.change, one.member_ref, one.at) for one in await kit.published(PoolUpdatedV1)] == [
        ("joined", one, kit.at) for one in refs
    ], "the topic says what the feed says"


async def test_a_new_pool_is_listed_at_once_with_whom_the_last_tick_would_have_shown(kit: Kit) -> None:
    early, late = candidates(6), candidates(5)
    await come(kit, early)
    kit.at = next_tick(kit)
    await leave(kit, early[:1])
    await come(kit, late)
    await put_pool(kit, pool())
    await tell(kit)
    assert await shown(kit) == {ref(who) for who in early[1:]}
    told = await kit.told("emp_a")
    assert {(one.change, one.at) for one in told} == {("joined", kit.at.replace(microsecond=0))}, (
        "as if told at the tick"
    )
    await quiet_tick(kit)
    assert await shown(kit) == {ref(who) for who in (*early[1:], *late)}


async def test_nobody_is_listed_below_five_and_no_number_says_how_many(kit: Kit) -> None:
    people = candidates(5)
    await put_pool(kit, pool())
    await come(kit, people[:4])
    await weekly_tick(kit)
    async with kit.pools() as store:
        few = await store.get("emp_a", "p_nurses")
    assert few and few.members is None and await members(kit) == [] and await kit.told("emp_a") == []
    await come(kit, people[4:])
    await quiet_tick(kit)
    async with kit.pools() as store:
        enough = await store.get("emp_a", "p_nurses")
    assert enough and enough.members == 5 and len(await members(kit)) == 5


async def test_whom_the_employer_introduced_itself_does_not_count_toward_five(kit: Kit) -> None:
    people = candidates(9)
    await kit.introduces("emp_a", *people[:4])
    await kit.introduces("emp_b", *people[4:])
    await put_pool(kit, pool())
    await come(kit, people[:8])
    await weekly_tick(kit)
    assert await members(kit) == [], "eight fit, of whom four count"
    await come(kit, people[8:])
    await quiet_tick(kit)
    assert await shown(kit) == {ref(who) for who in people}
    await leave(kit, people[8:])
    assert await members(kit) == []


async def test_fewer_than_five_differences_wait_for_the_week(kit: Kit) -> None:
    people = await opened(kit)
    before = await kit.told("emp_a")
    late = candidates(4)
    await come(kit, late)
    await quiet_tick(kit)
    assert await shown(kit) == {ref(who) for who in people} and await news(kit, before) == []
    await weekly_tick(kit)
    assert await shown(kit) == {ref(who) for who in (*people, *late)}
    assert [one.member_ref for one in await news(kit, before)] == sorted(ref(who) for who in late)


async def test_five_differences_are_told_at_the_next_tick_in_the_order_of_the_refs(kit: Kit) -> None:
    people = await opened(kit, 8)
    before = await kit.told("emp_a")
    late = candidates(3)
    await come(kit, late)
    await leave(kit, people[:2])
    await quiet_tick(kit)
    expected = [(ref(who), "left") for who in people[:2]] + [(ref(who), "joined") for who in late]
    assert [(one.member_ref, one.change) for one in await news(kit, before)] == sorted(expected)
    assert await shown(kit) == {ref(who) for who in (*people[2:], *late)}


@pytest.mark.parametrize("act", ["withdraws", "blocks", "pauses", "is erased", "ends"])
async def test_whoever_leaves_is_gone_from_the_list_at_once_and_the_feed_says_nothing_yet(kit: Kit, act: str) -> None:
    people = await opened(kit)
    before, (who, *_) = await kit.told("emp_a"), people
    if act == "is erased":
        async with kit.persons() as store:
            await on_candidates_erased(store, received(CandidateErasedV1(candidate=who, at=kit.at)), REFS.make)
    else:
        how: dict[str, dict[str, Any]] = {
            "withdraws": {"match": False},
            "blocks": {"blocked_employers": ("emp_a",)},
            "pauses": {"paused_until": kit.at + DAY},
            "ends": {"ends_at": kit.at - HOUR},
        }
        await tell_persons(kit, consent(who, 2, **how[act]))
    assert await shown(kit) == {ref(one) for one in people[1:]}
    async with kit.pools() as pools:
        listed = await pools.get("emp_a", "p_nurses")
    assert listed and listed.members == 5
    await quiet_tick(kit)
    assert await news(kit, before) == []
    await weekly_tick(kit)
    assert [(one.change, one.member_ref) for one in await news(kit, before)] == [("left", ref(who))]
    if isinstance(kit, PostgresKit):
        assert await kit.connections.fetchval("SELECT count(*) FROM listed WHERE candidate IS NULL") == 0


async def test_of_whoever_left_nothing_is_kept_but_the_ref_that_is_to_be_told(kit: Kit) -> None:
    people = await opened(kit)
    await leave(kit, people[:1])
    if isinstance(kit, PostgresKit):
        row = await kit.connections.fetchrow("SELECT * FROM listed WHERE member_ref = $1", ref(people[0]))
        assert row is not None and (row["candidate"], row["fit"], row["shown"]) == (None, None, None)


async def test_a_listing_that_falls_below_five_shows_nobody_at_once_and_closes_without_saying_who_left(
    kit: Kit,
) -> None:
    people = await opened(kit)
    before = await kit.told("emp_a")
    await leave(kit, people[:2])
    assert await members(kit) == []
    await quiet_tick(kit)
    (closed,) = await news(kit, before)
    assert (closed.change, closed.pool, closed.member_ref, closed.at) == ("closed", "p_nurses", None, kit.at)
    (event,) = await kit.published(PoolClosedV1)
    assert (event.employer, event.pool, event.at) == ("emp_a", "p_nurses", kit.at)
    if isinstance(kit, PostgresKit):
        assert await kit.connections.fetchval("SELECT count(*) FROM listed") == 0
    await come(kit, candidates(9))
    await quiet_tick(kit)
    assert await members(kit) == [], "the refs would tell who came and who went"
    await weekly_tick(kit)
    assert len(await members(kit)) == 13
    assert [one.change for one in await news(kit, before)] == ["closed", *["joined"] * 13]


async def test_rows_are_told_to_have_changed_only_where_they_are_shown_otherwise(kit: Kit) -> None:
    people = candidates(12)
    await put_pool(kit, pool(min_years=1))
    await come(kit, people)
    await quiet_tick(kit)
    assert {one.shown for one in await members(kit)} == {Shown(years=5)}
    before = await kit.told("emp_a")
    await tell_persons(kit, *(profile(who, 2, NURSE.model_copy(update={"state": "WY"})) for who in people))
    await weekly_tick(kit)
    assert await news(kit, before) == [], "the pool does not ask for it"
    await tell_persons(kit, *(profile(who, 3, NURSE.model_copy(update={"years": 10})) for who in people[:5]))
    assert {one.shown for one in await members(kit)} == {Shown(years=5)}
    await quiet_tick(kit)
    assert sorted(one.shown.years or 0 for one in await members(kit)) == [5] * 7 + [10] * 5
    changed = [(one.change, one.member_ref) for one in await news(kit, before)]
    assert changed == [("changed", one) for one in sorted(ref(who) for who in people[:5])]


async def test_no_row_shows_what_fewer_than_five_share(kit: Kit) -> None:
    await put_pool(kit, pool(min_years=1, states=("CO", "WY")))
    await come(kit, candidates(5))
    await come(kit, candidates(5), state="WY")
    await come(kit, candidates(1), years=20)
    await quiet_tick(kit)
    rows = [one.shown for one in await members(kit)]
    assert len(rows) == 11 and all(rows.count(row) >= 5 for row in rows)


async def test_whoever_left_and_came_back_before_the_tick_is_told_to_have_left_and_joined(kit: Kit) -> None:
    people = await opened(kit)
    before, (who, *_) = await kit.told("emp_a"), people
    await tell_persons(kit, consent(who, 2, paused_until=kit.at + HOUR))
    await tell_persons(kit, consent(who, 3))
    assert await shown(kit) == {ref(one) for one in people[1:]}, "until the tick"
    await weekly_tick(kit)
    assert await shown(kit) == {ref(one) for one in people[1:]} | {ref(who, generation=1)}
    told = {(one.change, one.member_ref) for one in await news(kit, before)}
    assert told == {("left", ref(who)), ("joined", ref(who, generation=1))}


async def test_a_tick_is_told_once_however_often_it_is_worked_off(kit: Kit) -> None:
    await opened(kit)
    before = await kit.told("emp_a")
    for _ in range(3):
        await tell(kit)
        kit.at += timedelta(minutes=1)
    assert await kit.told("emp_a") == before


async def test_a_new_name_changes_nothing_and_other_criteria_are_listed_at_once_by_the_same_rule(kit: Kit) -> None:
    people = await opened(kit, 7)
    before = await kit.told("emp_a")
    await put_pool(kit, pool(version=2))
    await tell(kit)
    assert await news(kit, before) == []
    await put_pool(kit, pool(version=3, min_years=1))
    await tell(kit)
    assert {one.shown for one in await members(kit)} == {Shown(years=5)}
    assert [one.change for one in await news(kit, before)] == ["changed"] * len(people)


async def test_of_a_deleted_pool_the_listing_goes_and_the_feed_says_nothing_more(kit: Kit) -> None:
    await opened(kit)
    before = await kit.told("emp_a")
    gone = pool(version=2)
    async with kit.pools() as store:
        await store.begin_change()
        await store.delete(gone)
    await tell_pools(kit, gone)
    await put_pool(kit, pool("p_other", occupations=("11-0000",)))
    await weekly_tick(kit)
    assert await news(kit, before) == []
    if isinstance(kit, PostgresKit):
        assert await kit.connections.fetchval("SELECT count(*) FROM listed") == 0
        assert await kit.connections.fetchval("SELECT string_agg(pool, ',') FROM listings") == "p_other"


async def test_a_listing_of_many_is_written_in_pages_and_told_with_it(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_listings, "_AT_ONCE", 500)
    people = candidates(1201)
    await put_pool(kit, pool())
    await come(kit, people)
    kit.at = next_tick(kit)
    assert await telling(kit)
    refs = sorted(ref(who) for who in people)
    assert [one.member_ref for one in await members(kit)] == refs and await all_told(kit)
    told = await kit.told("emp_a")
    assert [(one.change, one.member_ref) for one in told] == [("joined", one) for one in refs]
    assert [one.member_ref for one in await kit.published(PoolUpdatedV1)] == refs, "in the same order"
    assert not await telling(kit)


async def test_what_an_older_release_listed_and_did_not_come_to_tell_is_told_page_by_page(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handlers, "_CHUNK", 500)
    people = await opened(kit, 1201)
    before = await kit.told("emp_a")
    await _as_an_older_release_left_it(kit)
    assert not await all_told(kit) and await all_told(kit, "emp_b")
    assert await telling(kit)
    assert len(await news(kit, before)) == 500
    await leave(kit, people[:1])
    decided, kit.at = TICKS.last("emp_a", kit.at), kit.at + 3 * DAY
    await tell(kit)
    joined = [one for one in await news(kit, before) if one.change == "joined"]
    assert [one.member_ref for one in joined] == sorted(ref(who) for who in people)
    assert {one.at for one in joined} == {decided}, "as of the tick at which it was decided"
    assert await all_told(kit)


async def _as_an_older_release_left_it(kit: Kit) -> None:
    """Everybody is listed, and waits to be told."""
    if isinstance(kit, FakeKit):
        lists = kit.world.listings
        lists.listings["p_nurses"] = replace(lists.listings["p_nurses"], is_unfinished=True)
        for row in lists.rows["p_nurses"]:
            row.telling = "joined"
    elif isinstance(kit, PostgresKit):
        await kit.connections.execute("UPDATE listed SET telling = 'joined'")
        await kit.connections.execute("UPDATE listings SET is_unfinished = true")


async def test_two_employers_are_told_at_ticks_of_their_own(kit: Kit) -> None:
    people = candidates(5)
    await put_pool(kit, pool("p_1", "emp_a"))
    await put_pool(kit, pool("p_2", "emp_b"))
    await come(kit, people)
    await tick(kit, "emp_a")
    await tick(kit, "emp_b")
    mine, theirs = await kit.told("emp_a"), await kit.told("emp_b")
    assert {one.at for one in mine}.isdisjoint(one.at for one in theirs)
    assert {one.member_ref for one in mine}.isdisjoint(one.member_ref for one in theirs)


async def test_employers_who_have_pools_and_nobody_who_tells_them_are_found_once_each(kit: Kit) -> None:
    for name, employer in (("p_1", "emp_a"), ("p_2", "emp_b"), ("p_3", "emp_a"), ("p_4", "emp_c")):
        await keep_pool(kit, pool(name, employer))
    async with kit.listings() as store:
        assert await store.employers_untold(2) == ["emp_a", "emp_b"]
        assert not await find_missed_tellings(store)
    async with kit.listings() as store:
        assert await store.employers_untold(10) == []
    if isinstance(kit, PostgresKit):
        await kit.connections.execute("UPDATE work SET set_aside_at = $1 WHERE key = 'emp_b'", kit.at)
        async with kit.listings() as store:
            assert await store.employers_untold(10) == ["emp_b"], "no later tick waits for an operator"
