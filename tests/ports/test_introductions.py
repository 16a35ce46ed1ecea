"""Who introduced whom, and whose that makes them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from services.pool_matching.adapters.postgres_introductions import PostgresIntroductions
from services.pool_matching.handlers import (
    on_candidates_claimed,
    on_candidates_confirmed,
    on_candidates_erased,
    on_tenants_changed,
)
from services.pool_matching.introductions import REMEMBERED, remembered_since
from services.pool_matching.ports import IntroductionStore
from shared.contracts.operator import TenantChangedV1
from shared.contracts.signup import CandidateClaimedV1, CandidateConfirmedV1, CandidateErasedV1
from shared.messaging.unit import unit_of_work
from shared.postgres.pool import Pool
from tests.databases import MIGRATIONS_OF, Databases
from tests.fakes.clock import NOON
from tests.integration.pool_matching.kit import (
    REFS,
    TICKS,
    PostgresKit,
    candidates,
    consent,
    profile,
    received,
    tell_persons,
)

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
ANA, BEN = candidates(2)


@dataclass
class World:
    opened: Pool
    at: datetime = NOON

    @asynccontextmanager
    async def store(self) -> AsyncIterator[IntroductionStore]:
        async with unit_of_work(self.opened, at=self.at, source="pool_matching") as unit:
            yield PostgresIntroductions(unit)

    async def claims(self, candidate: str, vendor: str, employer: str | None = None, at: datetime = NOON) -> None:
        async with self.store() as store:
            event = CandidateClaimedV1(candidate=candidate, vendor=vendor, employer=employer, at=at)
            await on_candidates_claimed(store, received(event, event))

    async def confirm(self, *people: str, at: datetime = NOON + HOUR) -> None:
        async with self.store() as store:
            later = [CandidateConfirmedV1(candidate=one, at=at + DAY) for one in people]
            await on_candidates_confirmed(
                store, received(*later, *(CandidateConfirmedV1(candidate=one, at=at) for one in people))
            )

    async def tenants(self, *changes: tuple[str, int, str | None], **more: Any) -> None:
        async with self.store() as store:
            events = [
                TenantChangedV1(
                    tenant=id_, version=version, kind="employer", name=id_, key_hashes=(), vendor=vendor, **more
                )
                for id_, version, vendor in changes
            ]
            await on_tenants_changed(store, received(*events))

    async def own(self, employer: str) -> set[str]:
        query = "SELECT candidate FROM brought_along WHERE employer = $1 AND until > $2"
        return {row["candidate"] for row in await self.opened.fetch(query, employer, remembered_since(self.at))}


@pytest.fixture
async def world(databases: Databases) -> AsyncIterator[World]:
    async with databases.pool(*MIGRATIONS_OF["pool_matching"]) as opened:
        found = World(opened)
        await found.confirm(ANA, BEN)
        yield found


async def test_whom_an_employer_s_own_record_introduced_is_its_own_whichever_vendor_told_of_them(world: World) -> None:
    await world.claims(ANA, "ven_any", "emp_a")
    await world.claims(BEN, "ven_any")
    assert await world.own("emp_a") == {ANA}
    assert await world.own("emp_b") == set()


async def test_whom_the_vendor_of_the_seat_introduced_is_the_employer_s_own_too(world: World) -> None:
    await world.claims(ANA, "ven_1", "emp_b")
    await world.claims(BEN, "ven_2")
    await world.tenants(("emp_a", 1, "ven_1"), ("emp_b", 1, None))
    assert (await world.own("emp_a"), await world.own("emp_b")) == ({ANA}, {ANA})
    await world.tenants(("emp_b", 2, "ven_2"))
    assert await world.own("emp_b") == {ANA, BEN}


async def test_a_vendor_s_people_stay_the_employer_s_own_for_two_years_after_it_gave_up_the_seat(world: World) -> None:
    await world.claims(ANA, "ven_1")
    await world.tenants(("emp_a", 1, "ven_1"))
    world.at = NOON + 1000 * DAY
    assert await world.own("emp_a") == {ANA}  # it still has the seat
    await world.tenants(("emp_a", 2, "ven_2"))
    world.at += REMEMBERED - DAY
    await world.tenants(("emp_a", 3, "ven_2"), ("emp_a", 2, "ven_2"))
    assert await world.own("emp_a") == {ANA}
    world.at += DAY
    assert await world.own("emp_a") == set()
    await world.tenants(("emp_a", 4, "ven_1"))
    assert await world.own("emp_a") == {ANA}


async def test_a_vendor_that_held_the_seat_between_two_looks_is_remembered_as_any_other(world: World) -> None:
    await world.claims(ANA, "ven_1")
    await world.claims(BEN, "ven_2")
    await world.tenants(("emp_a", 1, "ven_1"), ("emp_b", 1, "ven_1"))
    # This service was down for an hour, in which the seat went and came back.
    await world.tenants(("emp_a", 2, "ven_2"), ("emp_b", 2, "ven_1"), ("emp_a", 3, "ven_1"))
    assert (await world.own("emp_a"), await world.own("emp_b")) == ({ANA, BEN}, {ANA})
    world.at += REMEMBERED
    assert await world.own("emp_a") == {ANA}


async def test_an_employer_that_left_the_network_gives_up_its_seat(world: World) -> None:
    await world.claims(ANA, "ven_1")
    await world.tenants(("emp_a", 1, "ven_1"))
    await world.tenants(("emp_a", 2, "ven_1"), removed=True)
    world.at += REMEMBERED
    assert await world.own("emp_a") == set()


async def test_the_first_time_of_an_introduction_is_kept_once(world: World) -> None:
    for at in (NOON, NOON + DAY, NOON - DAY):
        await world.claims(ANA, "ven_1", "emp_a", at)
    assert [row["first_at"] for row in await world.opened.fetch("SELECT * FROM introductions")] == [NOON - DAY]


async def test_who_was_introduced_after_they_had_confirmed_was_there_already(world: World) -> None:
    await world.claims(ANA, "ven_1", "emp_a", NOON + HOUR)
    await world.claims(BEN, "ven_1", "emp_a", NOON + HOUR + timedelta(milliseconds=1))
    assert await world.own("emp_a") == {ANA}


async def test_who_had_confirmed_before_that_was_noted_was_there_already_too(world: World) -> None:
    (one,) = candidates(1)
    await world.claims(one, "ven_1", "emp_a", NOON - 40 * DAY)
    await tell_persons(PostgresKit(world.opened), profile(one), consent(one))
    assert await world.own("emp_a") == set()
    await world.confirm(one)
    assert await world.own("emp_a") == {one}


async def test_of_whoever_is_erased_no_introduction_stays_and_none_comes_later(world: World) -> None:
    for one in (ANA, BEN):
        await world.claims(one, "ven_1", "emp_a")
    async with PostgresKit(world.opened).persons() as store:
        await on_candidates_erased(store, received(CandidateErasedV1(candidate=ANA, at=NOON)), REFS.make)
    await world.claims(ANA, "ven_1", "emp_a")
    await world.confirm(ANA)
    assert {row["candidate"] for row in await world.opened.fetch("SELECT candidate FROM introductions")} == {BEN}
    assert await world.opened.fetchval("SELECT confirmed_at FROM persons WHERE candidate = $1", ANA) is None
    assert await world.own("emp_a") == {BEN}


async def introduced(world: World, employer: str = "emp_a") -> int:
    """As the route asks, at the employer's last tick."""
    tick = TICKS.last(employer, world.at)
    async with world.store() as store:
        return await store.introduced(employer, tick, TICKS.as_of(tick))


