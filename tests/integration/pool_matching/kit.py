"""Events that tests of matching are made of, and the real stores on a database of their own."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

import services.pool_matching
from services.pool_matching.adapters.pool_cache import PoolCache
from services.pool_matching.adapters.postgres_introductions import PostgresIntroductions
from services.pool_matching.adapters.postgres_listings import PostgresListings
from services.pool_matching.adapters.postgres_persons import PostgresPersons
from services.pool_matching.adapters.postgres_pools import PostgresPools
from services.pool_matching.handlers import on_candidates_changed, on_evaluations, on_pools_changed, on_tellings
from services.pool_matching.model import Pool, ShownMember, Update
from services.pool_matching.ports import (
    EVALUATIONS,
    EvaluationStore,
    Introduction,
    IntroductionStore,
    ListingStore,
    PoolStore,
)
from shared.contracts.base import Event
from shared.contracts.consent import ConsentChangedV2
from shared.contracts.pool_matching import Criteria, PoolChangedV1
from shared.contracts.signup import CandidateProfileChangedV1, CoarseProfile
from shared.feed.feed import Feed
from shared.feed.model import Place
from shared.ids import new_candidate_id
from shared.messaging.envelope import Received, Record, Undecodable, decode
from shared.messaging.unit import Unit, unit_of_work
from shared.postgres.pool import Pool as Connections
from shared.runner.loop import Runner
from shared.runner.model import Job
from shared.runner.postgres import PostgresWork
from shared.security.cursors import FeedCursors
from shared.security.member_refs import MemberRefs
from shared.ticks import Ticks
from tests.fakes.clock import NOON, FixedClock
from tests.fakes.pool_matching import SOC, FakeMatching
from tests.signing import TICK_KEY, consented
from tests.working import runner_of

E = TypeVar("E", bound=Event)

REFS = MemberRefs(bytes(range(64)))
TICKS = Ticks(TICK_KEY)
MIGRATIONS = Path(services.pool_matching.__path__[0]) / "migrations"
NURSE = CoarseProfile(occupations=("29-1141",), skills=("Triage", "ICU"), years=5, state="CO", pay_floor=80_000)


def profile(candidate: str, version: int = 1, value: CoarseProfile | None = NURSE) -> CandidateProfileChangedV1:
    return CandidateProfileChangedV1(candidate=candidate, version=version, profile=value)


def consent(candidate: str, version: int = 1, *, match: bool = True, **more: Any) -> ConsentChangedV2:
    purposes: tuple[Any, ...] = ("match",) if match else ()
    return consented(candidate=candidate, version=version, at=NOON, purposes=purposes, **more)


def pool(id_: str = "p_nurses", employer: str = "emp_a", version: int = 1, **criteria: Any) -> Pool:
    return Pool(id_, employer, version, f"Pool {id_}", Criteria(**criteria))


def received(*events: E) -> list[Received[E]]:
    record = Record("topic", 0, 0, None, None, ())
    return [Received(f"e{place}", "test", None, event, record) for place, event in enumerate(events)]


_MOMENT = timedelta(milliseconds=1)
_LEASE = "00000000-0000-0000-0000-000000000001"


class Kit(Protocol):
    """Either world, with a clock that stands still."""

    at: datetime
    refs: MemberRefs

    def persons(self) -> AbstractAsyncContextManager[EvaluationStore]: ...
    def pools(self) -> AbstractAsyncContextManager[PoolStore]: ...
    def listings(self) -> AbstractAsyncContextManager[ListingStore]: ...
    async def published(self, kind: type[E]) -> list[E]: ...
    async def told(self, employer: str) -> list[Update]: ...
    async def introduces(self, employer: str, *people: str) -> None: ...
    async def claim(self) -> str | None: ...
    async def finish(self, employer: str, again: datetime | None) -> None: ...


@dataclass
class FakeKit:
    """The fakes."""

    world: FakeMatching = field(default_factory=FakeMatching)
    at: datetime = NOON
    refs: MemberRefs = REFS

    def persons(self) -> AbstractAsyncContextManager[EvaluationStore]:
        self.world.at = self.at
        return self.world.work()

    def pools(self) -> AbstractAsyncContextManager[PoolStore]:
        self.world.at = self.at
        return self.world.work()

    @asynccontextmanager
    async def listings(self) -> AsyncIterator[ListingStore]:
        self.world.at = self.world.listings.at = self.at
        yield self.world.listings

    async def published(self, kind: type[E]) -> list[E]:
        return [event for event in self.world.published if isinstance(event, kind)]

    async def told(self, employer: str) -> list[Update]:
        return [update for reader, update in self.world.listings.told if reader == employer]

    async def introduces(self, employer: str, *people: str) -> None:
        self.world.listings.brought |= {(who, employer) for who in people}

    async def claim(self) -> str | None:
        return self.world.to_evaluate.pop(0) if self.world.to_evaluate else None

    async def finish(self, employer: str, again: datetime | None) -> None:
        self.world.evaluate_for([employer] if again else [])


@dataclass
class PostgresKit:
    """PostgreSQL."""

    connections: Connections
    at: datetime = NOON
    refs: MemberRefs = REFS
    cache: PoolCache = field(default_factory=PoolCache)
    feed: Feed = field(init=False)

    def __post_init__(self) -> None:
        self.feed = Feed(
            "updates",
            kept=timedelta(days=30),
            cursors=FeedCursors(bytes(range(64)), feed="pool_matching"),
            pool=lambda: self.connections,
            now=lambda: self.at,
        )

    @asynccontextmanager
    async def persons(self) -> AsyncIterator[EvaluationStore]:
        async with unit_of_work(self.connections, at=self.at, source="pool_matching") as unit:
            yield PostgresPersons(unit, self.cache, SOC, self.refs.key_id)

    @asynccontextmanager
    async def pools(self) -> AsyncIterator[PoolStore]:
        async with unit_of_work(self.connections, at=self.at, source="pool_matching") as unit:
            yield PostgresPools(unit)

    @asynccontextmanager
    async def listings(self) -> AsyncIterator[ListingStore]:
        async with unit_of_work(self.connections, at=self.at, source="pool_matching") as unit:
            yield PostgresListings(unit, self.feed.writer)

    async def published(self, kind: type[E]) -> list[E]:
        found = [item.event for item in await self.outbox()]
        return [event for event in found if isinstance(event, kind)]

    async def told(self, employer: str) -> list[Update]:
        await self.feed.sequencer.once()
        rows = await self.feed.rows.rows(employer, after=Place(0), limit=10_000)
        return [Update.model_validate_json(row.body) for row in rows]

    @asynccontextmanager
    async def introductions(self) -> AsyncIterator[IntroductionStore]:
        async with unit_of_work(self.connections, at=self.at, source="pool_matching") as unit:
            yield PostgresIntroductions(unit)

    async def introduces(self, employer: str, *people: str) -> None:
        async with self.introductions() as store:
            await store.note([Introduction(one, "some", employer, self.at) for one in people])
            await store.confirmed(dict.fromkeys(people, self.at))

    async def claim(self) -> str | None:
        async with self.connections.acquire() as connection:
            rows = PostgresWork(connection)
            jobs = await rows.claim(EVALUATIONS, [0], 1, at=self.at, lease=_LEASE, lasts=timedelta(minutes=1))
        return jobs[0].key if jobs else None

    async def finish(self, employer: str, again: datetime | None) -> None:
        async with self.connections.acquire() as connection:
            assert await PostgresWork(connection).finish(EVALUATIONS, _LEASE, {employer: again}) == 1

    def process(self, clock: FixedClock) -> Runner[Unit]:
        """One of those that evaluate."""

        def work() -> AbstractAsyncContextManager[Unit]:
            return unit_of_work(self.connections, at=clock.now(), source="pool_matching")

        store = partial(PostgresPersons, cache=self.cache, occupations=SOC, ref_key=self.refs.key_id)
        return runner_of(work, clock, EVALUATIONS, on_evaluations, store, self.refs.make, TICKS, batch=1)

    async def outbox(self) -> list[Received[Event]]:
        rows = await self.connections.fetch("SELECT topic, key, value, headers FROM outbox ORDER BY id")
        decoded = [
            decode(
                Record(
                    row["topic"],
                    0,
                    0,
                    row["key"],
                    row["value"],
                    tuple((name, text.encode()) for name, text in json.loads(row["headers"])),
                ),
                None,
            )
            for row in rows
        ]
        assert not any(isinstance(item, Undecodable) for item in decoded)
        return [item for item in decoded if isinstance(item, Received)]


async def tell_persons(kit: Kit, *events: Event) -> None:
    """Profiles and consents arrive in one batch."""
    async with kit.persons() as store:
        await on_candidates_changed(store, received(*events), kit.refs.make)


async def keep_pool(kit: Kit, value: Pool) -> None:
    """The route's part: the row."""
    async with kit.pools() as store:
        await store.begin_change()
        await store.write(value)


