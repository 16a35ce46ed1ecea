"""Puts consent together."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

from fastapi import FastAPI

from services.consent import handlers, jobs
from services.consent.adapters import agreement, ledger
from services.consent.adapters.directory import TenantDirectory
from services.consent.adapters.postgres import PostgresConsents, consents_behind
from services.consent.adapters.withdrawals import Withdrawals
from services.consent.adapters.writer import writer
from services.consent.api import Edge, answer_bad_links, preferences, receipts, unsubscribe
from services.consent.model import Agreement
from services.consent.ports import BLOCKS, Writes
from services.consent.settings import Settings
from shared.contracts.operator import TenantChangedV1
from shared.contracts.signup import (
    CandidateClaimedV1,
    CandidateConfirmedV1,
    CandidateErasedV1,
    CandidateHiredV1,
    CandidateLapsedV1,
    CandidateRegisteredV1,
    MailboxChangedV1,
)
from shared.contracts.topics import CONSENT_STATE, ERASURES
from shared.messaging.unit import Unit
from shared.roles import Role
from shared.service import Guard, Service
from shared.settings import refused
from shared.web.pages import Pages

_KAFKA_WITHIN = timedelta(seconds=3)
"""As long as a person is asked to wait; after that the answer is 202."""

_STOPS_WITHIN = timedelta(milliseconds=400)
"""Longer than a stop takes as a rule with Kafka at hand."""
_BLOCKED_AT_ONCE = 100
"""People in a transaction, of one employer: one that can't be blocked holds up no other."""
_TELLS_EVERY = timedelta(seconds=2)
_FORGETS_EVERY = timedelta(hours=1)


def build(settings: Settings) -> tuple[Service, FastAPI]:
    """The service and its HTTP face."""
    service = Service(
        "consent", settings, database=settings.consent_database, migrations=Path(__file__).parent / "migrations"
    )
    agreed = _agreement(settings)
    store = partial(PostgresConsents, seals=settings.seals)
    writes = writer(agreed, where=f"{settings.signup_url}/sign-in", home=settings.consent_url)
    service.open(partial(ledger.out_of_reach, service.get_pool))

    service.on(CandidateRegisteredV1, handlers.on_candidate_registered, store, guard=Guard.STATE)
    service.on(CandidateClaimedV1, handlers.on_candidate_claimed, store, guard=Guard.STATE)
    service.on(CandidateLapsedV1, handlers.on_candidate_lapsed, store, writes, guard=Guard.STATE)
    service.ignores(CandidateConfirmedV1, CandidateHiredV1, MailboxChangedV1)
    service.on(TenantChangedV1, handlers.on_tenant_changed, store, guard=Guard.VERSION)
    service.on(CandidateErasedV1, handlers.on_candidate_erased, store, guard=Guard.STATE)
    taken = settings.signatures == "take"
    service.reconcile(CONSENT_STATE, consents_behind(settings.seals, without_statement=taken))
    service.read_back(ERASURES, PostgresConsents.close_again, store)

    service.queue(BLOCKS, handlers.on_blocks, store, writes, _BLOCKED_AT_ONCE, batch=1)
    service.periodic(_TELLS_EVERY, "tell_changes", jobs.tell_changes, store)
    service.periodic(_FORGETS_EVERY, "forget_attempts", jobs.forget_attempts, store)

    app = service.http("Fairpool consent", signup_url=settings.signup_url)
    if settings.role is not Role.WORKER:
        at = edge(service, settings, agreed, writes, store)
        answer_bad_links(app, at)
        service.pages(app, preferences.router(at), unsubscribe.router(at))
        service.api(app, receipts.router(at))
    return service, app


def edge(
    service: Service, settings: Settings, agreed: Agreement, writes: Writes, store: Callable[[Unit], PostgresConsents]
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
        directory=TenantDirectory(service.tenants),
        agreement=agreed,
        writes=writes,
        sign_in=f"{settings.signup_url}/sign-in",
        profile=f"{settings.signup_url}/profile",
        join=f"{settings.signup_url}/join",
        pages=Pages("services.consent"),
        stops_within=_STOPS_WITHIN,
    )


def _agreement(settings: Settings) -> Agreement:
    try:
        return agreement.in_force(settings.agreement, own=settings.agreements)
    except ValueError as error:
        raise refused([f"FAIRPOOL_AGREEMENT: {error}"]) from None
