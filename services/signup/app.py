"""Puts signup together."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

from fastapi import FastAPI

from services.signup import handlers, jobs
from services.signup.adapters.erasures import PostgresErasures
from services.signup.adapters.formats import FORMATS
from services.signup.adapters.intake import PostgresIntake
from services.signup.adapters.intake_keys import IntakeKeys
from services.signup.adapters.kept_reports import PostgresBacklog
from services.signup.adapters.lapses import erasures_behind
from services.signup.adapters.operator_store import PostgresOperatorActs, PostgresOperatorStore
from services.signup.adapters.page_requests import PostgresPageRequests
from services.signup.adapters.postgres import PostgresStore
from services.signup.adapters.read_back import keys_behind, keys_orphaned, profiles_behind
from services.signup.adapters.refusals import PostgresRefusals
from services.signup.adapters.sources import PostgresSources
from services.signup.adapters.tenant_topic import TenantTopic
from services.signup.adapters.titles import suggestions
from services.signup.adapters.titles.loaded import LoadedTitles
from services.signup.api import erasures, events, hooks, join, people, profile, refuse, sign_in, sources, tenants
from services.signup.ports import INVITATIONS, LANES, SHOWINGS
from services.signup.settings import Settings
from services.signup.vault.secrets import VaultSecrets
from shared.contracts.consent import CONSENT_CHANGED, ErasureConfirmedV1
from shared.contracts.operator import TenantChangedV1
from shared.contracts.signup import CandidateMergedV1, CandidateReportedV1, ErasureSweptV1
from shared.contracts.topics import CANDIDATE_KEYS, CANDIDATE_PROFILES, ERASURES
from shared.messaging.unit import Unit
from shared.roles import Role
from shared.service import Guard, Service
from shared.web import any_body

_OFTEN = timedelta(seconds=2)
_SELDOM = timedelta(seconds=30)

OpensStore = Callable[[Unit], PostgresStore]


def build(settings: Settings) -> tuple[Service, FastAPI]:
    """The service and its HTTP face, ready to be served."""
    service = Service(
        "signup", settings, database=settings.signup_database, migrations=Path(__file__).parent / "migrations"
    )
    secrets = VaultSecrets(settings.vault_key, settings.blind_index_key)
    keys = IntakeKeys(settings.vault_key)
    store = partial(PostgresStore, keys=keys)
    loaded = LoadedTitles()
    refusals = PostgresRefusals(service.work, secrets)

    service.on((CandidateReportedV1, CandidateMergedV1), handlers.on_candidate_reported, store, secrets)
    service.on(CONSENT_CHANGED, handlers.on_consent_changed, store, guard=Guard.VERSION)
    service.on(ErasureConfirmedV1, handlers.on_erasure_confirmed, store, guard=Guard.STATE)
    service.on(ErasureSweptV1, handlers.on_erasure_swept, PostgresErasures, guard=Guard.STATE)
    service.on(TenantChangedV1, handlers.on_tenant_changed, PostgresOperatorActs, guard=Guard.STATE)
    service.reconcile(CANDIDATE_PROFILES, profiles_behind)
    service.reconcile(CANDIDATE_KEYS, keys_behind, keys_orphaned)
    service.read_back(ERASURES, PostgresStore.erase_again, store, behind=erasures_behind)

    service.queue(INVITATIONS, jobs.on_invitations, store, secrets, batch=jobs.INVITED_AT_ONCE, lanes=LANES)
    service.queue(SHOWINGS, jobs.on_showings, store)
    service.periodic(_SELDOM, "missed_showings", jobs.find_missed_showings, store)
    service.periodic(_OFTEN, "lapse", jobs.lapse, store)
    service.periodic(_SELDOM, "ask_for_confirmations", jobs.ask_for_confirmations, PostgresErasures)
    service.periodic(_OFTEN, "tell_profiles", jobs.tell_profiles, store)
    service.periodic(_OFTEN, "release", jobs.release, store)
    service.periodic(_SELDOM, "forget", jobs.forget, store)
    service.every(_SELDOM, "watch_erasures", jobs.watch_erasures, service.stores(PostgresErasures))
    service.every(_SELDOM, "titles", loaded.refresh_from, service.get_pool, by=None)

    app = service.http("Fairpool signup", signup_url=settings.signup_url)
    intake = PostgresIntake(
        service.get_pool, service.work, service.get_producer, keys, publish_within=settings.publish_within
    )
    _add_api(app, service, settings, intake, loaded)
    any_body.mark(app, "/refuse/")
    if settings.role.has(Role.PAGES):
        key, requests = settings.blind_index_key, PostgresPageRequests(service.work)
        service.pages(
            app,
            join.router(intake, requests, service.clock, blind_index_key=key, titles=suggestions()),
            sign_in.router(requests, blind_index_key=key),
            profile.router(profile_edge(service, settings, store, loaded)),
            refuse.router(refusals, settings.links, service.clock.now),
        )
    return service, app


def _add_api(app: FastAPI, service: Service, settings: Settings, intake: PostgresIntake, loaded: LoadedTitles) -> None:
    """What vendors and operators call."""
    clock, key = service.clock, settings.blind_index_key
    backlog = PostgresBacklog(service.get_pool)
    kept_sources = PostgresSources(
        service.get_pool, service.work, settings.vault_key, clock.now, kept=settings.sources_kept
    )
    book = TenantTopic(service.work, service.tenants, service.catch_up_with_tenants, service.send)
    service.api(
        app,
        hooks.router(FORMATS, kept_sources, intake, backlog, service.tenants, clock, loaded.occupations_of),
        events.router(intake, backlog, service.tenants, clock, loaded.occupations_of),
        sources.router(FORMATS.keys(), kept_sources, service.tenants, clock, base_url=settings.signup_url),
        tenants.router(book, service.tenants, clock),
        people.router(PostgresOperatorStore(service.work), service.tenants, blind_index_key=key),
        erasures.router(service.looks(PostgresErasures), service.tenants),
    )


def profile_edge(service: Service, settings: Settings, store: OpensStore, loaded: LoadedTitles) -> profile.ProfileEdge:
    """What the routes of a person's profile work with."""
    return profile.ProfileEdge(
        change=service.stores(store),
        look=service.looks(store),
        has_published=partial(service.has_published, within=settings.publish_within),
        now=service.clock.now,
        links=settings.links,
        names=service.tenants.name_of,
        occupations_of=loaded.occupations_of,
        titles=tuple(suggestions()),
        notices=loaded.present_notices,
        consent_url=settings.consent_url,
    )