def next_tick(world: World, employer: str = "emp_a") -> datetime:
    """The first that tells of what is so by now."""
    return TICKS.first(employer, TICKS.as_of(world.at) + TICKS.period)


async def test_an_employer_introduced_whom_its_own_records_told_of_before_they_said_yes(world: World) -> None:
    told, unconfirmed, late, of_the_seat = candidates(4)
    for one in (told, unconfirmed):
        await world.claims(one, "ven_1", "emp_a")
        await world.claims(one, "ven_2", "emp_a")  # by two systems, and still one person
    await world.claims(late, "ven_1", "emp_a", NOON + 2 * HOUR)
    await world.claims(of_the_seat, "ven_1")
    await world.tenants(("emp_a", 1, "ven_1"))
    await world.confirm(told, late, of_the_seat)
    assert await introduced(world) == 0, "nobody had confirmed at the midnight before the last tick"
    world.at = next_tick(world)
    assert (await introduced(world), await introduced(world, "emp_b")) == (1, 0)


async def test_what_happens_between_two_ticks_changes_no_number_that_was_told(world: World) -> None:
    await world.claims(ANA, "ven_1", "emp_a")
    await world.claims(BEN, "ven_1", "emp_a")
    world.at = next_tick(world)
    assert await introduced(world) == 2
    async with PostgresKit(world.opened).persons() as store:
        await on_candidates_erased(store, received(CandidateErasedV1(candidate=ANA, at=NOON)), REFS.make)
    late, *_ = candidates(1)
    await world.claims(late, "ven_1", "emp_a")
    await world.confirm(late)  # a record of yesterday that comes only now
    world.at += HOUR
    assert await introduced(world) == 2
    world.at = next_tick(world)
    assert await introduced(world) == 2, "who was erased is gone, who came late is there"
    async with PostgresKit(world.opened).persons() as store:
        await on_candidates_erased(store, received(CandidateErasedV1(candidate=BEN, at=NOON)), REFS.make)
    world.at += DAY
    assert await introduced(world) == 1


async def test_a_number_of_a_later_tick_is_not_replaced_by_one_of_a_clock_that_is_behind(world: World) -> None:
    await world.claims(ANA, "ven_1", "emp_a")
    world.at = next_tick(world)
    assert await introduced(world) == 1
    world.at -= 2 * DAY
    assert await introduced(world) == 1
