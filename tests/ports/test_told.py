"""What a person is told of what employers could read of them: on the fake and on PostgreSQL, in any order of arrival."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import permutations
from typing import Protocol, TypeVar

import pytest

from services.consent import handlers, jobs
from services.consent.adapters.postgres import PostgresConsents
from services.consent.adapters.postgres_told import PostgresTold
from services.consent.model import Disclosed, TellingPlace
from services.consent.ports import Tellings
from shared.contracts.base import Event
from shared.contracts.pool_matching import (
    Criteria,
    DisclosedV1,
    DisclosureEndedV1,
    Membership,
    MembershipsChangedV1,
    PoolChangedV1,
)
from shared.facts import UNKNOWN, Known
from shared.ids import new_candidate_id
from shared.messaging.envelope import Received, Record
from shared.messaging.unit import Unit, unit_of_work
from shared.postgres.pool import Pool
from tests.databases import MIGRATIONS_OF, Databases
from tests.fakes.clock import NOON
from tests.fakes.told import FakeTellings
from tests.signing import SEALS
from tests.waiting import until_held_up

E = TypeVar("E", bound=Event)
ANA, BO = new_candidate_id(), new_candidate_id()
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Kit(Protocol):
    at: datetime

    def open(self) -> AbstractAsyncContextManager[Tellings]: ...
    async def erase(self, candidate: str) -> None: ...


@dataclass
class FakeKit:
    at: datetime = NOON
    tellings: FakeTellings = field(default_factory=FakeTellings)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Tellings]:
        self.tellings.at = self.at
        yield self.tellings

    async def erase(self, candidate: str) -> None:
        self.tellings.erased.add(candidate)
        self.tellings.stays.pop(candidate, None)
        self.tellings.rows = {key: row for key, row in self.tellings.rows.items() if key[0] != candidate}


@dataclass
class PostgresKit:
    connections: Pool
    at: datetime = NOON

    def unit(self) -> AbstractAsyncContextManager[Unit]:
        return unit_of_work(self.connections, at=self.at, source="consent")

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Tellings]:
        async with self.unit() as unit:
            yield PostgresTold(unit)

    async def erase(self, candidate: str) -> None:
        async with self.unit() as unit:
            await PostgresConsents(unit, SEALS).close([candidate])


@pytest.fixture(params=["fake", "postgres"])
async def kit(request: pytest.FixtureRequest) -> AsyncIterator[Kit]:
    if request.param == "fake":
        yield FakeKit()
        return
    databases: Databases = request.getfixturevalue("databases")
    async with databases.pool(*MIGRATIONS_OF["consent"]) as opened:
        async with unit_of_work(opened, at=NOON, source="consent") as unit:
            await PostgresConsents(unit, SEALS).register([ANA])  # BO was not heard of yet
        yield PostgresKit(opened)


def disclosed(
    at: datetime, pool: str = "p_a", *, who: str = ANA, since: datetime = NOON, version: int = 1
) -> DisclosedV1:
    return DisclosedV1(
        candidate=who,
        employer="emp_a",
        pool=pool,
        at=at,
        fields=("state", "years"),
        way="list",
        member_since=since,
        memberships=version,
    )


def is_in(version: int, *pools: tuple[str, datetime], who: str = ANA) -> MembershipsChangedV1:
    stays = tuple(Membership(pool=pool, employer="emp_a", since=since) for pool, since in pools)
    return MembershipsChangedV1(candidate=who, version=version, pools=stays)


def received(event: E, at: datetime) -> list[Received[E]]:
    return [Received("e", "test", at, event, Record("topic", 0, 0, None, None, ()))]


async def take(kit: Kit, *events: Event) -> None:
    """They arrive in this order, each in a batch of its own."""
    for event in events:
        async with kit.open() as store:
            match event:
                case MembershipsChangedV1():
                    await handlers.on_memberships_changed(store, received(event, kit.at))
                case PoolChangedV1():
                    await handlers.on_pools_changed(store, received(event, kit.at))
                case _:
                    await handlers.on_disclosures(store, received(event, kit.at))


async def told(kit: Kit, who: str = ANA) -> Sequence[Disclosed]:
    async with kit.open() as store:
        return await store.disclosures(who, 100)


async def in_force(kit: Kit, who: str = ANA) -> set[tuple[str, datetime]]:
    async with kit.open() as store:
        return {(one.pool, one.at) for one in await store.in_force(who)}


async def test_what_an_employer_could_read_is_told_the_latest_first_and_page_by_page(kit: Kit) -> None:
    moments = [NOON + number * HOUR for number in range(5)]
    await take(kit, *(disclosed(at, pool) for at in moments for pool in ("p_a", "p_b")))
    rows = await told(kit)
    assert [(one.at, one.pool) for one in rows] == [(at, pool) for at in reversed(moments) for pool in ("p_b", "p_a")]
    assert rows[0] == Disclosed("emp_a", "p_b", moments[4], ("state", "years"), "list", NOON, None)
    async with kit.open() as store:
        rest = await store.disclosures(ANA, 3, before=TellingPlace(rows[2].at, rows[2].pool))
    assert list(rest) == list(rows[3:6])


async def test_the_same_once_more_changes_nothing(kit: Kit) -> None:
    events = disclosed(NOON + DAY), is_in(1, ("p_a", NOON)), is_in(2)
    await take(kit, *events)
    before = await told(kit)
    kit.at += DAY
    await take(kit, *events)
    assert await told(kit) == before and len(before) == 1


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_what_could_be_read_is_over_when_the_person_has_left_in_any_order_of_arrival(
    kit: Kit, order: tuple[int, ...]
) -> None:
    events = is_in(4, ("p_a", NOON), ("p_b", NOON)), disclosed(NOON + DAY, version=4), is_in(5, ("p_b", NOON))
    kit.at = NOON + 3 * DAY
    await take(kit, *(events[place] for place in order), disclosed(NOON + DAY, "p_b", version=4))
    assert {one.pool: one.ended_at for one in await told(kit)} == {"p_a": kit.at, "p_b": None}
    assert await in_force(kit) == {("p_b", NOON + DAY)}


async def test_a_list_from_before_they_joined_ends_nothing(kit: Kit) -> None:
    await take(kit, is_in(3), disclosed(NOON + DAY, version=4))
    assert await in_force(kit) == {("p_a", NOON + DAY)}, "version 4 is on its way"
    await take(kit, is_in(2))
    assert await in_force(kit) == {("p_a", NOON + DAY)}


async def test_who_came_back_is_not_shown_until_they_are_listed_anew(kit: Kit) -> None:
    await take(kit, is_in(1, ("p_a", NOON)), disclosed(NOON + HOUR), is_in(3, ("p_a", NOON + DAY)))
    assert await in_force(kit) == set()
    await take(kit, disclosed(NOON + 2 * DAY, since=NOON + DAY, version=3))
    assert await in_force(kit) == {("p_a", NOON + 2 * DAY)}


async def test_who_left_and_came_back_within_the_hour_and_a_batch_is_not_shown_either(kit: Kit) -> None:
    await take(kit, disclosed(NOON + HOUR))
    lists = [is_in(3, ("p_a", NOON)), is_in(1, ("p_a", NOON)), is_in(2)]
    async with kit.open() as store:
        await handlers.on_memberships_changed(store, [one for each in lists for one in received(each, kit.at)])
        memberships = await store.memberships(ANA)
    assert isinstance(memberships, Known) and len(memberships.value.pools) == 1
    assert await in_force(kit) == set()


async def test_a_list_that_closed_is_over_and_opens_again_with_another_telling(kit: Kit) -> None:
    over = DisclosureEndedV1(candidate=ANA, employer="emp_a", pool="p_a", at=NOON + DAY)
    await take(kit, disclosed(NOON + HOUR), disclosed(NOON + HOUR, "p_b"), over, disclosed(NOON + 7 * DAY))
    await take(kit, over)
    assert await in_force(kit) == {("p_b", NOON + HOUR), ("p_a", NOON + 7 * DAY)}
    assert [one.ended_at for one in await told(kit) if one.pool == "p_a"] == [None, NOON + DAY]


async def test_of_whoever_was_erased_nothing_is_kept_whatever_comes_when(kit: Kit) -> None:
    await take(kit, is_in(1, ("p_a", NOON)), disclosed(NOON), is_in(1, who=BO), disclosed(NOON, who=BO))
    await kit.erase(ANA)
    await take(kit, is_in(2, ("p_a", NOON)), disclosed(NOON + HOUR), disclosed(NOON))
    async with kit.open() as store:
        assert await store.disclosures(ANA, 10) == [] and await store.memberships(ANA) == UNKNOWN
    assert len(await told(kit, BO)) == 1, "who was not heard of by another topic is not erased"


async def test_what_a_pool_asked_for_stays_known_once_it_is_deleted_and_its_name_never_is(kit: Kit) -> None:
    asked = Criteria(occupations=("29-1141",), min_years=3)
    there = PoolChangedV1(pool="p_a", version=2, employer="emp_a", name="Secret name", criteria=asked)
    gone = PoolChangedV1(pool="p_a", version=3, employer="emp_a", name="", criteria=None)
    await take(kit, there, gone, there)
    async with kit.open() as store:
        assert await store.asked(["p_a", "p_unknown"]) == {"p_a": asked}


async def test_it_is_forgotten_thirteen_months_after_it_was_over_and_not_before(kit: Kit) -> None:
    gone = PoolChangedV1(pool="p_a", version=1, employer="emp_a", name="", criteria=None)
    await take(kit, disclosed(NOON), disclosed(NOON, "p_b"), is_in(2, ("p_b", NOON)), gone)
    for days, left in ((395, {"p_a", "p_b"}), (397, {"p_b"})):
        kit.at = NOON + days * DAY
        async with kit.open() as store:
            assert not await jobs.forget_told(store)
        assert {one.pool for one in await told(kit)} == left, "what can still be read stays"


async def test_an_erasure_waits_for_what_is_being_written_and_forgets_it(databases: Databases) -> None:
    async with databases.pool(*MIGRATIONS_OF["consent"]) as opened:
        kit = PostgresKit(opened)
        async with kit.unit() as unit:
            await PostgresConsents(unit, SEALS).register([ANA])
        async with kit.unit() as unit:
            store = PostgresTold(unit)
            assert await store.hold([ANA]) == {ANA}
            await store.note_disclosures([disclosed(NOON)])
            erasing = asyncio.create_task(kit.erase(ANA))
            await until_held_up(opened)
        await erasing
        assert await told(kit) == []
