"""Real connections side by side: no membership is missed or left over."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

import pytest

from services.pool_matching.adapters import postgres_listings
from services.pool_matching.adapters.postgres_listings import PostgresListings
from services.pool_matching.adapters.postgres_persons import PostgresPersons
from services.pool_matching.adapters.sql import SQL
from services.pool_matching.decisions import placed, settle
from services.pool_matching.handlers import on_candidates_changed, on_candidates_erased, on_telling, on_tellings
from services.pool_matching.model import Listing, Pool
from services.pool_matching.ports import ListingChangedError, ListingStore
from shared.contracts.pool_matching import DisclosedV1, MembershipsChangedV1
from shared.contracts.signup import CandidateErasedV1, ErasureSweptV1
from shared.runner.model import Job
from shared.security.member_refs import MemberRefs
from tests.fakes.clock import NOON
from tests.integration.pool_matching.kit import (
    NURSE,
    REFS,
    TICKS,
    PostgresKit,
    candidates,
    consent,
    evaluate,
    in_pool,
    keep_pool,
    members,
    next_tick,
    pool,
    profile,
    put_pool,
    received,
    ref,
    step,
    tell,
    tell_persons,
    tell_pools,
    telling,
    tick,
)
from tests.waiting import until_held_up


async def test_a_new_pool_does_not_miss_a_person_whose_batch_read_the_pools_before(kit: PostgresKit) -> None:
    (who,) = candidates(1)
    async with kit.persons() as batch:
        await on_candidates_changed(batch, received(profile(who), consent(who)), REFS.make)
        await keep_pool(kit, pool())
        await tell_pools(kit, pool())
        evaluation = asyncio.create_task(evaluate(kit))
        await until_held_up(kit.connections)
        assert not evaluation.done(), "the evaluation must wait: the batch may not know the pool"
    await evaluation
    assert await in_pool(kit) == {who}


async def test_a_deleted_pool_keeps_nobody_whose_batch_still_knew_it(kit: PostgresKit) -> None:
    (who,) = candidates(1)
    await put_pool(kit, pool())
    gone = pool(version=2)
    async with kit.persons() as batch:
        await on_candidates_changed(batch, received(profile(who), consent(who)), REFS.make)
        async with kit.pools() as store:
            await store.begin_change()
            await store.delete(gone)
        await tell_pools(kit, gone)
        evaluation = asyncio.create_task(evaluate(kit))
        await until_held_up(kit.connections)
        assert not evaluation.done()
    await evaluation
    assert await in_pool(kit) == set()


async def test_a_batch_that_begins_during_an_evaluation_knows_the_pool(kit: PostgresKit) -> None:
    early, late = candidates(2)
    await tell_persons(kit, profile(early), consent(early))
    await keep_pool(kit, pool())
    await tell_pools(kit, pool())
    assert await step(kit) == "p_nurses", "the batches in flight were waited for"
    await tell_persons(kit, profile(late), consent(late))
    await evaluate(kit)
    assert await in_pool(kit) == {early, late}


async def test_a_withdrawal_during_an_evaluation_leaves_nobody_behind(kit: PostgresKit) -> None:
    (who,) = candidates(1)
    await tell_persons(kit, profile(who), consent(who))
    await keep_pool(kit, pool())
    await tell_pools(kit, pool())
    await step(kit)
    async with kit.persons() as chunk:
        (known,) = await chunk.known([who])
        settled = settle(known, placed((), known.person, [pool()], NOON), NOON)
        assert settled is not None
        await chunk.settle([settled], REFS.make)
        withdrawal = asyncio.create_task(tell_persons(kit, consent(who, 2, match=False)))
        await until_held_up(kit.connections)
        assert not withdrawal.done(), "the withdrawal must wait for the row"
    await withdrawal
    await evaluate(kit)
    assert await in_pool(kit) == set()


async def test_a_batch_and_an_erasure_of_the_same_people_go_one_behind_the_other_where_one_of_them_is_new(
    kit: PostgresKit,
) -> None:
    """Both orders of new and old, and who holds a row of theirs meanwhile holds up both: neither has a row that the other waits for."""
    for place in (0, 1):
        people = sorted(candidates(2))
        await tell_persons(kit, profile(people[place]), consent(people[place]))

        async def erase(people: list[str] = people) -> None:
            async with kit.persons() as store:
                gone = [CandidateErasedV1(candidate=who, at=kit.at) for who in people]
                await on_candidates_erased(store, received(*gone), kit.refs.make)

        async with kit.connections.acquire() as holder, holder.transaction():
            await holder.fetch("SELECT FROM persons WHERE candidate = $1 FOR UPDATE", people[place])
            acts = [asyncio.create_task(tell_persons(kit, *(profile(who, 2) for who in people)))]
            await until_held_up(kit.connections)
            acts.append(asyncio.create_task(erase()))
            await until_held_up(kit.connections, 2)
        await asyncio.gather(*acts)
        rows = await kit.connections.fetch("SELECT profile FROM persons WHERE candidate = ANY($1::text[])", people)
        assert [row["profile"] for row in rows] == [None, None]


async def test_batches_evaluations_and_withdrawals_side_by_side_end_in_the_right_pools(kit: PostgresKit) -> None:
    people = candidates(60)
    pools = [pool(f"p_{place}", occupations=("29-0000",), min_years=place % 3) for place in range(12)]

    async def persons(some: list[str]) -> None:
        for version in (1, 2, 3):
            await tell_persons(
                kit,
                *(
                    event
                    for who in some
                    for event in (profile(who, version), consent(who, version, match=version != 2))
                ),
            )

    async def come(place: int) -> None:
        await keep_pool(kit, pools[place])
        await tell_pools(kit, pools[place])
        await evaluate(kit)

    await asyncio.gather(
        *(persons(list(people[start : start + 30])) for start in (0, 15, 30)), *(come(place) for place in range(12))
    )
    await evaluate(kit)
    everybody = set(people)
    assert [await in_pool(kit, one.id) == everybody for one in pools] == [True] * 12
    latest: dict[str, MembershipsChangedV1] = {}
    for told in await kit.published(MembershipsChangedV1):
        assert told.candidate not in latest or told.version > latest[told.candidate].version
        latest[told.candidate] = told
    assert {len(told.pools) for told in latest.values()} == {12}


async def _listed(kit: PostgresKit) -> set[str]:
    return {one.member_ref for one in await members(kit)}


async def _come(kit: PostgresKit, count: int) -> Sequence[str]:
    people = candidates(count)
    await tell_persons(kit, *(event for who in people for event in (profile(who), consent(who))))
    return people


async def test_whoever_leaves_while_the_listing_is_decided_is_not_listed(kit: PostgresKit) -> None:
    """They leave after it was read who fits, and before it is written."""
    await put_pool(kit, pool())
    people = await _come(kit, 7)
    kit.at = next_tick(kit)
    async with kit.listings() as store:
        read = store.standings

        async def read_and_wait(*of: Any) -> Any:
            found = await read(*of)
            await tell_persons(kit, consent(people[0], 2, match=False))
            return found

        setattr(store, "standings", read_and_wait)  # noqa: B010 - a method that something happens after
        await on_tellings(store, [Job("emp_a", kit.at, 1)], TICKS)
    assert await _listed(kit) == {ref(who) for who in people[1:]}
    await tell(kit)
    assert {one.member_ref for one in await kit.told("emp_a")} == {ref(who) for who in people[1:]}


async def test_whoever_leaves_while_a_listing_of_many_is_written_does_not_wait_and_is_taken_off_it(
    kit: PostgresKit,
) -> None:
    """All of it is written and told, and it is not held yet: they go at once, and are told of as who left a moment later."""
    await put_pool(kit, pool())
    people = await _come(kit, 7)
    kit.at = next_tick(kit)
    async with kit.listings() as store:
        hold = store.take_off_who_left

        async def leave_and_hold(listing: Listing) -> None:
            await tell_persons(kit, consent(people[0], 2, match=False))
            await hold(listing)

        setattr(store, "take_off_who_left", leave_and_hold)  # noqa: B010 - a method that something happens before
        await on_tellings(store, [Job("emp_a", kit.at, 1)], TICKS)
    assert await _listed(kit) == {ref(who) for who in people[1:]}
    assert await kit.connections.fetchval("SELECT count(*) FROM listed WHERE candidate = $1", people[0]) == 0
    assert {one.member_ref for one in await kit.told("emp_a")} == {ref(who) for who in people}
    await tick(kit)
    while not TICKS.is_weekly(kit.at):
        await tick(kit)
    assert [one.member_ref for one in await kit.told("emp_a") if one.change == "left"] == [ref(people[0])]


async def test_nothing_is_kept_of_a_listing_that_another_process_changed_while_it_was_written(kit: PostgresKit) -> None:
    await put_pool(kit, pool())
    await _come(kit, 7)
    kit.at = next_tick(kit)
    with pytest.raises(ListingChangedError):
        async with kit.listings() as store:
            hold = store.take_off_who_left

            async def change_and_hold(listing: Listing) -> None:
                await kit.connections.execute("UPDATE listings SET told_at = $1", kit.at)
                await hold(listing)

            setattr(store, "take_off_who_left", change_and_hold)  # noqa: B010 - a method that something happens before
            await on_tellings(store, [Job("emp_a", kit.at, 1)], TICKS)
    assert await kit.connections.fetchval("SELECT count(*) FROM listed") == 0
    assert await kit.told("emp_a") == []


async def test_whoever_leaves_while_the_listing_is_written_waits_and_is_gone_with_it(kit: PostgresKit) -> None:
    await put_pool(kit, pool())
    people = await _come(kit, 7)
    kit.at = next_tick(kit)
    async with kit.listings() as store:
        await on_tellings(store, [Job("emp_a", kit.at, 1)], TICKS)
        withdrawal = asyncio.create_task(tell_persons(kit, consent(people[0], 2, match=False)))
        await until_held_up(kit.connections)
        assert not withdrawal.done(), "what is listed is not committed yet: they could not be taken off it"
    await withdrawal
    assert await _listed(kit) == {ref(who) for who in people[1:]}


async def test_whoever_is_leaving_when_the_listing_is_written_is_not_listed(kit: PostgresKit) -> None:
    await put_pool(kit, pool())
    people = await _come(kit, 7)
    kit.at = next_tick(kit)
    async with kit.persons() as batch:
        await on_candidates_changed(batch, received(consent(people[0], 2, match=False)), REFS.make)
        telling_ = asyncio.create_task(tell(kit))
        await until_held_up(kit.connections)
        assert not telling_.done(), "it waits for those who are leaving"
    await telling_
    assert await _listed(kit) == {ref(who) for who in people[1:]}


async def test_of_two_processes_that_tell_the_same_tick_one_does(kit: PostgresKit) -> None:
    await put_pool(kit, pool())
    people = await _come(kit, 7)
    kit.at = next_tick(kit)

    async def another() -> None:
        async with kit.listings() as store:
            await on_telling(store, "p_nurses", kit.at, TICKS)

    async with kit.listings() as one:
        await on_telling(one, "p_nurses", kit.at, TICKS)
        second = asyncio.create_task(another())
        await until_held_up(kit.connections)
        assert not second.done()
    await second
    await tell(kit)
    assert [one.member_ref for one in await kit.told("emp_a")] == sorted(ref(who) for who in people)


async def test_processes_that_die_between_any_two_steps_tell_all_of_it_once(kit: PostgresKit) -> None:
    await put_pool(kit, pool())
    people = await _come(kit, 1100)
    kit.at = next_tick(kit)
    for _ in range(8):  # each is gone after one step, and the next one begins another by throwing one away
        with contextlib.suppress(ZeroDivisionError):
            async with kit.listings() as store:
                await on_tellings(store, [Job("emp_a", kit.at, 1)], TICKS)
                raise ZeroDivisionError
        await telling(kit)
    told = await kit.told("emp_a")
    assert [one.member_ref for one in told] == sorted(ref(who) for who in people)
    assert await kit.connections.fetchval("SELECT count(*) FROM outbox WHERE topic = 'pool-updates'") == 1100


async def test_nobody_changes_pools_later_because_a_listing_is_written(kit: PostgresKit) -> None:
    """Changes of pools come one after the other: whoever waited for a listing would have all employers wait."""
    await put_pool(kit, pool())
    people = await _come(kit, 7)
    kit.at = next_tick(kit)
    async with kit.listings() as store:

        async def rename() -> None:
            await asyncio.wait_for(_change(kit, pool(version=2)), 10)

        _before(store, "keep_decided", rename)
        await on_telling(store, "p_nurses", kit.at, TICKS)
    assert await _listed(kit) == {ref(who) for who in people}, "it asks for the same under its new name"


async def _change(kit: PostgresKit, value: Pool, *, is_deleted: bool = False) -> bool:
    """As the routes do; whether people were listed in it before."""
    async with kit.pools() as store:
        await store.begin_change(value.id)
        found = await store.get(value.employer, value.id)
        assert found is not None
        await (store.delete(value) if is_deleted else store.write(value))
    return found.was_listed


def _before(store: ListingStore, method: str, happens: Callable[[], Awaitable[Any]]) -> None:
    """Something happens before the first call of a method."""
    call = getattr(store, method)

    async def after_it(*of: Any) -> Any:
        setattr(store, method, call)
        await happens()
        return await call(*of)

    setattr(store, method, after_it)


@pytest.mark.parametrize("is_deleted", [False, True])
@pytest.mark.parametrize("moment", ["standings", "list_joined", "take_off_who_left", "keep_decided"])
async def test_nothing_is_listed_or_told_for_what_a_pool_asked_before_it_was_changed_or_deleted(
    kit: PostgresKit, moment: str, is_deleted: bool
) -> None:
    """Whoever changed it was answered that nobody was listed."""
    await put_pool(kit, pool())
    people = await _come(kit, 12)
    kit.at = next_tick(kit)
    other = pool(version=2, pay_max=20_000)

    async def change() -> None:
        assert not await _change(kit, other, is_deleted=is_deleted)

    with pytest.raises(ListingChangedError):
        async with kit.listings() as store:
            _before(store, moment, change)
            await on_tellings(store, [Job("emp_a", kit.at, 1)], TICKS)
    await tell(kit)  # before the pool's change has come by its topic, too
    assert (await _listed(kit), await kit.told("emp_a")) == (set(), [])
    await tell_pools(kit, other)
    await evaluate(kit)
    await tell(kit)
    assert (await _listed(kit), await kit.told("emp_a")) == (set(), [])
    assert people


async def test_who_changes_a_pool_while_its_list_is_committed_finds_people_listed(kit: PostgresKit) -> None:
    """The same refs never answer two criteria: the route refuses it (409)."""
    await put_pool(kit, pool())
    await _come(kit, 12)
    kit.at = next_tick(kit)
    async with kit.listings() as store:
        await on_tellings(store, [Job("emp_a", kit.at, 1)], TICKS)
        change = asyncio.create_task(_change(kit, pool(version=2)))
        await until_held_up(kit.connections)
        assert not change.done(), "it would read that nobody is listed"
    assert await change


async def test_nothing_of_an_open_list_is_told_once_its_pool_was_deleted(kit: PostgresKit) -> None:
    await put_pool(kit, pool())
    people = await _come(kit, 12)
    kit.at = next_tick(kit)
    await tell(kit)
    before = await kit.told("emp_a")
    await tell_persons(kit, *(consent(who, 2, match=False) for who in people[:6]))
    kit.at = next_tick(kit)
    with pytest.raises(ListingChangedError):
        async with kit.listings() as store:
            _before(store, "list_left", lambda: _change(kit, pool(version=2), is_deleted=True))
            await on_tellings(store, [Job("emp_a", kit.at, 1)], TICKS)
    assert await kit.told("emp_a") == before


async def test_a_process_that_falls_silent_while_it_holds_a_listing_of_many_has_no_more_time_than_any_other(
    kit: PostgresKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deciding may take minutes, of which nobody waits for it; who leaves waits for whoever holds it."""
    monkeypatch.setattr(postgres_listings, "_MANY", 6)
    await put_pool(kit, pool())
    people = await _come(kit, 12)
    may_be_silent: list[str] = []
    for moment in ("take_off_who_left", "list_left"):
        kit.at = next_tick(kit)
        async with kit.listings() as store:

            async def note(store: Any = store) -> None:
                may_be_silent.append(await store._connection.fetchval("SHOW idle_in_transaction_session_timeout"))

            _before(store, moment, note)
            _before(store, "keep_decided", note)
            await on_tellings(store, [Job("emp_a", kit.at, 1)], TICKS)
        await tell_persons(kit, *(consent(who, 2, match=False) for who in people[:6]))
    assert may_be_silent == ["10min", "40s", "40s", "40s"]