async def tell_pools(kit: Kit, *values: Pool) -> None:
    """The topic's part: the pools arrive."""
    events = [
        PoolChangedV1(pool=one.id, version=one.version, employer=one.employer, name=one.name, criteria=one.criteria)
        for one in values
    ]
    async with kit.persons() as store:
        await on_pools_changed(store, received(*events))


async def evaluate(kit: Kit) -> None:
    """Evaluations run until none is left."""
    while await step(kit) is not None:
        pass


async def step(kit: Kit) -> str | None:
    """One step of the pool whose turn it is, as the runner has it done; that pool, None when none waits."""
    kit.at += _MOMENT
    employer = await kit.claim()
    if employer is None:
        return None
    taken: list[str | None] = []
    async with kit.persons() as store:
        turn = store.next_turn

        async def noted(*of: Any) -> str | None:
            taken.append(await turn(*of))
            return taken[-1]

        setattr(store, "next_turn", noted)  # noqa: B010 - a method that is watched
        try:
            again = await on_evaluations(store, [Job(employer, kit.at, 1)], kit.refs.make, TICKS)
        finally:
            delattr(store, "next_turn")
    await kit.finish(employer, again.get(employer))
    kit.at += _MOMENT
    return taken[0] if taken[0] is not None else await step(kit)


