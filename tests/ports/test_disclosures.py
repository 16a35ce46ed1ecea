"""What is noted as disclosed before an employer can read it, and what is not noted again: on the fake and on PostgreSQL."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import asyncpg
import pytest

from services.pool_matching import jobs
from services.pool_matching.adapters import postgres_listings
from shared.contracts.pool_matching import DisclosedV1, DisclosureEndedV1
from shared.security.member_refs import MemberRefs
from tests.databases import MIGRATIONS_OF, Databases
from tests.integration.pool_matching.kit import (
    MIGRATIONS,
    FakeKit,
    Kit,
    PostgresKit,
    candidates,
    consent,
    members,
    pool,
    put_pool,
    ref,
    tell_persons,
    tick,
)
from tests.ports.test_listings import come, leave, quiet_tick, weekly_tick

OTHER_KEY = MemberRefs(bytes(range(64, 128)))


@pytest.fixture(params=["fake", "postgres"])
async def kit(request: pytest.FixtureRequest) -> AsyncIterator[Kit]:
    if request.param == "fake":
        yield FakeKit()
        return
    databases: Databases = request.getfixturevalue("databases")
    async with databases.pool(*MIGRATIONS_OF["pool_matching"]) as opened:
        yield PostgresKit(opened)


async def say(kit: Kit) -> None:
    more = True
    while more:
        async with kit.listings() as store:
            more = await jobs.say_disclosures(store)


async def said(kit: Kit) -> list[DisclosedV1]:
    """All that was said by now."""
    await say(kit)
    return await kit.published(DisclosedV1)


async def ended(kit: Kit) -> list[DisclosureEndedV1]:
    await say(kit)
    return await kit.published(DisclosureEndedV1)


async def listed(kit: Kit, count: int = 6, **criteria: Any) -> Sequence[str]:
    people = candidates(count)
    await put_pool(kit, pool(**criteria))
    await weekly_tick(kit)
    await come(kit, people)
    await quiet_tick(kit)
    assert {one.member_ref for one in await members(kit)} == {ref(who) for who in people}
    return people


async def test_many_are_said_a_few_at_a_time_each_once_and_in_their_order(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_listings, "_SAID_AT_ONCE", 2)
    monkeypatch.setattr(jobs, "_SAID_AT_ONCE", 5)
    people = await listed(kit, 8)
    await tell_persons(kit, *(consent(who, 2, match=False) for who in people[:5]))
    await weekly_tick(kit)
    async with kit.listings() as store:
        assert await jobs.say_disclosures(store), "there is more"
    assert len(await kit.published(DisclosedV1)) == 5
    assert sorted(one.candidate for one in await said(kit)) == sorted(people)
    over = {one.candidate for one in await ended(kit)}
    assert over == {*people[5:]}, "too few are left: the list is closed, and said after what it had shown"


async def test_whoever_is_listed_has_a_disclosure_of_that_moment_with_the_fields_that_are_shown(kit: Kit) -> None:
    people = await listed(kit, min_years=3, states=("CO",))
    disclosed = await said(kit)
    assert {one.candidate for one in disclosed} == set(people) and len(disclosed) == len(people)
    one = disclosed[0]
    assert (one.employer, one.pool, one.at, one.way) == ("emp_a", "p_nurses", kit.at, "list")
    assert one.fields == ("state", "years"), "what the pool asks for, by name"
    assert "CO" not in one.model_dump_json(), "and no value of them"
    assert one.memberships == 1


async def test_nobody_who_is_not_listed_has_one(kit: Kit) -> None:
    people = candidates(4)
    await put_pool(kit, pool())
    await come(kit, people)
    await weekly_tick(kit)
    assert await members(kit) == [] and await said(kit) == []


async def test_what_was_told_and_is_unchanged_is_not_said_again(kit: Kit) -> None:
    people = await listed(kit, min_years=3)
    before = await said(kit)
    await tick(kit)
    await weekly_tick(kit)
    await come(kit, people, 2, skills=("Other",))  # the pool does not ask for skills
    await weekly_tick(kit)
    await put_pool(kit, pool(version=2, min_years=3))  # a rebuild
    await tick(kit)
    assert await said(kit) == before


async def test_what_an_employer_could_not_read_before_is_said(kit: Kit) -> None:
    people = await listed(kit, min_years=3)
    before = await said(kit)
    await come(kit, people, 2, years=10)
    await quiet_tick(kit)
    assert {one.shown.years for one in await members(kit)} == {10}
    new = (await said(kit))[len(before) :]
    assert {one.candidate for one in new} == set(people) and {one.at for one in new} == {kit.at}
    await come(kit, people, 3, years=5)
    await weekly_tick(kit)
    assert len(await said(kit)) == 3 * len(people), "another value, also where it is one of before"


async def test_a_row_that_shows_less_says_nothing_and_what_it_showed_before_is_not_said_again(kit: Kit) -> None:
    people = [*await listed(kit, 6, min_years=3, states=("CO", "WY")), *candidates(5)]
    await come(kit, people[6:], state="WY")
    await weekly_tick(kit)
    before = await said(kit)
    assert len(before) == 11
    await leave(kit, people[6:8])  # three of Wyoming are too few to be told apart
    await weekly_tick(kit)
    assert any(one.shown.state is None for one in await members(kit)), "some rows show less"
    assert await said(kit) == before


async def test_another_key_of_the_refs_tells_nothing_new(kit: Kit) -> None:
    people = await listed(kit)
    before = await said(kit)
    await _renew(kit, people)
    await quiet_tick(kit)
    refs = {one.member_ref for one in await members(kit)}
    assert len(refs) == 6 and not refs & {ref(who) for who in people}, "they are listed under other refs"
    assert await said(kit) == before


async def _renew(kit: Kit, people: Sequence[str]) -> None:
    if isinstance(kit, FakeKit):
        kit.refs = OTHER_KEY
        for who, (_, member) in kit.world.members_of("p_nurses").items():
            new = OTHER_KEY.make(who, "emp_a", "p_nurses", member.generation)
            kit.world._persons[who].members["p_nurses"] = (new, member)
            kit.world.listings.renewed("p_nurses", who, new)
        return
    kit.refs = OTHER_KEY
    async with kit.persons() as store:
        assert await store.renew_refs(100, OTHER_KEY.make) == len(people)


async def test_who_comes_back_is_shown_anew(kit: Kit) -> None:
    people = await listed(kit, 7)
    await leave(kit, people[:1])
    await weekly_tick(kit)
    await tell_persons(kit, consent(people[0], 3))
    await weekly_tick(kit)
    theirs = [one for one in await said(kit) if one.candidate == people[0]]
    assert len(theirs) == 2 and theirs[0].memberships < theirs[1].memberships


async def test_a_list_that_closes_says_that_nobody_of_it_is_shown_any_more(kit: Kit) -> None:
    people = await listed(kit, 6)
    await leave(kit, people[:2])
    await say(kit)
    await tick(kit)
    assert await members(kit) == []
    over = await ended(kit)
    assert {one.candidate for one in over} == set(people[2:]), "of who left their memberships say so"
    assert {(one.employer, one.pool, one.at) for one in over} == {("emp_a", "p_nurses", kit.at)}
    before = await said(kit)
    await come(kit, candidates(3))
    await weekly_tick(kit)
    assert len(await said(kit)) == len(before) + 7, "it opened again: all are shown anew"


async def test_of_whoever_was_erased_before_it_was_said_nothing_is_said(kit: Kit) -> None:
    people = await listed(kit, 7)
    if not isinstance(kit, PostgresKit):
        pytest.skip("the fake forgets nobody")
    async with kit.persons() as store:
        await store.erase(people[:1])
        await store.sweep(people[:1])
    left = await kit.connections.fetch("SELECT candidate FROM disclosures")
    assert {row["candidate"] for row in left} == set(people[1:])
    await kit.connections.execute(
        "INSERT INTO disclosures (candidate, employer, pool, at) VALUES ($1, 'emp_a', 'p_nurses', now())", people[0]
    )  # by who held the listing when they were erased
    assert {one.candidate for one in await said(kit)} == set(people[1:]) and await ended(kit) == []


async def test_the_table_refuses_a_row_that_shows_more_than_was_noted(kit: Kit) -> None:
    people = await listed(kit, min_years=3)
    if not isinstance(kit, PostgresKit):
        pytest.skip("a table is PostgreSQL's")
    for row in ('{"years": 10}', '{"years": 5, "state": "CO"}'):
        with pytest.raises(asyncpg.CheckViolationError, match="nothing_is_shown_unnoted"):
            await kit.connections.execute("UPDATE listed SET shown = $2::jsonb WHERE candidate = $1", people[0], row)
    with pytest.raises(asyncpg.CheckViolationError, match="nothing_is_shown_unnoted"):
        await kit.connections.execute("UPDATE listed SET noted = NULL WHERE candidate = $1", people[0])
    await kit.connections.execute("UPDATE listed SET shown = '{}' WHERE candidate = $1", people[0])


async def test_what_an_older_release_listed_is_noted_before_the_table_refuses_it(kit: Kit) -> None:
    people = await listed(kit, min_years=3, states=("CO",))
    if not isinstance(kit, PostgresKit):
        pytest.skip("a migration is PostgreSQL's")
    await said(kit)
    rows = kit.connections
    await rows.execute("ALTER TABLE listed DROP CONSTRAINT nothing_is_shown_unnoted")
    await rows.execute("UPDATE listed SET noted = NULL WHERE candidate = ANY($1::text[])", people[:4])
    await rows.execute(
        "UPDATE listed SET noted = '{\"years\": 5}' WHERE candidate = $1", people[4]
    )  # and it showed more then
    await rows.execute((MIGRATIONS / "0061_post_nothing_is_shown_unnoted.sql").read_text())
    noted = await rows.fetch("SELECT candidate, fields, pool, employer FROM disclosures")
    assert {row["candidate"] for row in noted} == set(people[:5]), "the sixth was noted"
    assert {(*row["fields"], row["pool"], row["employer"]) for row in noted} == {
        ("state", "years", "p_nurses", "emp_a")
    }
    with pytest.raises(asyncpg.CheckViolationError, match="nothing_is_shown_unnoted"):
        await rows.execute("UPDATE listed SET noted = NULL WHERE candidate = $1", people[0])
