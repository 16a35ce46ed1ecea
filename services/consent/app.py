"""Puts consent together."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

from fastapi import FastAPI

from services.consent import handlers, jobs
from services.consent.adapters import agreement, ledger
from services.consent.adapters.directory import TenantDirectory
from services.consent.adapters.exports import PostgresExports
from services.consent.adapters.messages import PostgresMessages
from services.consent.adapters.postgres import PostgresConsents, consents_behind
from services.consent.adapters.postgres_told import PostgresTold
from services.consent.adapters.withdrawals import Withdrawals
from services.consent.adapters.writer import writer
from services.consent.api import Edge, Labels, answer_bad_links, messages, preferences, receipts, told, unsubscribe
from services.consent.api.taken_along import Shapes
from services.consent.model import Agreements
from services.consent.ports import BLOCKS, EXPORTS, Writes
from services.consent.settings import Settings
from shared.contracts.operator import TenantChangedV1
from shared.contracts.outreach_gateway import OutreachDecidedV1
from shared.contracts.pool_matching import DisclosedV1, DisclosureEndedV1, MembershipsChangedV1, PoolChangedV1
from shared.contracts.signup import (
    CandidateClaimedV1,
    CandidateConfirmedV1,
    CandidateErasedV1,
    CandidateHiredV1,
    CandidateLapsedV1,
    CandidateRegisteredV1,
    ExportRequestedV1,
    LinksVoidedV1,
    MailboxChangedV1,
    OutreachOutcomeReportedV1,
    SessionEndedV1,
)
from shared.contracts.topics import CONSENT_STATE, ERASURES
from shared.messaging.unit import Unit
from shared.roles import Role
from shared.service import Guard, Service
from shared.settings import refused
from shared.web.holders import Holders
from shared.web.pages import Pages
from shared.web.person import Navigation

_KAFKA_WITHIN = timedelta(seconds=3)
"""As long as a person is asked to wait; after that the answer is 202."""

_STOPS_WITHIN = timedelta(milliseconds=400)
"""Longer than a stop takes as a rule with Kafka at hand."""
_BLOCKED_AT_ONCE = 100
"""People in a transaction, of one employer: one that can't be blocked holds up no other."""
_TELLS_EVERY = timedelta(seconds=5)
_ASKS_EVERY = timedelta(minutes=5)
_FORGETS_EVERY = timedelta(hours=1)


