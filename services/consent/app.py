"""Puts consent together."""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from fastapi import FastAPI

from services.consent import decisions, handlers
from services.consent.adapters import agreement, ledger
from services.consent.adapters.directory import TenantDirectory
from services.consent.adapters.postgres import PostgresConsents, close_again, consents_behind
from services.consent.api import Edge, install
from services.consent.model import Agreement, Choices, Door, Entry, Present
from services.consent.ports import Consents, Writes
from services.consent.settings import Settings
from shared.contracts.base import Event
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
from shared.contracts.topics import CANDIDATE_EVENTS, CONSENT_STATE, ERASURES, TENANTS
from shared.ids import new_id
from shared.messaging.consumer import Subscription
from shared.messaging.envelope import Received, only
from shared.messaging.unit import Unit
from shared.security.links import LinkReader
from shared.service import Service
from shared.settings import refused
from shared.web.pages import Pages

_KAFKA_WITHIN = timedelta(seconds=3)
"""As long as a person is asked to wait; after that the answer is 202."""

_STOPS_WITHIN = timedelta(milliseconds=400)
"""Longer than a stop takes as a rule with Kafka at hand."""
_BLOCKS_EVERY = timedelta(seconds=1)
_TELLS_EVERY = timedelta(seconds=2)
_FORGETS_EVERY = timedelta(hours=1)
_BATCH = 100
_NONCE_BYTES = 32


def build(settings: Settings) -> tuple[Service, FastAPI]:
    """The service and its HTTP face."""
    service = Service(
        "consent", settings, database=settings.consent_database, migrations=Path(__file__).parent / "migrations"
    )
    agreed = _agreement(settings)
    writes = writer(agreed, where=f"{settings.signup_url}/sign-in", home=settings.consent_url)
    service.subscribe(
        Subscription(
            group="consent.candidate-events",
            topics=(CANDIDATE_EVENTS,),
            handle=partial(_on_candidate_events, writes),
            takes=(CandidateRegisteredV1, CandidateClaimedV1, CandidateLapsedV1),
            ignores=(CandidateConfirmedV1, CandidateHiredV1, MailboxChangedV1),
            deduplicate=False,
        )
    )
    service.subscribe(
        Subscription(
            group="consent.tenants",
            topics=(TENANTS,),
            handle=_on_tenants,
            takes=(TenantChangedV1,),
            deduplicate=False,
        )
    )
    service.subscribe(
        Subscription(
            group="consent.erasures",
            topics=(ERASURES,),
            handle=_on_erasures,
            takes=(CandidateErasedV1,),
            deduplicate=False,
        )
    )
    service.open(partial(ledger.out_of_reach, service))
    service.reconcile(CONSENT_STATE, consents_behind)
    service.reconcile(ERASURES, apply=close_again)
    service.every(_BLOCKS_EVERY, "block_named", partial(_block_named, service, writes))
    service.every(_TELLS_EVERY, "tell_changes", partial(_tell_changes, service))
    service.every(_FORGETS_EVERY, "forget_attempts", partial(_forget_attempts, service))
    app = service.http("Fairpool consent", signup_url=settings.signup_url)
    install(app, edge(service, settings, agreed, writes))
    return service, app


async def _block_named(service: Service, writes: Writes) -> None:
    """Employer by employer, batch by batch."""
    after: str | None = ""
    while after is not None:
        async with service.work() as unit:
            after = await handlers.block_named(PostgresConsents(unit), writes, after, _BATCH)


async def _tell_changes(service: Service) -> None:
    """Batch by batch until nobody is due."""
    told = _BATCH
    while told == _BATCH:
        async with service.work() as unit:
            told = await PostgresConsents(unit).tell_changes(_BATCH)


async def _forget_attempts(service: Service) -> None:
    """Batch by batch until none has ended."""
    forgotten = _BATCH
    while forgotten == _BATCH:
        async with service.work() as unit:
            forgotten = await PostgresConsents(unit).forget_attempts(_BATCH)


def writer(agreed: Agreement, *, where: str, home: str) -> Writes:
    """How a new state is written down, under this agreement; `where` emails the person a link, `home` is our own address."""

    def write(present: Present, choices: Choices, at: datetime, door: Door) -> Entry:
        nonce, receipt = os.urandom(_NONCE_BYTES), new_id("r")
        return decisions.record(
            present, choices, at=at, door=door, agreement=agreed, where=where, home=home, nonce=nonce, receipt=receipt
        )

    return write


def edge(service: Service, settings: Settings, agreed: Agreement, writes: Writes) -> Edge:
    """What the routes work with."""

    @asynccontextmanager
    async def change() -> AsyncIterator[Consents]:
        async with service.work() as unit:
            yield PostgresConsents(unit)

    @asynccontextmanager
    async def look() -> AsyncIterator[Consents]:
        async with service.pool.acquire() as connection:
            yield PostgresConsents(Unit(connection, service.clock.now(), service.name))

    async def has_published(outbox_ids: Sequence[int]) -> bool:
        return await service.relay.has_published(outbox_ids, within=_KAFKA_WITHIN)

    return Edge(
        change=change,
        look=look,
        has_published=has_published,
        now=service.clock.now,
        links=LinkReader(settings.link_verify_key, settings.link_subject_key),
        directory=TenantDirectory(service.tenants),
        agreement=agreed,
        writes=writes,
        sign_in=f"{settings.signup_url}/sign-in",
        profile=f"{settings.signup_url}/profile",
        join=f"{settings.signup_url}/join",
        pages=Pages("services.consent"),
        stops_within=_STOPS_WITHIN,
    )


async def _on_tenants(unit: Unit, received: Sequence[Received[Event]]) -> None:
    await handlers.on_tenant_changed(PostgresConsents(unit), only(TenantChangedV1, received))


async def _on_candidate_events(writes: Writes, unit: Unit, received: Sequence[Received[Event]]) -> None:
    consents = PostgresConsents(unit)
    await handlers.on_candidate_registered(consents, only(CandidateRegisteredV1, received))
    await handlers.on_candidate_claimed(consents, only(CandidateClaimedV1, received))
    await handlers.on_candidate_lapsed(consents, writes, only(CandidateLapsedV1, received))


async def _on_erasures(unit: Unit, received: Sequence[Received[Event]]) -> None:
    await handlers.on_candidate_erased(PostgresConsents(unit), only(CandidateErasedV1, received))


def _agreement(settings: Settings) -> Agreement:
    try:
        return agreement.in_force(settings.agreement, own=settings.agreements)
    except ValueError as error:
        raise refused([f"FAIRPOOL_AGREEMENT: {error}"]) from None