_OTHER_KEY = MemberRefs(bytes(63) + b"n", bytes(range(64)))


def _other_ref(who: str, generation: int = 0) -> str:
    return _OTHER_KEY.make(who, "emp_a", "p_nurses", generation)


async def _renew(kit: PostgresKit) -> int:
    kit.refs = _OTHER_KEY
    async with kit.persons() as store:
        return await store.renew_refs(100, _OTHER_KEY.make)


@pytest.mark.parametrize("moment", ["begin", "list_joined", "take_off_who_left"])
async def test_a_list_that_opens_while_the_key_of_refs_is_exchanged_stays_open(kit: PostgresKit, moment: str) -> None:
    await put_pool(kit, pool())
    people = await _come(kit, 12)
    kit.at = next_tick(kit)
    async with kit.listings() as store:
        _before(store, moment, lambda: _renew(kit))
        await on_tellings(store, [Job("emp_a", kit.at, 1)], TICKS)
    assert await _listed(kit) == {ref(who) for who in people}, "under the refs that were decided"
    told = await kit.told("emp_a")
    assert {(one.change, one.member_ref) for one in told} == {("joined", ref(who)) for who in people}
    await tick(kit)
    assert await _listed(kit) == {_other_ref(who) for who in people}
    assert {one.change for one in (await kit.told("emp_a"))[len(told) :]} == {"left", "joined"}, "it is not closed"


