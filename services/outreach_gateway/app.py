"""Puts the gateway together, and nothing else."""

from datetime import timedelta
from functools import partial
from pathlib import Path

from fastapi import FastAPI

from services.outreach_gateway import handlers, jobs
from services.outreach_gateway.adapters.policy_file import PolicyError, policy_in_force
from services.outreach_gateway.adapters.postgres import PostgresOutreach
from services.outreach_gateway.adapters.postgres_epochs import PostgresEpochs
from services.outreach_gateway.adapters.postgres_history import PostgresHistory
from services.outreach_gateway.adapters.postgres_jobs import PostgresJobs
from services.outreach_gateway.adapters.postgres_pool_messages import PostgresPoolMessages
from services.outreach_gateway.adapters.postgres_requests import PostgresRequestStore
from services.outreach_gateway.adapters.postgres_tellings import PostgresTellings
from services.outreach_gateway.adapters.redis_windows import RedisWindows
from services.outreach_gateway.adapters.standing import TenantStanding
from services.outreach_gateway.adapters.windows_health import WindowsHealth
from services.outreach_gateway.api import Edge, router
from services.outreach_gateway.api.feed import ANEW
from services.outreach_gateway.api.ids import OutreachIds
from services.outreach_gateway.decisions import ENDED_KEPT, KEPT
from services.outreach_gateway.model import Policy
from services.outreach_gateway.ports.jobs import POOL_MESSAGES
from services.outreach_gateway.ports.outreach import DUE, TELLINGS
from services.outreach_gateway.rebuild import Rebuild
from services.outreach_gateway.settings import GatewaySettings
from shared.contracts.consent import CONSENT_CHANGED, MessageWishedV1
from shared.contracts.outreach_gateway import OutreachRequestedV1
from shared.contracts.pool_matching import MembershipsChangedV1
from shared.contracts.signup import (
    CandidateClaimedV1,
    CandidateConfirmedV1,
    CandidateErasedV1,
    CandidateHiredV1,
    CandidateKeyPublishedV1,
    CandidateLapsedV1,
    CandidateRegisteredV1,
    MailboxChangedV1,
    OutreachOutcomeReportedV1,
)
from shared.contracts.topics import CANDIDATE_KEYS, ERASURES
from shared.feed.feed import Feed
from shared.feed.web import FeedFace
from shared.roles import Role
from shared.security.cursors import FeedCursors
from shared.security.member_refs import MemberRefs
from shared.service import Guard, Service
from shared.settings import refused

_FENCE_EVERY = timedelta(milliseconds=500)
_LOOKS_EVERY = timedelta(seconds=5)
"""At windows of which nobody knows that they are held; a batch that finds them so has them looked at within `_FENCE_EVERY`."""
_DUE_LOOK_EVERY = timedelta(seconds=10)
_MISSED_EVERY = timedelta(seconds=10)
_SUSPENDED_EVERY = timedelta(seconds=5)
_ADOPTS_EVERY = timedelta(minutes=1)
_FORGETS_EVERY = timedelta(hours=1)
_EMPLOYERS_TOLD_AT_ONCE = 20
_LANES = 2
"""Batches of requests at once: of about half the time that one takes, it waits for PostgreSQL and Redis (0049)."""
NAME = "outreach_gateway"