async def put_pool(kit: Kit, value: Pool) -> None:
    """A pool is made or changed, and held against everybody."""
    await keep_pool(kit, value)
    await tell_pools(kit, value)
    await evaluate(kit)


async def telling(kit: Kit, employer: str = "emp_a") -> bool:
    """One step of telling the employer of its pools as of its last tick; whether there is another one at once."""
    async with kit.listings() as store:
        again = await on_tellings(store, [Job(employer, kit.at, 1)], TICKS)
    return again.get(employer) == kit.at


async def tell(kit: Kit, *employers: str) -> None:
    """These employers (emp_a) are told of their pools as of their last ticks."""
    for employer in employers or ("emp_a",):
        while await telling(kit, employer):
            pass


def next_tick(kit: Kit, employer: str = "emp_a") -> datetime:
    """The employer's first tick that tells of what is so by now."""
    return TICKS.first(employer, TICKS.as_of(kit.at) + TICKS.period)


async def tick(kit: Kit, *employers: str) -> None:
    """It is the next such tick of the first of these employers, and all of them are told what is to be told."""
    kit.at = next_tick(kit, *employers[:1])
    await tell(kit, *employers)


async def members(kit: Kit, pool_id: str = "p_nurses") -> list[ShownMember]:
    """Who is listed."""
    async with kit.pools() as store:
        return await store.members(pool_id, after="", limit=5000)


async def member_refs(kit: Kit, pool_id: str) -> set[str]:
    """The refs of who is in the pool, listed or not."""
    if isinstance(kit, FakeKit):
        return {ref for ref, _ in kit.world.members_of(pool_id).values()}
    assert isinstance(kit, PostgresKit)
    rows = await kit.connections.fetch("SELECT member_ref FROM memberships WHERE pool = $1", pool_id)
    return {row["member_ref"] for row in rows}


async def in_pool(kit: Kit, pool_id: str = "p_nurses") -> set[str]:
    """Who is in the pool, listed or not."""
    if isinstance(kit, FakeKit):
        return set(kit.world.members_of(pool_id))
    assert isinstance(kit, PostgresKit)
    rows = await kit.connections.fetch("SELECT candidate FROM memberships WHERE pool = $1", pool_id)
    return {row["candidate"] for row in rows}


def ref(candidate: str, pool_id: str = "p_nurses", *, employer: str = "emp_a", generation: int = 0) -> str:
    return REFS.make(candidate, employer, pool_id, generation)


def candidates(count: int) -> Sequence[str]:
    return [new_candidate_id() for _ in range(count)]
