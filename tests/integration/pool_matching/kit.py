"""Events that tests of matching are made of, and the real stores on a database of their own."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, TypeVar

import services.pool_matching
from services.pool_matching.adapters.pool_cache import PoolCache
from services.pool_matching.adapters.postgres_persons import PostgresPersons
from services.pool_matching.adapters.postgres_pools import PostgresPools
from services.pool_matching.handlers import on_candidates_changed, on_pools_changed, on_turn
from services.pool_matching.jobs import evaluate_pools
from services.pool_matching.model import Pool, Update
from services.pool_matching.ports import EvaluationStore, PoolStore
from shared.contracts.base import Event
from shared.contracts.consent import ConsentChangedV1
from shared.contracts.pool_matching import Criteria, PoolChangedV1
from shared.contracts.signup import CandidateProfileChangedV1, CoarseProfile
from shared.feed.feed import Feed
from shared.feed.model import Place
from shared.ids import new_candidate_id
from shared.messaging.envelope import Received, Record, Undecodable, decode
from shared.messaging.unit import unit_of_work
from shared.postgres.pool import Pool as Connections
from shared.security.cursors import FeedCursors
from shared.security.member_refs import MemberRefs
from tests.fakes.clock import NOON
from tests.fakes.pool_matching import SOC, FakeMatching

E = TypeVar("E", bound=Event)

REFS = MemberRefs(bytes(range(64)))
MIGRATIONS = Path(services.pool_matching.__path__[0]) / "migrations"
NURSE = CoarseProfile(occupations=("29-1141",), skills=("Triage", "ICU"), years=5, state="CO", pay_floor=80_000)


def profile(candidate: str, version: int = 1, value: CoarseProfile | None = NURSE) -> CandidateProfileChangedV1:
    return CandidateProfileChangedV1(candidate=candidate, version=version, profile=value)


def consent(candidate: str, version: int = 1, *, match: bool = True, **more: Any) -> ConsentChangedV1:
    purposes: tuple[Any, ...] = ("match",) if match else ()
    return ConsentChangedV1(candidate=candidate, version=version, at=NOON, purposes=purposes, **more)


def pool(id_: str = "p_nurses", employer: str = "emp_a", version: int = 1, **criteria: Any) -> Pool:
    return Pool(id_, employer, version, f"Pool {id_}", Criteria(**criteria))


def received(*events: E) -> list[Received[E]]:
    record = Record("topic", 0, 0, None, None, ())
    return [Received(f"e{place}", "test", None, event, record) for place, event in enumerate(events)]


class Kit(Protocol):
    """Either world, with a clock that stands still."""

    at: datetime

    def persons(self) -> AbstractAsyncContextManager[EvaluationStore]: ...
    def pools(self) -> AbstractAsyncContextManager[PoolStore]: ...
    async def published(self, kind: type[E]) -> list[E]: ...
    async def told(self, employer: str) -> list[Update]: ...


@dataclass
class FakeKit:
    """The fakes."""

    world: FakeMatching = field(default_factory=FakeMatching)
    at: datetime = NOON

    def persons(self) -> AbstractAsyncContextManager[EvaluationStore]:
        self.world.at = self.at
        return self.world.work()

    def pools(self) -> AbstractAsyncContextManager[PoolStore]:
        self.world.at = self.at
        return self.world.work()

    async def published(self, kind: type[E]) -> list[E]:
        return [event for event in self.world.published if isinstance(event, kind)]

    async def told(self, employer: str) -> list[Update]:
        return [
            Update(id=id_, change=event.change, pool=event.pool, member_ref=event.member_ref, at=event.at)
            for id_, event in self.world.told
            if event.employer == employer
        ]


@dataclass
class PostgresKit:
    """PostgreSQL."""

    connections: Connections
    at: datetime = NOON
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
            yield PostgresPersons(unit, self.cache, SOC, self.feed.writer)

    @asynccontextmanager
    async def pools(self) -> AsyncIterator[PoolStore]:
        async with unit_of_work(self.connections, at=self.at, source="pool_matching") as unit:
            yield PostgresPools(unit)

    async def published(self, kind: type[E]) -> list[E]:
        found = [item.event for item in await self.outbox()]
        return [event for event in found if isinstance(event, kind)]

    async def told(self, employer: str) -> list[Update]:
        await self.feed.sequencer.once()
        rows = await self.feed.rows.rows(employer, after=Place(0), limit=10_000)
        return [Update.model_validate_json(row.body) for row in rows]

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
        await on_candidates_changed(store, received(*events), REFS.make)


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
    await evaluate_pools(kit.persons, REFS.make)


async def step(kit: Kit) -> str | None:
    """One step of the pool whose turn it is; that pool, None when none waits."""
    async with kit.persons() as store:
        pool_id = await store.next_turn()
    if pool_id is not None:
        async with kit.persons() as store:
            await on_turn(store, pool_id, REFS.make)
    return pool_id


async def put_pool(kit: Kit, value: Pool) -> None:
    """A pool is made or changed, and held against everybody."""
    await keep_pool(kit, value)
    await tell_pools(kit, value)
    await evaluate(kit)


async def member_refs(kit: Kit, pool_id: str) -> set[str]:
    """Who is in the pool."""
    async with kit.pools() as store:
        return {member.member_ref for member in await store.members(pool_id, after="", limit=500)}


def ref(candidate: str, employer: str = "emp_a") -> str:
    return REFS.make(candidate, employer)


def candidates(count: int) -> Sequence[str]:
    return [new_candidate_id() for _ in range(count)]
