"""The key of member refs is exchanged with overlap: lists stay open, and employers are told the refs of now at a tick."""

from collections.abc import Sequence

from services.pool_matching.model import Update
from shared.security.member_refs import MemberRefs
from tests.integration.pool_matching.kit import NURSE, Kit, PostgresKit, consent, members, profile, tell_persons
from tests.ports.test_listings import come, kit, leave, news, opened, quiet_tick, weekly_tick

__all__ = ["kit"]
OLD, NEW = bytes(range(64)), bytes(63) + b"n"
"""The first is that of every kit."""
BOTH = MemberRefs(NEW, OLD)


def refs_of(people: Sequence[str], key: bytes = NEW) -> set[str]:
    return {MemberRefs(key).make(who, "emp_a", "p_nurses", 0) for who in people}


async def shown(kit: Kit) -> set[str]:
    return {one.member_ref for one in await members(kit, "p_nurses")}


async def renew(kit: Kit) -> int:
    kit.refs = BOTH
    async with kit.persons() as store:
        return await store.renew_refs(100, BOTH.make)


def said(updates: Sequence[Update], change: str) -> set[str | None]:
    return {one.member_ref for one in updates if one.change == change}


async def test_everybody_is_told_under_the_ref_of_now_at_the_next_tick_and_the_list_stays_open(kit: Kit) -> None:
    people = await opened(kit)
    rows = {one.shown for one in await members(kit, "p_nurses")}
    before = await news(kit)
    assert await renew(kit) == 6
    assert await shown(kit) == refs_of(people, OLD), "nothing shows before the tick"
    assert await renew(kit) == 0
    await quiet_tick(kit)
    assert await shown(kit) == refs_of(people)
    assert {one.shown for one in await members(kit, "p_nurses")} == rows
    updates = await news(kit, before)
    assert {one.change for one in updates} == {"left", "joined"}, "the list is not closed"
    assert (said(updates, "left"), said(updates, "joined")) == (refs_of(people, OLD), refs_of(people))
    await quiet_tick(kit)
    assert await news(kit, [*before, *updates]) == [], "once"


async def test_another_key_tells_nothing_of_fewer_than_five_who_came_and_went(kit: Kit) -> None:
    people = await opened(kit, 8)
    await leave(kit, people[:2])
    newcomer = "00000000-0000-4000-8000-00000000aaaa"
    await come(kit, [newcomer])
    before = await news(kit)
    await renew(kit)
    await quiet_tick(kit)
    updates = await news(kit, before)
    assert said(updates, "joined") == refs_of(people[2:])
    assert said(updates, "left") == refs_of(people[2:], OLD), "who left is told with the week, under the ref they had"
    await weekly_tick(kit)
    later = await news(kit, [*before, *updates])
    assert said(later, "left") == refs_of(people[:2], OLD)
    assert said(later, "joined") == refs_of([newcomer])


async def test_who_leaves_between_the_new_key_and_the_tick_has_left_under_the_ref_they_had(kit: Kit) -> None:
    people = await opened(kit, 12)
    before = await news(kit)
    await renew(kit)
    await leave(kit, people[:5])
    await quiet_tick(kit)
    updates = await news(kit, before)
    assert said(updates, "left") == refs_of(people, OLD)
    assert said(updates, "joined") == refs_of(people[5:])


async def test_who_withdraws_and_comes_back_is_somebody_else_under_either_key(kit: Kit) -> None:
    people = await opened(kit, 12)
    before = await news(kit)
    await renew(kit)
    await leave(kit, people[:6])
    await tell_persons(kit, *(consent(who, 3) for who in people[:6]))
    await quiet_tick(kit)
    joined = said(await news(kit, before), "joined")
    assert joined == refs_of(people[6:]) | {BOTH.make(who, "emp_a", "p_nurses", 1) for who in people[:6]}


async def test_two_exchanges_before_a_tick_are_told_as_one(kit: Kit) -> None:
    people = await opened(kit)
    before = await news(kit)
    await renew(kit)
    third = MemberRefs(bytes(63) + b"t", NEW, OLD)
    kit.refs = third
    async with kit.persons() as store:
        await store.renew_refs(100, third.make)
    await quiet_tick(kit)
    updates = await news(kit, before)
    assert said(updates, "left") == refs_of(people, OLD)
    assert said(updates, "joined") == refs_of(people, bytes(63) + b"t")


async def test_a_change_of_who_is_renewed_is_told_when_five_differ(kit: Kit) -> None:
    people = await opened(kit, 10)
    before = await news(kit)
    await renew(kit)
    later = NURSE.model_copy(update={"years": 10})
    await tell_persons(kit, *(profile(who, 2, later) for who in people))
    await quiet_tick(kit)
    updates = await news(kit, before)
    assert (said(updates, "left"), said(updates, "joined")) == (refs_of(people, OLD), refs_of(people))
    assert await shown(kit) == refs_of(people)


async def test_refs_of_an_older_key_are_counted_until_they_are_renewed(kit: Kit) -> None:
    await opened(kit)
    if not isinstance(kit, PostgresKit):
        return
    kit.refs = BOTH
    old = MemberRefs(OLD).key_id
    async with kit.persons() as store:
        assert await store.under_ref_keys(most=4) == {old: 4}
    assert await renew(kit) == 6
    async with kit.persons() as store:
        assert await store.under_ref_keys(most=4) == {}
