"""Puts the gateway together, and nothing else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from fastapi import FastAPI
from redis.asyncio import Redis

from services.outreach_gateway import handlers, jobs
from services.outreach_gateway.adapters.policy_file import PolicyError, policy_in_force
from services.outreach_gateway.adapters.postgres import PostgresOutreach
from services.outreach_gateway.adapters.postgres_epochs import PostgresEpochs
from services.outreach_gateway.adapters.postgres_requests import PostgresRequestStore
from services.outreach_gateway.adapters.read_back import erased_unheard
from services.outreach_gateway.adapters.redis_windows import RedisWindows
from services.outreach_gateway.api import Edge, router
from services.outreach_gateway.model import Policy, Standing
from services.outreach_gateway.settings import GatewaySettings
from shared.contracts.consent import ConsentChangedV1
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
from shared.contracts.topics import (
    CANDIDATE_EVENTS,
    CANDIDATE_KEYS,
    CONSENT_STATE,
    ERASURES,
    MEMBERSHIPS,
    OUTREACH_OUTCOMES,
    OUTREACH_REQUESTS,
)
from shared.messaging.consumer import Subscription
from shared.messaging.envelope import only
from shared.messaging.errors import TransientError
from shared.messaging.unit import Unit, unit_of_work
from shared.security.cursors import FeedCursors
from shared.security.member_refs import MemberRefs
from shared.service import Service
from shared.settings import refused
from shared.web.health import HeldError

_FENCE_EVERY = timedelta(milliseconds=500)
_DUE_LOOK_EVERY = timedelta(seconds=10)
_SUSPENDED_EVERY = timedelta(seconds=2)
_REDIS_WITHIN = 5.0
_REDIS_ANSWERS_WITHIN = 1.5
NAME = "outreach_gateway"


def build(settings: GatewaySettings) -> tuple[Service, FastAPI]:
    """The service and its HTTP face."""
    service = Service(
        NAME, settings, database=settings.outreach_gateway_database, migrations=Path(__file__).parent / "migrations"
    )
    policy = _policy(settings)
    redis: Redis = Redis.from_url(
        settings.redis, socket_timeout=_REDIS_WITHIN, socket_connect_timeout=_REDIS_WITHIN, health_check_interval=15
    )
    windows = RedisWindows(redis, policy, service.clock)

    def standing(employer: str) -> Standing:
        tenant = service.tenants.get(employer)
        if tenant is None:
            return Standing.UNKNOWN
        return Standing.SUSPENDED if tenant.suspended else Standing.GOOD

    service.subscribe(
        Subscription(
            "outreach_gateway.outreach-requests",
            (OUTREACH_REQUESTS,),
            lambda unit, received: handlers.on_outreach_requested(
                PostgresOutreach(unit, policy), windows, policy, standing, only(OutreachRequestedV1, received)
            ),
            takes=(OutreachRequestedV1,),
            deduplicate=False,  # the row's state says whether it was decided
            max_records=settings.batch,
        )
    )
    service.subscribe(
        Subscription(
            "outreach_gateway.consent-state",
            (CONSENT_STATE,),
            lambda unit, received: handlers.on_consent_changed(
                PostgresOutreach(unit, policy), only(ConsentChangedV1, received)
            ),
            takes=(ConsentChangedV1,),
            deduplicate=False,  # guarded by the version
        )
    )
    service.subscribe(
        Subscription(
            "outreach_gateway.memberships",
            (MEMBERSHIPS,),
            lambda unit, received: handlers.on_memberships_changed(
                PostgresOutreach(unit, policy), only(MembershipsChangedV1, received)
            ),
            takes=(MembershipsChangedV1,),
            deduplicate=False,  # guarded by the version
        )
    )
    service.subscribe(
        Subscription(
            "outreach_gateway.candidate-keys",
            (CANDIDATE_KEYS,),
            lambda unit, received: handlers.on_key_published(
                PostgresOutreach(unit, policy), only(CandidateKeyPublishedV1, received)
            ),
            takes=(CandidateKeyPublishedV1,),
            handle_removed={
                CANDIDATE_KEYS: lambda unit, keys: handlers.on_keys_removed(PostgresOutreach(unit, policy), keys)
            },
            deduplicate=False,  # guarded by the version
        )
    )
    service.subscribe(
        Subscription(
            "outreach_gateway.outreach-outcomes",
            (OUTREACH_OUTCOMES,),
            lambda unit, received: handlers.on_outcome_reported(
                PostgresOutreach(unit, policy), only(OutreachOutcomeReportedV1, received)
            ),
            takes=(OutreachOutcomeReportedV1,),
        )
    )

    service.subscribe(
        Subscription(
            "outreach_gateway.candidate-events",
            (CANDIDATE_EVENTS,),
            lambda unit, received: handlers.on_mailbox_changed(
                PostgresOutreach(unit, policy), only(MailboxChangedV1, received)
            ),
            takes=(MailboxChangedV1,),
            ignores=(
                CandidateRegisteredV1,
                CandidateClaimedV1,
                CandidateConfirmedV1,
                CandidateHiredV1,
                CandidateLapsedV1,
            ),
            deduplicate=False,  # guarded by the version
        )
    )

    service.subscribe(
        Subscription(
            "outreach_gateway.erasures",
            (ERASURES,),
            lambda unit, received: handlers.on_candidate_erased(
                PostgresOutreach(unit, policy), only(CandidateErasedV1, received)
            ),
            takes=(CandidateErasedV1,),
            deduplicate=False,  # there is only one version
        )
    )

    async def erase_again(unit: Unit, limit: int) -> int:
        """Erases some whom `erasures` has, as it was read back, and a backup brought back; how many."""
        erased = await erased_unheard(unit, limit)
        await handlers.erase(PostgresOutreach(unit, policy), erased)
        return len(erased)

    service.reconcile(ERASURES, apply=erase_again)

    async def decide_due() -> None:
        while True:
            async with service.work() as unit:
                store = PostgresOutreach(unit, policy)
                taken = await handlers.on_due(store, windows, policy, standing, limit=settings.batch)
            if taken < settings.batch:
                return

    async def cancel_of_suspended() -> None:
        """What suspended and removed employers have waiting holds no slot that others could have."""
        taken = settings.batch
        while taken == settings.batch:
            employers = [id for id in service.tenants.records() if standing(id) is Standing.SUSPENDED]
            if not employers:
                return
            async with service.work() as unit:
                store = PostgresOutreach(unit, policy)
                taken = await handlers.on_senders_suspended(store, standing, employers, limit=settings.batch)

    @asynccontextmanager
    async def store() -> AsyncIterator[PostgresRequestStore]:
        async with service.work() as unit:
            yield PostgresRequestStore(unit, policy)

    @asynccontextmanager
    async def epochs() -> AsyncIterator[PostgresEpochs]:
        async with unit_of_work(service.pool, at=service.clock.now(), source=NAME) as unit:
            yield PostgresEpochs(unit)

    async def windows_answer() -> None:
        """No reason to be taken out of service: only decisions need the windows, and they are held without losing any."""
        async with epochs() as rows:
            present = await rows.present()
        try:
            async with asyncio.timeout(_REDIS_ANSWERS_WITHIN):
                intact = await windows.is_intact(present)
                refuses_eviction = await windows.refuses_eviction()
        except (TransientError, TimeoutError) as error:
            raise HeldError("no outreach is decided: Redis does not answer, or says that it can't now") from error
        if not intact:
            raise HeldError("no outreach is decided: the windows are being built anew")
        if not refuses_eviction:
            raise HeldError("Redis may forget slots: set maxmemory-policy noeviction")

    @asynccontextmanager
    async def redis_closed_at_the_end() -> AsyncIterator[None]:
        try:
            yield
        finally:
            await redis.aclose()

    service.open(redis_closed_at_the_end)
    service.every(settings.due_every, "due", decide_due)
    service.every(_SUSPENDED_EVERY, "cancel of suspended", cancel_of_suspended)
    service.every(_DUE_LOOK_EVERY, "watch due", lambda: jobs.note_due(service.pool, service.clock.now()))
    service.every(_FENCE_EVERY, "windows", lambda: jobs.keep_windows_intact(epochs, windows))
    service.every(timedelta(hours=1), "forget", lambda: jobs.forget_old_changes(epochs))
    service.every(timedelta(hours=1), "forget ended", lambda: jobs.forget_ended(epochs))
    service.check("windows", windows_answer)
    app = service.http("Fairpool outreach gateway")
    refs = MemberRefs(settings.member_ref_key)
    cursors = FeedCursors(settings.outreach_id_key, feed=NAME)
    edge = Edge(service.tenants, service.clock, policy, store, refs, cursors, settings.outreach_id_key)
    app.include_router(router(edge))
    return service, app


def _policy(settings: GatewaySettings) -> Policy:
    try:
        return policy_in_force(settings.policy, own=settings.policies, own_agreements=settings.agreements)
    except PolicyError as error:
        raise refused(f"FAIRPOOL_POLICY: {reason}" for reason in error.reasons) from None
