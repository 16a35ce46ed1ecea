"""Real connections side by side: no membership is missed or left over."""

import asyncio

from services.pool_matching.decisions import memberships, settle
from services.pool_matching.handlers import on_candidates_changed
from shared.contracts.pool_matching import MembershipsChangedV1
from tests.fakes.clock import NOON
from tests.integration.pool_matching.kit import (
    REFS,
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
    step,
    tell_persons,
    tell_pools,
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
    assert await member_refs(kit, "p_nurses") == {ref(who)}


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
    assert await member_refs(kit, "p_nurses") == set()


async def test_a_batch_that_begins_during_an_evaluation_knows_the_pool(kit: PostgresKit) -> None:
    early, late = candidates(2)
    await tell_persons(kit, profile(early), consent(early))
    await keep_pool(kit, pool())
    await tell_pools(kit, pool())
    assert await step(kit) == "p_nurses", "the batches in flight were waited for"
    await tell_persons(kit, profile(late), consent(late))
    await evaluate(kit)
    assert await member_refs(kit, "p_nurses") == {ref(early), ref(late)}


async def test_a_withdrawal_during_an_evaluation_leaves_nobody_behind(kit: PostgresKit) -> None:
    (who,) = candidates(1)
    await tell_persons(kit, profile(who), consent(who))
    await keep_pool(kit, pool())
    await tell_pools(kit, pool())
    await step(kit)
    async with kit.persons() as chunk:
        (known,) = await chunk.known([who])
        settled = settle(known, memberships((), known.person, [pool()], NOON), NOON)
        assert settled is not None
        await chunk.settle([settled], REFS.make)
        withdrawal = asyncio.create_task(tell_persons(kit, consent(who, 2, match=False)))
        await until_held_up(kit.connections)
        assert not withdrawal.done(), "the withdrawal must wait for the row"
    await withdrawal
    await evaluate(kit)
    assert await member_refs(kit, "p_nurses") == set()


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
    everybody = {ref(who) for who in people}
    assert [await member_refs(kit, one.id) == everybody for one in pools] == [True] * 12
    latest: dict[str, MembershipsChangedV1] = {}
    for told in await kit.published(MembershipsChangedV1):
        assert told.candidate not in latest or told.version > latest[told.candidate].version
        latest[told.candidate] = told
    assert {len(told.pools) for told in latest.values()} == {12}
