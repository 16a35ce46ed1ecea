"""Puts pool_matching together."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from fastapi import FastAPI

from services.pool_matching import handlers, jobs
from services.pool_matching.adapters import occupations
from services.pool_matching.adapters.pool_cache import PoolCache
from services.pool_matching.adapters.postgres_feed import PostgresFeed
from services.pool_matching.adapters.postgres_persons import PostgresPersons
from services.pool_matching.adapters.postgres_pools import PostgresPools
from services.pool_matching.adapters.read_back import erased_and_known, lists_behind, pools_behind
from services.pool_matching.api import Edge, router
from services.pool_matching.settings import PoolMatchingSettings
from shared.contracts.base import Event
from shared.contracts.consent import ConsentChangedV1
from shared.contracts.pool_matching import PoolChangedV1, PoolUpdatedV1
from shared.contracts.signup import CandidateErasedV1, CandidateProfileChangedV1
from shared.contracts.topics import CANDIDATE_PROFILES, CONSENT_STATE, ERASURES, MEMBERSHIPS, POOL_UPDATES, POOLS
from shared.messaging.consumer import Subscription
from shared.messaging.envelope import Received, only
from shared.messaging.unit import Unit, unit_of_work
from shared.security.cursors import FeedCursors
from shared.security.member_refs import MemberRefs
from shared.service import Service
from shared.web.budgets import Streams

_REMOVED_EVERY = timedelta(seconds=2)
NAME = "pool_matching"


def build(settings: PoolMatchingSettings) -> tuple[Service, FastAPI]:
    """The service and its HTTP face."""
    folder = Path(__file__).parent
    service = Service(NAME, settings, database=settings.pool_matching_database, migrations=folder / "migrations")
    soc = occupations.load()
    cache = PoolCache()
    refs = MemberRefs(settings.member_ref_key).make

    async def on_candidates(unit: Unit, received: Sequence[Received[Event]]) -> None:
        await handlers.on_candidates_changed(PostgresPersons(unit, cache, soc), received, refs)

    async def on_erasures(unit: Unit, received: Sequence[Received[Event]]) -> None:
        erased = {item.event.candidate for item in only(CandidateErasedV1, received)}
        await handlers.on_candidates_erased(PostgresPersons(unit, cache, soc), erased, refs)

    async def erase_again(unit: Unit, limit: int) -> int:
        """Erases some whom `erasures` has, as it was read back, and a backup brought back; how many."""
        erased = await erased_and_known(unit, limit)
        await handlers.on_candidates_erased(PostgresPersons(unit, cache, soc), erased, refs)
        return len(erased)

    async def on_pools(unit: Unit, received: Sequence[Received[Event]]) -> None:
        await handlers.on_pools_changed(PostgresPersons(unit, cache, soc), received)

    async def on_updates(unit: Unit, received: Sequence[Received[Event]]) -> None:
        await handlers.on_pools_updated(PostgresFeed(unit), received)

    @asynccontextmanager
    async def persons() -> AsyncIterator[PostgresPersons]:
        async with service.work() as unit:
            yield PostgresPersons(unit, cache, soc)

    @asynccontextmanager
    async def pools() -> AsyncIterator[PostgresPools]:
        async with service.work() as unit:
            yield PostgresPools(unit)

    def removed() -> list[str]:
        return [id for id, tenant in service.tenants.records().items() if tenant.removed and tenant.kind == "employer"]

    @asynccontextmanager
    async def feed() -> AsyncIterator[PostgresFeed]:
        # Streams look every second and publish nothing: no need to wake the relay.
        async with unit_of_work(service.pool, at=service.clock.now(), source=NAME) as unit:
            yield PostgresFeed(unit)

    service.subscribe(
        Subscription(
            "pool_matching.candidates",
            (CANDIDATE_PROFILES, CONSENT_STATE),
            on_candidates,
            takes=(CandidateProfileChangedV1, ConsentChangedV1),
            deduplicate=False,
        )
    )
    service.subscribe(
        Subscription("pool_matching.erasures", (ERASURES,), on_erasures, takes=(CandidateErasedV1,), deduplicate=False)
    )
    service.subscribe(
        Subscription("pool_matching.pools", (POOLS,), on_pools, takes=(PoolChangedV1,), deduplicate=False)
    )
    service.subscribe(Subscription("pool_matching.feed", (POOL_UPDATES,), on_updates, takes=(PoolUpdatedV1,)))
    service.every(timedelta(milliseconds=500), "evaluate_pools", lambda: jobs.evaluate_pools(persons, refs))
    service.every(timedelta(seconds=1), "notice_the_time", lambda: jobs.notice_the_time(persons, refs))
    service.every(timedelta(hours=1), "forget_old_updates", lambda: jobs.forget_old_updates(feed))
    service.every(_REMOVED_EVERY, "close_pools_of_removed", lambda: jobs.close_pools_of_removed(pools, removed))
    service.reconcile(MEMBERSHIPS, lists_behind)
    service.reconcile(POOLS, pools_behind)
    service.reconcile(ERASURES, apply=erase_again)
    app = service.http("Fairpool pool matching")
    cursors = FeedCursors(settings.member_ref_key, feed=NAME)
    app.include_router(
        router(
            Edge(
                service.tenants,
                pools,
                feed,
                soc,
                cursors,
                settings.pool_matching_heartbeat,
                Streams(settings.http_limits),
                service.is_stopping,
                settings.pool_changes_per_minute,
            )
        )
    )
    return service, app
