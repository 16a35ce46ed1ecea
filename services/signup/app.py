"""Puts signup together."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from fastapi import FastAPI

from services.signup import handlers, jobs
from services.signup.adapters.formats import FORMATS
from services.signup.adapters.intake import PostgresIntake
from services.signup.adapters.intake_keys import IntakeKeys
from services.signup.adapters.kept_reports import PostgresBacklog
from services.signup.adapters.lapses import erase_again, erasures_behind
from services.signup.adapters.operator_store import PostgresOperatorStore, note_tenant_changes
from services.signup.adapters.page_requests import PostgresPageRequests
from services.signup.adapters.postgres import PostgresStore
from services.signup.adapters.read_back import keys_behind, keys_orphaned, profiles_behind
from services.signup.adapters.refusals import PostgresRefusals
from services.signup.adapters.sources import PostgresSources
from services.signup.adapters.tenant_topic import TenantTopic
from services.signup.adapters.titles import suggestions
from services.signup.adapters.titles.loaded import LoadedTitles
from services.signup.api import events, hooks, join, people, profile, refuse, sign_in, sources, tenants
from services.signup.settings import Settings
from services.signup.vault.secrets import VaultSecrets
from shared import wording
from shared.contracts.base import Event
from shared.contracts.consent import ConsentChangedV1, ErasureConfirmedV1
from shared.contracts.operator import TenantChangedV1
from shared.contracts.signup import CandidateMergedV1, CandidateReportedV1
from shared.contracts.topics import (
    ATS_EVENTS,
    CANDIDATE_KEYS,
    CANDIDATE_PROFILES,
    CONSENT_STATE,
    ERASURE_CONFIRMATIONS,
    ERASURES,
    TENANTS,
)
from shared.messaging.consumer import Subscription
from shared.messaging.envelope import Received, only
from shared.messaging.errors import is_transient
from shared.messaging.unit import Unit, unit_of_work
from shared.security.links import LinkReader
from shared.service import Service
from shared.web import any_body

_AT_ONCE = timedelta(milliseconds=200)
_OFTEN = timedelta(seconds=2)
_SELDOM = timedelta(seconds=30)
_FORGOTTEN_AT_ONCE = 500


def build(settings: Settings) -> tuple[Service, FastAPI]:
    """The service and its HTTP face, ready to be served."""
    service = Service(
        "signup", settings, database=settings.signup_database, migrations=Path(__file__).parent / "migrations"
    )
    secrets = VaultSecrets(settings.vault_key, settings.blind_index_key)
    keys = IntakeKeys(settings.vault_key)
    _add_consumers(service, secrets, keys)
    _add_jobs(service, secrets, keys)
    service.reconcile(CANDIDATE_PROFILES, profiles_behind)
    service.reconcile(CANDIDATE_KEYS, keys_behind, keys_orphaned)
    service.reconcile(ERASURES, erasures_behind, apply=erase_again)
    app = service.http("Fairpool signup", signup_url=settings.signup_url)
    loaded = LoadedTitles()
    service.every(_SELDOM, "titles", lambda: loaded.refresh(service.pool))
    _add_routes(app, service, settings, keys, loaded)
    _add_refusals(app, service, settings, secrets)
    return service, app


def _add_consumers(service: Service, secrets: VaultSecrets, keys: IntakeKeys) -> None:
    async def on_reports(unit: Unit, received: Sequence[Received[Event]]) -> None:
        reports = [
            Received(item.id, item.source, item.time, item.event, item.record)
            for item in received  # both kinds in one list: within a record, their order counts
            if isinstance(item.event, CandidateReportedV1 | CandidateMergedV1)
        ]
        await handlers.on_candidate_reported(PostgresStore(unit, keys), reports, secrets)

    async def on_consent(unit: Unit, received: Sequence[Received[Event]]) -> None:
        await handlers.on_consent_changed(PostgresStore(unit, keys), only(ConsentChangedV1, received))

    async def on_tenants(unit: Unit, received: Sequence[Received[Event]]) -> None:
        await note_tenant_changes(unit, [item.event for item in only(TenantChangedV1, received)])

    service.subscribe(
        Subscription("signup.tenants", (TENANTS,), on_tenants, takes=(TenantChangedV1,), deduplicate=False)
    )

    async def on_confirmations(unit: Unit, received: Sequence[Received[Event]]) -> None:
        await handlers.on_erasure_confirmed(PostgresStore(unit, keys), only(ErasureConfirmedV1, received))

    service.subscribe(
        Subscription(
            group="signup.ats-events",
            topics=(ATS_EVENTS,),
            handle=on_reports,
            takes=(CandidateReportedV1, CandidateMergedV1),
        )
    )
    service.subscribe(
        Subscription(
            group="signup.consent-state",
            topics=(CONSENT_STATE,),
            handle=on_consent,
            takes=(ConsentChangedV1,),
            deduplicate=False,
        )
    )
    service.subscribe(
        Subscription(
            group="signup.erasure-confirmations",
            topics=(ERASURE_CONFIRMATIONS,),
            handle=on_confirmations,
            takes=(ErasureConfirmedV1,),
            deduplicate=False,
        )
    )


def _add_jobs(service: Service, secrets: VaultSecrets, keys: IntakeKeys) -> None:
    @asynccontextmanager
    async def work() -> AsyncIterator[PostgresStore]:
        # Not `service.work()`: that wakes the relay at every turn, also when there was nothing to do.
        async with unit_of_work(service.pool, at=service.clock.now(), source=service.name) as unit:
            yield PostgresStore(unit, keys)
        if unit.outbox_ids:
            service.relay.wake(unit.shards)

    async def invite_all() -> None:
        while await jobs.invite(work, secrets):
            pass

    service.every(_AT_ONCE, "invite", invite_all)
    service.every(_OFTEN, "look_again", lambda: jobs.look_again(work))
    service.every(_OFTEN, "lapse", lambda: jobs.lapse(work))
    service.every(_OFTEN, "tell_profiles", lambda: jobs.tell_profiles(work))
    service.every(_OFTEN, "release", lambda: jobs.release(work))
    service.every(_SELDOM, "forget", lambda: jobs.forget(work))


def _add_refusals(app: FastAPI, service: Service, settings: Settings, secrets: VaultSecrets) -> None:
    refusals = PostgresRefusals(service.work, secrets)

    async def forget() -> None:
        while await refusals.forget(limit=_FORGOTTEN_AT_ONCE) == _FORGOTTEN_AT_ONCE:
            pass

    service.every(_SELDOM, "forget_refusals", forget)
    links = LinkReader(settings.link_verify_key, settings.link_subject_key)
    any_body.mark(app, "/refuse/")
    app.include_router(refuse.router(refusals, links, service.clock.now))


def _add_routes(app: FastAPI, service: Service, settings: Settings, keys: IntakeKeys, loaded: LoadedTitles) -> None:
    intake = PostgresIntake(
        lambda: service.pool,
        service.work,
        lambda ids, *, within: service.relay.has_published(ids, within=within),
        keys,
        publish_within=settings.publish_within,
    )
    backlog = PostgresBacklog(lambda: service.pool)
    kept_sources = PostgresSources(
        lambda: service.pool, settings.vault_key, service.clock.now, kept=settings.sources_kept
    )
    book = TenantTopic(lambda: service.pool, service.tenants, service.catch_up_with_tenants, service.send)
    page_requests = PostgresPageRequests(service.work)
    clock, key = service.clock, settings.blind_index_key
    app.include_router(
        hooks.router(FORMATS, kept_sources, intake, backlog, service.tenants, clock, loaded.occupations_of)
    )
    app.include_router(events.router(intake, backlog, service.tenants, clock, loaded.occupations_of))
    app.include_router(
        sources.router(FORMATS.keys(), kept_sources, service.tenants, clock, base_url=settings.signup_url)
    )
    app.include_router(tenants.router(book, service.tenants, clock))
    app.include_router(people.router(PostgresOperatorStore(service.work), service.tenants, blind_index_key=key))
    app.include_router(join.router(intake, page_requests, clock, blind_index_key=key, titles=suggestions()))
    app.include_router(sign_in.router(page_requests, blind_index_key=key))
    app.include_router(profile.router(_profile_edge(service, settings, keys, loaded)))


def _profile_edge(service: Service, settings: Settings, keys: IntakeKeys, loaded: LoadedTitles) -> profile.ProfileEdge:
    @asynccontextmanager
    async def change() -> AsyncIterator[PostgresStore]:
        async with service.work() as unit:
            yield PostgresStore(unit, keys)

    @asynccontextmanager
    async def look() -> AsyncIterator[PostgresStore]:
        async with service.pool.acquire() as connection:
            yield PostgresStore(Unit(connection, service.clock.now(), service.name), keys)

    async def has_published(outbox_ids: Sequence[int]) -> bool:
        try:
            return await service.relay.has_published(outbox_ids, within=settings.publish_within)
        except Exception as error:
            if not is_transient(error):
                raise
            return False

    def names(tenant: str) -> str | None:
        found = service.tenants.get(tenant)
        return None if found is None else wording.tenant(found.name, found.domain)

    return profile.ProfileEdge(
        change=change,
        look=look,
        has_published=has_published,
        now=service.clock.now,
        links=LinkReader(settings.link_verify_key, settings.link_subject_key),
        names=names,
        occupations_of=loaded.occupations_of,
        titles=tuple(suggestions()),
        notices=lambda: loaded.notices,
        consent_url=settings.consent_url,
    )
