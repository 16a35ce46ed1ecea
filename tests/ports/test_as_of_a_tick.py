"""Since when a member belongs, by how people were at the employer's last tick: on the fake and on PostgreSQL."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest

from services.pool_matching.handlers import on_candidates_erased
from services.pool_matching.jobs import forget_earlier
from shared.contracts.signup import CandidateErasedV1, CoarseProfile
from shared.facts import Known
from tests.databases import MIGRATIONS_OF, Databases
from tests.fakes.clock import NOON
from tests.integration.pool_matching.kit import (
    NURSE,
    REFS,
    TICKS,
    FakeKit,
    Kit,
    PostgresKit,
    candidates,
    consent,
    pool,
    profile,
    put_pool,
    received,
    tell_persons,
)

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
LAST = TICKS.last("emp_a", NOON)
TICK = TICKS.as_of(LAST)
"""Of which moment it tells."""
BEGINNER, GUARD = NURSE.model_copy(update={"years": 0}), NURSE.model_copy(update={"occupations": ("33-9032",)})
LATER = NURSE.model_copy(update={"years": 10})


@pytest.fixture(params=["fake", "postgres"])
async def kit(request: pytest.FixtureRequest) -> AsyncIterator[Kit]:
    if request.param == "fake":
        yield FakeKit()
        return
    databases: Databases = request.getfixturevalue("databases")
    async with databases.pool(*MIGRATIONS_OF["pool_matching"]) as opened:
        yield PostgresKit(opened)


async def fitted_at_the_tick(kit: Kit, *people: str) -> list[bool]:
    async with kit.persons() as store:
        known = {one.person.candidate: one.members for one in await store.known(people)}
    since = [member.fits_since for who in people for member in known[who]]
    assert len(since) == len(people)
    assert all(one <= kit.at for one in since)
    return [one <= TICK for one in since]


async def earlier(kit: Kit, who: str, at: datetime) -> CoarseProfile | None:
    async with kit.persons() as store:
        changed = await store.changed_since([who], at)
        then = changed[who] if who in changed else (await store.known([who]))[0].person
    assert isinstance(then.profile, Known)
    return then.profile.value


async def test_a_new_pool_has_at_once_whom_its_employer_s_last_tick_would_have_shown_and_the_others_since_now(
    kit: Kit,
) -> None:
    there, was_a_guard, was_another_nurse, late, paused = candidates(5)
    kit.at = TICK - HOUR
    for who, then in ((there, NURSE), (was_a_guard, GUARD), (was_another_nurse, BEGINNER), (paused, NURSE)):
        await tell_persons(kit, profile(who, 1, then), consent(who))
    kit.at = TICK + MINUTE
    await tell_persons(kit, profile(was_a_guard, 2), profile(was_another_nurse, 2), profile(late), consent(late))
    await tell_persons(kit, consent(paused, 2, paused_until=TICK + HOUR))
    kit.at = TICK + 2 * MINUTE
    await tell_persons(kit, profile(was_a_guard, 3, LATER), consent(paused, 3))
    kit.at = LAST + MINUTE
    await put_pool(kit, pool(occupations=("29-1141",)))
    people = (there, was_a_guard, was_another_nurse, late, paused)
    assert await fitted_at_the_tick(kit, *people) == [True, False, True, False, True]


async def test_a_pool_that_asks_for_something_else_has_its_members_as_of_the_tick_too(kit: Kit) -> None:
    long_a_nurse, short_a_nurse, joined = candidates(3)
    kit.at = TICK - HOUR
    await put_pool(kit, pool(occupations=("29-1141",)))
    for who, then in ((long_a_nurse, NURSE), (short_a_nurse, BEGINNER), (joined, GUARD)):
        await tell_persons(kit, profile(who, 1, then), consent(who))
    assert await fitted_at_the_tick(kit, long_a_nurse, short_a_nurse) == [True, True]
    kit.at = TICK + MINUTE
    await tell_persons(kit, profile(short_a_nurse, 2), profile(joined, 2))
    assert await fitted_at_the_tick(kit, short_a_nurse, joined) == [True, False]
    kit.at = LAST + MINUTE
    await put_pool(kit, pool(version=2, occupations=("29-1141",), min_years=3))
    assert await fitted_at_the_tick(kit, long_a_nurse, short_a_nurse, joined) == [True, False, False]
    await put_pool(kit, pool(version=3, occupations=("29-1141", "33-0000"), min_years=5))
    assert await fitted_at_the_tick(kit, long_a_nurse, short_a_nurse, joined) == [True, False, True]


async def test_who_can_t_be_found_any_more_is_not_remembered_as_they_were(kit: Kit) -> None:
    withdrew, took_back, erased = candidates(3)
    kit.at = TICK - HOUR
    for who in (withdrew, took_back, erased):
        await tell_persons(kit, profile(who, 1, BEGINNER), consent(who))
    kit.at = TICK + MINUTE
    await tell_persons(kit, *(profile(who, 2) for who in (withdrew, took_back, erased)))
    for who in (withdrew, took_back, erased):
        assert await earlier(kit, who, TICK) == BEGINNER
    kit.at = TICK + 2 * MINUTE
    await tell_persons(kit, consent(withdrew, 2, match=False), profile(took_back, 3, None))
    async with kit.persons() as store:
        await on_candidates_erased(store, received(CandidateErasedV1(candidate=erased, at=kit.at)), REFS.make)
    assert [await earlier(kit, who, TICK) for who in (withdrew, took_back)] == [None, None]
    await tell_persons(kit, consent(withdrew, 3), profile(took_back, 4))
    assert [await earlier(kit, who, TICK) for who in (withdrew, took_back)] == [None, None]
    if isinstance(kit, PostgresKit):
        assert await kit.connections.fetchval("SELECT count(*) FROM persons_before") == 0


async def test_how_people_were_is_known_for_every_moment_of_two_days_and_forgotten_then(kit: Kit) -> None:
    (who,) = candidates(1)
    steps = [(NOON + number * HOUR, value) for number, value in enumerate((BEGINNER, GUARD, NURSE))]
    for version, (at, value) in enumerate(steps, 1):
        kit.at = at
        await tell_persons(kit, profile(who, version, value), consent(who))
    for at, value in steps:
        for moment in (at, at + 30 * MINUTE):
            assert await earlier(kit, who, moment) == value
    assert await earlier(kit, who, NOON - MINUTE) is None
    for after, kept in ((49 * HOUR, 2), (50 * HOUR + MINUTE, 1), (51 * HOUR + MINUTE, 0)):
        kit.at = NOON + after
        async with kit.persons() as store:
            assert not await forget_earlier(store)
        found = [await earlier(kit, who, at) for at, _ in steps[:2]]
        assert sum(then is not None for then in found) == kept


async def test_members_and_people_from_before_this_was_kept_have_been_as_they_are_for_long(
    databases: Databases,
) -> None:
    async with databases.pool(*MIGRATIONS_OF["pool_matching"]) as opened:
        kit = PostgresKit(opened)
        (who,) = candidates(1)
        await put_pool(kit, pool(occupations=("29-1141",)))
        await tell_persons(kit, profile(who), consent(who))
        await opened.execute("UPDATE persons SET since = DEFAULT")
        await opened.execute("UPDATE memberships SET fits_since = DEFAULT")
        assert await fitted_at_the_tick(kit, who) == [True]
        await put_pool(kit, pool(version=2, occupations=("29-1141",), min_years=3))
        assert await fitted_at_the_tick(kit, who) == [True]
