"""Puts pool_matching together."""

from datetime import timedelta
from functools import partial
from pathlib import Path

from fastapi import FastAPI

from services.pool_matching import handlers, jobs
from services.pool_matching.adapters import occupations
from services.pool_matching.adapters.pool_cache import PoolCache
from services.pool_matching.adapters.postgres_persons import PostgresPersons
from services.pool_matching.adapters.postgres_pools import PostgresPools
from services.pool_matching.adapters.read_back import lists_behind, pools_behind
from services.pool_matching.api import Edge, router
from services.pool_matching.api.updates import ANEW
from services.pool_matching.ports import EVALUATIONS, OVERDUE
from services.pool_matching.settings import PoolMatchingSettings
from shared.contracts.consent import CONSENT_CHANGED
from shared.contracts.pool_matching import PoolChangedV1
from shared.contracts.signup import CandidateErasedV1, CandidateProfileChangedV1
from shared.contracts.topics import ERASURES, MEMBERSHIPS, POOLS
from shared.feed.feed import Feed
from shared.feed.web import FeedFace
from shared.security.cursors import FeedCursors
from shared.security.member_refs import MemberRefs
from shared.service import Guard, Service
from shared.web.budgets import Streams

_MISSED_EVERY = timedelta(seconds=5)
_LOOKS_AT_THE_TIME_EVERY = timedelta(seconds=1)
_REMOVED_EVERY = timedelta(seconds=2)
_UPDATES_KEPT = timedelta(days=30)
NAME = "pool_matching"


def build(settings: PoolMatchingSettings) -> tuple[Service, FastAPI]:
    """The service and its HTTP face."""
    folder = Path(__file__).parent
    service = Service(NAME, settings, database=settings.pool_matching_database, migrations=folder / "migrations")
    soc = occupations.load()
    updates = Feed(
        "updates",
        kept=_UPDATES_KEPT,
        cursors=FeedCursors(settings.member_ref_key, feed=NAME),
        pool=service.get_pool,
        now=service.clock.now,
    )
    service.feed(updates)
    store = partial(PostgresPersons, cache=PoolCache(), occupations=soc, feed=updates.writer)
    refs = MemberRefs(settings.member_ref_key).make

    service.on(
        (CandidateProfileChangedV1, *CONSENT_CHANGED),
        handlers.on_candidates_changed,
        store,
        refs,
        guard=Guard.VERSION,
        group="candidates",
    )
    service.on(CandidateErasedV1, handlers.on_candidates_erased, store, refs, guard=Guard.VERSION)
    service.on(PoolChangedV1, handlers.on_pools_changed, store, guard=Guard.VERSION)
    service.reconcile(MEMBERSHIPS, lists_behind)
    service.reconcile(POOLS, pools_behind)
    service.read_back(ERASURES, handlers.erase_again, store, refs)

    service.queue(EVALUATIONS, handlers.on_evaluations, store, refs, batch=1)
    service.periodic(_MISSED_EVERY, "missed_evaluations", jobs.find_missed_evaluations, store)
    service.queue(OVERDUE, handlers.on_overdue, store, refs)
    service.periodic(_LOOKS_AT_THE_TIME_EVERY, "find_overdue", jobs.find_overdue, store)
    removed = service.tenants.removed_employers
    service.periodic(_REMOVED_EVERY, "close_pools_of_removed", jobs.close_pools_of_removed, PostgresPools, removed)

    pools = service.stores(PostgresPools)

    app = service.http("Fairpool pool matching")
    service.api(
        app,
        router(
            Edge(
                tenants=service.tenants,
                pools=pools,
                feed=FeedFace(updates.reader, anew=ANEW),
                occupations=soc,
                heartbeat=settings.pool_matching_heartbeat,
                streams=Streams(settings.http_limits),
                is_stopping=service.is_stopping,
                changes_per_minute=settings.pool_changes_per_minute,
            )
        ),
    )
    return service, app
