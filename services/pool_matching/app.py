"""Puts pool_matching together."""

from datetime import timedelta
from functools import partial
from pathlib import Path

from fastapi import FastAPI

from services.pool_matching import handlers, jobs
from services.pool_matching.adapters import occupations
from services.pool_matching.adapters.pool_cache import PoolCache
from services.pool_matching.adapters.postgres_introductions import PostgresIntroductions
from services.pool_matching.adapters.postgres_listings import PostgresListings
from services.pool_matching.adapters.postgres_persons import PostgresPersons
from services.pool_matching.adapters.postgres_pools import PostgresPools
from services.pool_matching.adapters.read_back import lists_behind, pools_behind
from services.pool_matching.api import Edge, router
from services.pool_matching.api.secrets import standings
from services.pool_matching.api.updates import ANEW
from services.pool_matching.ports import EVALUATIONS, OVERDUE, SAY_DISCLOSURES, TELLINGS
from services.pool_matching.settings import PoolMatchingSettings
from shared.contracts.consent import CONSENT_CHANGED
from shared.contracts.operator import TenantChangedV1
from shared.contracts.pool_matching import PoolChangedV1
from shared.contracts.signup import (
    CandidateClaimedV1,
    CandidateConfirmedV1,
    CandidateErasedV1,
    CandidateHiredV1,
    CandidateLapsedV1,
    CandidateProfileChangedV1,
    CandidateRegisteredV1,
    MailboxChangedV1,
)
from shared.contracts.topics import ERASURES, MEMBERSHIPS, POOLS
from shared.feed.feed import Feed
from shared.feed.web import FeedFace
from shared.security.cursors import FeedCursors
from shared.security.member_refs import MemberRefs
from shared.service import Guard, Service
from shared.web import secrets
from shared.web.budgets import Streams

_LANES = 2
"""Batches of people at once, so that this process works at one while PostgreSQL has the other in hand (0047)."""
_MISSED_EVERY = timedelta(seconds=10)
_MISSED_TELLINGS_EVERY = timedelta(minutes=1)
_SAYS_DISCLOSURES_EVERY = timedelta(seconds=5)
_LOOKS_AT_THE_TIME_EVERY = timedelta(seconds=5)
_REMOVED_EVERY = timedelta(seconds=5)
_FORGETS_EVERY = timedelta(minutes=10)
_RENEWED_EVERY = timedelta(minutes=1)
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
        cursors=FeedCursors(*settings.member_ref_key, feed=NAME),
        pool=service.get_pool,
        now=service.clock.now,
    )
    service.feed(updates)
    made = MemberRefs(*settings.member_ref_key)
    store = partial(PostgresPersons, cache=PoolCache(), occupations=soc, ref_key=made.key_id)
    listings = partial(PostgresListings, feed=updates.writer)
    refs = made.make

    service.on(
        (CandidateProfileChangedV1, *CONSENT_CHANGED),
        handlers.on_candidates_changed,
        store,
        refs,
        guard=Guard.VERSION,
        group="candidates",
        lanes=_LANES,
    )
    service.on(CandidateErasedV1, handlers.on_candidates_erased, store, refs, guard=Guard.VERSION)
    service.on(PoolChangedV1, handlers.on_pools_changed, store, guard=Guard.VERSION)
    service.on(CandidateClaimedV1, handlers.on_candidates_claimed, PostgresIntroductions)
    service.on(CandidateConfirmedV1, handlers.on_candidates_confirmed, PostgresIntroductions)
    service.ignores(CandidateRegisteredV1, CandidateHiredV1, CandidateLapsedV1, MailboxChangedV1)
    service.on(TenantChangedV1, handlers.on_tenants_changed, PostgresIntroductions)
    service.reconcile(MEMBERSHIPS, lists_behind)
    service.reconcile(POOLS, pools_behind)
    service.read_back(ERASURES, handlers.erase_again, store, refs)

    service.queue(EVALUATIONS, handlers.on_evaluations, store, refs, settings.ticks, batch=1)
    service.periodic(_MISSED_EVERY, "missed_evaluations", jobs.find_missed_evaluations, store)
    service.queue(TELLINGS, handlers.on_tellings, listings, settings.ticks, batch=1)
    service.periodic(_MISSED_TELLINGS_EVERY, "missed_tellings", jobs.find_missed_tellings, listings)
    service.periodic(_SAYS_DISCLOSURES_EVERY, SAY_DISCLOSURES, jobs.say_disclosures, listings, is_hurried=True)
    service.queue(OVERDUE, handlers.on_overdue, store, refs)
    service.periodic(_LOOKS_AT_THE_TIME_EVERY, "find_overdue", jobs.find_overdue, store)
    service.periodic(_RENEWED_EVERY, "renew_refs", jobs.renew_refs, store, refs)
    service.periodic(_FORGETS_EVERY, "forget_earlier", jobs.forget_earlier, store)
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
                asked_per_day=settings.pools_asked_per_day,
                introductions=service.stores(PostgresIntroductions),
                ticks=settings.ticks,
            )
        ),
        secrets.router(service.tenants, partial(standings, service.looks(store), made.key_id)),
    )
    return service, app