def build(settings: Settings) -> tuple[Service, FastAPI]:
    """The service and its HTTP face."""
    service = Service(
        "consent", settings, database=settings.consent_database, migrations=Path(__file__).parent / "migrations"
    )
    agreed = _agreements(settings)
    store = partial(PostgresConsents, seals=settings.seals)
    writes = writer(agreed, where=f"{settings.signup_url}/sign-in", home=settings.consent_url)
    service.open(partial(ledger.out_of_reach, service.get_pool))

    service.on(CandidateRegisteredV1, handlers.on_candidate_registered, store, guard=Guard.STATE)
    service.on(CandidateClaimedV1, handlers.on_candidate_claimed, store, guard=Guard.STATE)
    service.on(CandidateLapsedV1, handlers.on_candidate_lapsed, store, writes, guard=Guard.STATE)
    service.on(CandidateHiredV1, handlers.on_candidate_hired, store, guard=Guard.STATE)
    service.ignores(CandidateConfirmedV1, MailboxChangedV1)
    service.on(TenantChangedV1, handlers.on_tenant_changed, store, guard=Guard.VERSION)
    service.on(CandidateErasedV1, handlers.on_candidate_erased, store, guard=Guard.STATE)
    service.on(OutreachDecidedV1, handlers.on_outreach_decided, PostgresMessages, guard=Guard.VERSION)
    service.on(OutreachOutcomeReportedV1, handlers.on_outcome_reported, PostgresMessages, guard=Guard.VERSION)
    service.on(SessionEndedV1, handlers.on_session_ended, store, guard=Guard.STATE)
    service.on(LinksVoidedV1, handlers.on_links_voided, store, guard=Guard.STATE)
    service.on((DisclosedV1, DisclosureEndedV1), handlers.on_disclosures, PostgresTold, guard=Guard.STATE)
    service.on(MembershipsChangedV1, handlers.on_memberships_changed, PostgresTold, guard=Guard.VERSION)
    service.on(PoolChangedV1, handlers.on_pools_changed, PostgresTold, guard=Guard.VERSION)
    exports = partial(PostgresExports, seals=settings.seals)
    service.on(ExportRequestedV1, handlers.on_export_requested, exports)
    taken = settings.signatures == "take"
    service.reconcile(CONSENT_STATE, consents_behind(settings.seals, without_statement=taken))
    service.read_back(ERASURES, PostgresConsents.close_again, store)

    service.queue(BLOCKS, handlers.on_blocks, store, writes, _BLOCKED_AT_ONCE, batch=1)
    service.queue(EXPORTS, jobs.on_exports, exports, Shapes(TenantDirectory(service.tenants).name), batch=1)
    service.periodic(_TELLS_EVERY, "tell_changes", jobs.tell_changes, store)
    service.periodic(_ASKS_EVERY, "ask_again", jobs.ask_again, store, writes, agreed.version)
    service.periodic(_ASKS_EVERY, "remind", jobs.remind, store)
    service.periodic(_FORGETS_EVERY, "forget_attempts", jobs.forget_attempts, store)
    service.periodic(_FORGETS_EVERY, "forget_messages", jobs.forget_messages, PostgresMessages)
    service.periodic(_FORGETS_EVERY, "forget_ended_sessions", jobs.forget_ended_sessions, store)
    service.periodic(_FORGETS_EVERY, "forget_void_links", jobs.forget_void_links, store)
    service.periodic(_FORGETS_EVERY, "forget_told", jobs.forget_told, PostgresTold)

    app = service.http("Fairpool consent", signup_url=settings.signup_url)
    if settings.role is not Role.WORKER:
        at = edge(service, settings, agreed, writes, store)
        answer_bad_links(app, at)
        service.pages(app, preferences.router(at), unsubscribe.router(at), messages.pages(at), told.pages(at))
        service.api(app, receipts.router(at), messages.router(at), told.router(at))
    return service, app


def edge(
    service: Service, settings: Settings, agreed: Agreements, writes: Writes, store: Callable[[Unit], PostgresConsents]
) -> Edge:
    """What the routes work with."""
    return Edge(
        change=service.stores(store),
        look=service.looks(store),
        has_published=partial(service.has_published, within=_KAFKA_WITHIN),
        time_withdrawal=Withdrawals(service.has_published).time,
        now=service.clock.now,
        links=settings.links,
        statements=settings.verifier.statements,
        holders=Holders(
            settings.sessions,
            service.clock.now,
            (settings.consent_url, settings.signup_url),
            sign_in=f"{settings.signup_url}/sign-in",
        ),
        navigation=Navigation(settings.signup_url, settings.consent_url),
        messages=service.looks(PostgresMessages),
        tellings=service.looks(PostgresTold),
        change_messages=service.stores(PostgresMessages),
        directory=TenantDirectory(service.tenants),
        agreements=agreed,
        seals=settings.seals,
        labels=Labels(settings.seals),
        writes=writes,
        sign_in=f"{settings.signup_url}/sign-in",
        profile=f"{settings.signup_url}/profile",
        erase=f"{settings.signup_url}/erase",
        join=f"{settings.signup_url}/join",
        pages=Pages("services.consent"),
        stops_within=_STOPS_WITHIN,
    )


def _agreements(settings: Settings) -> Agreements:
    try:
        return agreement.found(settings.agreement, own=settings.agreements)
    except ValueError as error:
        raise refused([f"FAIRPOOL_AGREEMENT: {error}"]) from None