async def test_who_withdraws_and_comes_back_while_the_list_opens_is_not_taken_for_one_with_a_new_ref(
    kit: PostgresKit,
) -> None:
    await put_pool(kit, pool())
    people = await _come(kit, 12)
    kit.at = next_tick(kit)

    async def come_back() -> None:
        await tell_persons(kit, consent(people[0], 2, match=False))
        await tell_persons(kit, consent(people[0], 3))
        await _renew(kit)

    async with kit.listings() as store:
        _before(store, "take_off_who_left", come_back)
        await on_tellings(store, [Job("emp_a", kit.at, 1)], TICKS)
    assert await _listed(kit) == {ref(who) for who in people[1:]}
    assert await kit.connections.fetchval("SELECT count(*) FROM listed WHERE candidate = $1", people[0]) == 0


async def test_another_key_of_the_refs_waits_for_a_list_that_is_committed(kit: PostgresKit) -> None:
    await put_pool(kit, pool())
    people = await _come(kit, 12)
    kit.at = next_tick(kit)
    async with kit.listings() as store:
        await on_tellings(store, [Job("emp_a", kit.at, 1)], TICKS)
        renewing = asyncio.create_task(_renew(kit))
        await until_held_up(kit.connections)
        assert not renewing.done(), "it would not see whom it has to renew"
    assert await renewing == 12
    await tick(kit)
    assert await _listed(kit) == {_other_ref(who) for who in people}


