"""Puts consent together."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

from fastapi import FastAPI

from services.consent import handlers
from services.consent.adapters import agreement
from services.consent.adapters.directory import TenantDirectory
from services.consent.adapters.postgres import PostgresConsents, consents_behind
from services.consent.api import Edge, install
from services.consent.model import Agreement
from services.consent.ports import Consents
from services.consent.settings import Settings
from shared.contracts.base import Event
from shared.contracts.signup import CandidateRegisteredV1
from shared.contracts.topics import CANDIDATE_EVENTS, CONSENT_STATE
from shared.messaging.consumer import Subscription
from shared.messaging.envelope import Received, only
from shared.messaging.unit import Unit
from shared.security.links import LinkReader
from shared.service import Service
from shared.settings import refused
from shared.web.pages import Pages

_KAFKA_WITHIN = timedelta(seconds=3)
"""As long as a person is asked to wait; after that the answer is 202."""

_TELLS_EVERY = timedelta(seconds=2)
_FORGETS_EVERY = timedelta(hours=1)
_BATCH = 200


def build(settings: Settings) -> tuple[Service, FastAPI]:
    """The service and its HTTP face."""
    service = Service(
        "consent", settings, database=settings.consent_database, migrations=Path(__file__).parent / "migrations"
    )
    service.subscribe(
        Subscription(
            group="consent.candidate-events", topics=(CANDIDATE_EVENTS,), handle=_on_candidate_events, deduplicate=False
        )
    )
    service.uphold(CONSENT_STATE, consents_behind)
    service.every(_TELLS_EVERY, "tell_changes", partial(_tell_changes, service))
    service.every(_FORGETS_EVERY, "forget_attempts", partial(_forget_attempts, service))
    app = service.http("Fairpool consent", signup_url=settings.signup_url)
    install(app, edge(service, settings))
    return service, app


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


def edge(service: Service, settings: Settings) -> Edge:
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
        agreement=_agreement(settings),
        sign_in=f"{settings.signup_url}/sign-in",
        profile=f"{settings.signup_url}/profile",
        home=settings.consent_url,
        pages=Pages("services.consent"),
    )


async def _on_candidate_events(unit: Unit, received: Sequence[Received[Event]]) -> None:
    await handlers.on_candidate_registered(PostgresConsents(unit), only(CandidateRegisteredV1, received))


def _agreement(settings: Settings) -> Agreement:
    try:
        return agreement.in_force(settings.agreement, own=settings.agreements)
    except ValueError as error:
        raise refused([f"FAIRPOOL_AGREEMENT: {error}"]) from None