def build(settings: GatewaySettings) -> tuple[Service, FastAPI]:
    """The service and its HTTP face."""
    service = Service(
        NAME, settings, database=settings.outreach_gateway_database, migrations=Path(__file__).parent / "migrations"
    )
    policy = _policy(settings)
    windows = RedisWindows.at_url(settings.redis, policy, service.clock, is_cluster=settings.redis_cluster)
    cursors = FeedCursors(*settings.outreach_id_key, feed=NAME)
    changes, told = (
        Feed(name, kept=KEPT, cursors=cursors, pool=service.get_pool, now=service.clock.now)
        for name in ("outreach", "told")
    )
    service.feed(changes)
    service.feed(told)
    ticks = settings.ticks
    store = partial(PostgresOutreach, policy=policy, feed=changes.writer, ticks=ticks)
    tellings = partial(PostgresTellings, feed=told.writer)
    standing = TenantStanding(service.tenants)
    service.open(windows.connected, by=Role.WORKER)

    decides = (windows, policy, standing)
    service.on(
        OutreachRequestedV1,
        handlers.on_outreach_requested,
        store,
        *decides,
        guard=Guard.STATE,
        max_records=settings.batch,
        lanes=_LANES,
    )
    service.on(OutreachOutcomeReportedV1, handlers.on_outcome_reported, store)
    service.on(CONSENT_CHANGED, handlers.on_consent_changed, store, guard=Guard.VERSION)
    service.on(MessageWishedV1, handlers.on_message_wished, store, guard=Guard.VERSION)
    service.on(MembershipsChangedV1, handlers.on_memberships_changed, store, guard=Guard.VERSION)
    service.on(CandidateKeyPublishedV1, handlers.on_key_published, store, guard=Guard.VERSION)
    service.on_removed(CANDIDATE_KEYS, handlers.on_keys_removed, store)
    service.on(MailboxChangedV1, handlers.on_mailbox_changed, store, guard=Guard.VERSION)
    service.ignores(
        CandidateRegisteredV1, CandidateClaimedV1, CandidateConfirmedV1, CandidateHiredV1, CandidateLapsedV1
    )
    service.on(CandidateErasedV1, handlers.on_candidate_erased, store, guard=Guard.VERSION)
    service.read_back(ERASURES, handlers.erase_again, store)

    epochs = service.stores(PostgresEpochs)
    service.queue(DUE, handlers.on_due, store, *decides, settings.batch, batch=settings.batch)
    service.every(_FENCE_EVERY, DUE, jobs.say_what_is_held, windows)
    service.periodic(_MISSED_EVERY, "missed_due", jobs.find_missed_due, store)
    service.periodic(
        _SUSPENDED_EVERY,
        "cancel_of_suspended",
        jobs.cancel_of_suspended,
        store,
        service.tenants.records,
        standing,
        settings.batch,
    )
    service.every(_DUE_LOOK_EVERY, "watch due", jobs.note_due, service.looks(PostgresEpochs))
    rebuild = Rebuild(epochs, windows, looks=service.looks(PostgresEpochs))
    service.every(_LOOKS_EVERY, "windows", rebuild.look)
    service.every(_FENCE_EVERY, "held windows", rebuild.look_at_held)
    service.every(_FENCE_EVERY, "build windows", rebuild.build_what_is_begun)
    service.queue(TELLINGS, jobs.tell, tellings, ticks, batch=_EMPLOYERS_TOLD_AT_ONCE)
    service.periodic(_MISSED_EVERY, "missed_tellings", jobs.find_untold, tellings)
    service.periodic(_ADOPTS_EVERY, "adopt", jobs.adopt, tellings)
    service.periodic(_FORGETS_EVERY, "forget_ended", jobs.forget_ended, PostgresEpochs, ENDED_KEPT)
    ids = OutreachIds(*settings.outreach_id_key)
    to_pools = partial(PostgresPoolMessages, feed=told.writer, keys=settings.outreach_id_key)
    service.queue(
        POOL_MESSAGES, jobs.on_pool_messages, to_pools, policy, ids.child, ticks, settings.words_form, batch=1
    )
    service.periodic(_FORGETS_EVERY, "forget_pool_messages", jobs.forget_pool_messages, to_pools)
    service.periodic(_FORGETS_EVERY, "forget_jobs", jobs.forget_jobs, PostgresJobs)
    service.periodic(_FORGETS_EVERY, "keep_history", jobs.keep_history, PostgresHistory)
    service.check("windows", WindowsHealth(windows).check)

    app = service.http("Fairpool outreach gateway")
    requests = service.stores(partial(PostgresRequestStore, feed=told.writer))
    faces = FeedFace(told.reader, anew=ANEW), FeedFace(changes.reader, anew=ANEW)
    if settings.member_ref_key is not None:  # an `edge`: nobody else resolves a member ref
        refs = MemberRefs(*settings.member_ref_key)
        edge = Edge(
            service.tenants, service.clock, policy, requests, refs, ids, ticks, *faces,
            service.stores(PostgresJobs), service.looks(PostgresJobs),
            service.stores(to_pools), service.looks(PostgresHistory), settings.words_form,
        )  # fmt: skip
        service.api(app, router(edge))
    return service, app


def _policy(settings: GatewaySettings) -> Policy:
    try:
        return policy_in_force(settings.policy, own=settings.policies, own_agreements=settings.agreements)
    except PolicyError as error:
        raise refused(f"FAIRPOOL_POLICY: {reason}" for reason in error.reasons) from None