async def test_nobody_is_told_of_a_disclosure_who_left_before_their_list_was_open(kit: PostgresKit) -> None:
    await put_pool(kit, pool())
    people = await _come(kit, 12)
    kit.at = next_tick(kit)
    async with kit.listings() as store:
        _before(store, "take_off_who_left", lambda: tell_persons(kit, consent(people[0], 2, match=False)))
        await on_tellings(store, [Job("emp_a", kit.at, 1)], TICKS)
    async with kit.listings() as store:
        await store.say_disclosures(100)
    assert {one.candidate for one in await kit.published(DisclosedV1)} == {*people[1:]}


async def test_of_who_leaves_and_fits_again_while_their_list_opens_it_is_noted_as_which_member_they_are_read(
    kit: PostgresKit,
) -> None:
    """Without withdrawing, so under the same ref: what was noted of the member who left would end with them, on the person's side."""
    await put_pool(kit, pool(states=("CO",)))
    people = await _come(kit, 12)
    kit.at = next_tick(kit)

    async def leave_and_come_again() -> None:
        await tell_persons(kit, profile(people[0], 2, NURSE.model_copy(update={"state": "WY"})))
        assert people[0] not in await in_pool(kit)
        await tell_persons(kit, profile(people[0], 3, NURSE))

    async with kit.listings() as store:
        _before(store, "take_off_who_left", leave_and_come_again)
        await on_tellings(store, [Job("emp_a", kit.at, 1)], TICKS)
    assert await _listed(kit) == {ref(who) for who in people}
    async with kit.listings() as store:
        await store.say_disclosures(100)
    lists = {one.candidate: one for one in await kit.published(MembershipsChangedV1)}
    said = await kit.published(DisclosedV1)
    assert len(said) == 12
    for one in said:
        (member,) = lists[one.candidate].pools
        assert (one.memberships, one.member_since) == (lists[one.candidate].version, member.since)


async def test_of_who_is_erased_while_their_list_is_held_no_note_stays_behind(kit: PostgresKit) -> None:
    await put_pool(kit, pool())
    who, *_ = await _come(kit, 12)
    kit.at = next_tick(kit)

    async def erase() -> None:
        async with kit.persons() as store:
            await on_candidates_erased(store, received(CandidateErasedV1(candidate=who, at=kit.at)), kit.refs.make)

    async with kit.listings() as store:
        await on_tellings(store, [Job("emp_a", kit.at, 1)], TICKS)
        erasing = asyncio.create_task(erase())
        await until_held_up(kit.connections)
    await erasing
    assert len(await kit.published(ErasureSweptV1)) == 1
    assert await kit.connections.fetchval("SELECT count(*) FROM disclosures WHERE candidate = $1", who) == 0


async def test_a_list_that_opens_beside_an_older_transaction_writes_no_note_again(kit: PostgresKit) -> None:
    """It may be anybody's, in another database too: while the list is held, who leaves would wait for everybody's note."""
    await put_pool(kit, pool())
    asked: list[str] = []
    async with kit.connections.acquire() as other, other.transaction():
        await other.execute("SELECT pg_current_xact_id()")
        await _come(kit, 12)
        kit.at = next_tick(kit)
        async with kit.listings() as store:
            connection = cast(PostgresListings, store)._connection
            with connection.query_logger(lambda one: asked.append(one.query)):
                await on_tellings(store, [Job("emp_a", kit.at, 1)], TICKS)
            written = "SELECT ARRAY[n_tup_ins, n_tup_upd] FROM pg_stat_xact_user_tables WHERE relname = 'disclosures'"
            assert await connection.fetchval(written) == [12, 0]
    assert SQL["listed_otherwise"] in asked
    assert SQL["take_off_who_left"] not in asked


async def test_who_comes_again_in_a_transaction_that_began_before_the_list_is_noted_as_who_they_are_then(
    kit: PostgresKit,
) -> None:
    """Its number is older than the list, and it is committed while that is written."""
    await put_pool(kit, pool(states=("CO",)))
    people = await _come(kit, 12)
    kit.at = next_tick(kit)
    async with contextlib.AsyncExitStack() as until_committed:
        older = await until_committed.enter_async_context(kit.persons())
        await cast(PostgresPersons, older)._connection.execute("SELECT pg_current_xact_id()")
        await kit.connections.execute("SELECT pg_current_xact_id()")  # a later one is over: the list begins behind both

        async def leave_and_come_again() -> None:
            await tell_persons(kit, profile(people[0], 2, NURSE.model_copy(update={"state": "WY"})))
            await on_candidates_changed(older, received(profile(people[0], 3, NURSE)), REFS.make)
            await until_committed.aclose()

        async with kit.listings() as store:
            _before(store, "take_off_who_left", leave_and_come_again)
            await on_tellings(store, [Job("emp_a", kit.at, 1)], TICKS)
    async with kit.listings() as store:
        await store.say_disclosures(100)
    now = [one for one in await kit.published(MembershipsChangedV1) if one.candidate == people[0]][-1]
    (said,) = [one for one in await kit.published(DisclosedV1) if one.candidate == people[0]]
    assert (said.memberships, said.member_since) == (now.version, now.pools[0].since)


async def _waiting(kit: PostgresKit, *people: str, others: int) -> None:
    """Notes of them and of others; the first is said first, then all others'."""
    between = candidates(others)
    await kit.connections.execute(
        "INSERT INTO disclosures (candidate, employer, pool, at)"
        " SELECT who, 'emp_a', 'p_nurses', now() FROM unnest($1::text[]) WITH ORDINALITY AS one (who, place) ORDER BY place",
        [people[0], *between, *people[1:]],
    )
    await kit.connections.execute("ANALYZE disclosures")


async def _erase(kit: PostgresKit, *people: str) -> None:
    async with kit.persons() as store:
        erased = received(*(CandidateErasedV1(candidate=who, at=kit.at) for who in people))
        await on_candidates_erased(store, erased, kit.refs.make)


async def test_who_says_disclosures_and_who_sweeps_erased_persons_do_not_wait_for_each_other(kit: PostgresKit) -> None:
    """Pages are taken by one transaction, in which order the persons do not lie."""
    last, first = sorted(candidates(2))
    await _waiting(kit, first, last, others=4000)  # so many that theirs are looked up by person
    async with kit.listings() as store:
        assert await store.say_disclosures(1) == 1
        erasing = asyncio.create_task(_erase(kit, last, first))
        await until_held_up(kit.connections)
        await store.say_disclosures(5000)
    await erasing
    assert await kit.connections.fetchval("SELECT count(*) FROM disclosures") == 0


async def test_nor_do_they_where_notes_lie_in_another_order_than_they_are_said_in(kit: PostgresKit) -> None:
    """What was written later may lie where somebody's was before."""
    last, first = sorted(candidates(2))
    await _waiting(kit, first, last, others=500)
    await kit.connections.execute("UPDATE disclosures SET at = at WHERE candidate = $1", first)  # behind all others
    holding = "SELECT FROM disclosures WHERE candidate = $1 FOR UPDATE"

    async def say() -> None:
        async with kit.listings() as store:
            await store.say_disclosures(5000)

    async with kit.connections.acquire() as other, other.transaction():
        await other.execute(holding, last)
        both = [asyncio.create_task(say())]
        await until_held_up(kit.connections)
        both.append(asyncio.create_task(_erase(kit, last, first)))
        await until_held_up(kit.connections, 2)
    await asyncio.gather(*both)
    assert await kit.connections.fetchval("SELECT count(*) FROM disclosures") == 0
