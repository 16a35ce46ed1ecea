"""Puts signup together."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

from fastapi import FastAPI

from services.signup import handlers, jobs
from services.signup.adapters.certificates import PostgresErasing
from services.signup.adapters.email_changes import PostgresEmailChanges
from services.signup.adapters.erasures import PostgresErasures
from services.signup.adapters.exports import PostgresExports
from services.signup.adapters.formats import FORMATS
from services.signup.adapters.held import PostgresHeld
from services.signup.adapters.intake import PostgresIntake
from services.signup.adapters.intake_keys import IntakeKeys
from services.signup.adapters.kept import PEOPLE
from services.signup.adapters.kept_reports import PostgresBacklog
from services.signup.adapters.lapses import erasures_behind
from services.signup.adapters.operator_store import PostgresOperatorActs, PostgresOperatorStore
from services.signup.adapters.page_requests import PostgresPageRequests
from services.signup.adapters.postgres import PostgresStore
from services.signup.adapters.read_back import keys_behind, keys_orphaned, profiles_behind
from services.signup.adapters.refusals import PostgresRefusals
from services.signup.adapters.rotation import QUEUE, PostgresRotation
from services.signup.adapters.secret_rows import PostgresSecretRows, Round
from services.signup.adapters.sessions import PostgresSessions
from services.signup.adapters.sources import PostgresSources
from services.signup.adapters.tenant_topic import TenantTopic
from services.signup.adapters.titles import suggestions
from services.signup.adapters.titles.loaded import LoadedTitles
from services.signup.api import (
    email_changes,
    email_links,
    erasing,
    erasures,
    events,
    exporting,
    held,
    hooks,
    job_page,
    join,
    my_profile,
    people,
    profile,
    refuse,
    sessions,
    sign_in,
    sources,
    tenants,
    vault,
    waiting_job,
)
from services.signup.api.held_out import taken_along
from services.signup.api.person_links import PersonLinks
from services.signup.api.profile_page import ProfileEdge
from services.signup.api.secrets import standings
from services.signup.api.signed_in import signed_in
from services.signup.decisions.resume import written
from services.signup.ports.exports import EXPORTS
from services.signup.ports.store import INVITATIONS, LANES, SHOWINGS
from services.signup.settings import Settings
from services.signup.vault.epoch_rows import EpochRows
from services.signup.vault.epochs import Epochs
from services.signup.vault.intake import intake_content_key
from services.signup.vault.keepers import keeper_of
from services.signup.vault.secrets import VaultSecrets
from services.signup.vault.watching import LOOKS_EVERY, EpochWatch
from shared.contracts.consent import CONSENT_CHANGED, ErasureConfirmedV1, ExportAnsweredV1
from shared.contracts.operator import TenantChangedV1
from shared.contracts.signup import CandidateMergedV1, CandidateReportedV1, ErasureSweptV1
from shared.contracts.topics import CANDIDATE_KEYS, CANDIDATE_PROFILES, ERASURES
from shared.messaging.unit import Unit
from shared.roles import Role
from shared.security.documents import DocumentSigner
from shared.service import Guard, Service
from shared.web import any_body
from shared.web import secrets as secret_standings
from shared.web.holders import Holder, Holders
from shared.web.person import Navigation

_OFTEN = timedelta(seconds=5)
_SELDOM = timedelta(seconds=30)
_PARTS_AT_ONCE = 50
"""Some 20 MB: parts of what people take along are large."""

OpensStore = Callable[[Unit], PostgresStore]


def build(settings: Settings) -> tuple[Service, FastAPI]:
    """The service and its HTTP face, ready to be served."""
    service = Service(
        "signup", settings, database=settings.signup_database, migrations=Path(__file__).parent / "migrations"
    )
    epochs = EpochRows(Epochs(), keeper_of(settings.vault_keys), imported=settings.vault_key)
    watch = EpochWatch(epochs, service.get_pool, service.clock, makes=settings.role.has(Role.WORKER))
    service.open(watch.opened)
    service.every(LOOKS_EVERY, "epochs", watch.look, by=None)
    service.check("vault", watch.check, by=None)
    secrets = VaultSecrets(epochs.epochs, settings.index, settings.hashes)
    keys = IntakeKeys(epochs, intake_content_key(settings.blind_index_key[0]))
    store = partial(PostgresStore, keys=keys)
    loaded = LoadedTitles()
    refusals = PostgresRefusals(service.work, secrets, epochs)

    service.on((CandidateReportedV1, CandidateMergedV1), handlers.on_candidate_reported, store, secrets)
    service.on(CONSENT_CHANGED, handlers.on_consent_changed, store, guard=Guard.VERSION)
    service.on(ErasureConfirmedV1, handlers.on_erasure_confirmed, store, guard=Guard.STATE)
    service.on(ErasureSweptV1, handlers.on_erasure_swept, PostgresErasures, guard=Guard.STATE)
    exports = partial(PostgresExports, epochs=epochs)
    service.on(ExportAnsweredV1, handlers.on_export_answered, exports, guard=Guard.STATE, max_records=_PARTS_AT_ONCE)
    service.on(TenantChangedV1, handlers.on_tenant_changed, PostgresOperatorActs, guard=Guard.STATE)
    service.reconcile(CANDIDATE_PROFILES, profiles_behind)
    service.reconcile(CANDIDATE_KEYS, keys_behind, keys_orphaned)
    service.read_back(ERASURES, PostgresStore.erase_again, store, behind=erasures_behind)

    service.queue(INVITATIONS, jobs.on_invitations, store, secrets, batch=jobs.INVITED_AT_ONCE, lanes=LANES)
    rotation = partial(PostgresRotation, epochs=epochs)
    service.queue(QUEUE, jobs.on_rotation, rotation)
    service.queue(EXPORTS, jobs.on_exports, exports, partial(taken_along, service.tenants.name_of), written, batch=1)
    service.queue(SHOWINGS, jobs.on_showings, store)
    service.periodic(_SELDOM, "missed_showings", jobs.find_missed_showings, store)
    service.periodic(_OFTEN, "lapse", jobs.lapse, store)
    service.periodic(_SELDOM, "ask_for_confirmations", jobs.ask_for_confirmations, PostgresErasures)
    service.periodic(_OFTEN, "tell_profiles", jobs.tell_profiles, store)
    service.periodic(_OFTEN, "release", jobs.release, store)
    service.periodic(_SELDOM, "forget", jobs.forget, store)
    service.periodic(_SELDOM, "ask_for_exports", jobs.ask_for_exports, exports)
    service.periodic(_SELDOM, "forget_exports", jobs.forget_exports, exports)
    service.periodic(_SELDOM, "forget_sessions", jobs.forget_sessions, PostgresSessions)
    secret_rows = partial(PostgresSecretRows, epochs=epochs, place=Round())
    service.periodic(_SELDOM, "reindex", jobs.reindex, secret_rows, secrets)
    emails = PostgresEmailChanges(service.work, store, secrets, epochs)
    service.every(_OFTEN, "settle_emails", jobs.settle_emails, emails)
    service.every(_SELDOM, "watch_erasures", jobs.watch_erasures, service.stores(PostgresErasures))
    service.every(_SELDOM, "titles", loaded.refresh_from, service.get_pool, by=None)

    app = service.http("Fairpool signup", signup_url=settings.signup_url)
    intake = PostgresIntake(
        service.get_pool, service.work, service.get_producer, keys, publish_within=settings.publish_within
    )
    erases = PostgresErasing(service.work, secrets, epochs, emails.hashed_old)
    _add_api(app, service, settings, epochs, intake, loaded, erases)
    if settings.role.has(Role.EDGE):
        service.api(
            app,
            erasing.router(erasing_edge(service, settings, erases)),
            sessions.api(sessions_edge(service, settings)),
            my_profile.api(profile_edge(service, settings, store, loaded)),
            held.api(held_edge(service, settings, epochs)),
            exporting.api(export_edge(service, settings, epochs)),
            email_changes.api(email_edge(service, settings, emails)),
        )
    any_body.mark(app, "/refuse/")
    if settings.role.has(Role.PAGES):
        requests = PostgresPageRequests(service.work)
        of_profiles = profile_edge(service, settings, store, loaded)
        service.pages(
            app,
            join.router(
                intake,
                requests,
                service.clock,
                index=settings.index,
                titles=suggestions(),
                occupations_of=loaded.occupations_of,
            ),
            sign_in.router(requests, index=settings.index),
            sessions.router(sessions_edge(service, settings)),
            profile.router(of_profiles),
            my_profile.pages(of_profiles),
            held.pages(held_edge(service, settings, epochs)),
            exporting.pages(export_edge(service, settings, epochs)),
            waiting_job.router(held_edge(service, settings, epochs)),
            email_changes.pages(email_edge(service, settings, emails)),
            email_links.pages(email_edge(service, settings, emails)),
            refuse.router(refusals, settings.links, service.clock.now),
            job_page.router(settings.links, service.clock.now),
            erasing.pages(erasing_edge(service, settings, erases)),
        )
    return service, app


def _add_api(
    app: FastAPI,
    service: Service,
    settings: Settings,
    epochs: EpochRows,
    intake: PostgresIntake,
    loaded: LoadedTitles,
    erases: PostgresErasing,
) -> None:
    """What vendors and operators call."""
    clock = service.clock
    backlog = PostgresBacklog(service.get_pool)
    kept_sources = PostgresSources(service.get_pool, service.work, epochs, clock.now, kept=settings.sources_kept)
    rotation, secret_rows = partial(PostgresRotation, epochs=epochs), partial(PostgresSecretRows, epochs=epochs)
    book = TenantTopic(service.work, service.tenants, service.catch_up_with_tenants, service.send)
    service.api(
        app,
        hooks.router(FORMATS, kept_sources, intake, backlog, service.tenants, clock, loaded.occupations_of),
        events.router(intake, backlog, service.tenants, clock, loaded.occupations_of),
        sources.router(FORMATS.keys(), kept_sources, service.tenants, clock, base_url=settings.signup_url),
        tenants.router(book, service.tenants, clock),
        people.router(
            PostgresOperatorStore(service.work),
            erases,
            service.tenants,
            index=settings.index,
            signup_url=settings.signup_url,
        ),
        erasures.router(service.looks(PostgresErasures), service.tenants),
        secret_standings.router(
            service.tenants, partial(standings, service.looks(secret_rows), settings.index, settings.hashes)
        ),
        vault.router(service.looks(rotation), service.stores(rotation), service.tenants),
    )


def holders_of(service: Service, settings: Settings) -> Holders:
    """Tells who is signed in."""
    urls = (settings.signup_url, settings.consent_url)
    return Holders(settings.sessions, service.clock.now, urls, sign_in=f"{settings.signup_url}/sign-in")


def person_links(service: Service, settings: Settings) -> PersonLinks:
    """Reads what opens something of a person's."""
    return PersonLinks(settings.links, service.looks(PostgresSessions), service.clock.now)


def sessions_edge(service: Service, settings: Settings) -> sessions.SessionsEdge:
    """What the routes of sessions work with."""
    holders = holders_of(service, settings)
    look = service.looks(PostgresSessions)
    return sessions.SessionsEdge(
        change=service.stores(PostgresSessions),
        look=look,
        links=person_links(service, settings),
        statements=settings.verifier.statements,
        signer=settings.session_signer,
        holders=holders,
        signed_in=signed_in(holders, look),
        now=service.clock.now,
        navigation=Navigation(settings.signup_url, settings.consent_url),
    )


def erasing_edge(service: Service, settings: Settings, erases: PostgresErasing) -> erasing.ErasingEdge:
    """What the routes of a person's erasure work with."""
    signer = DocumentSigner(settings.signing_key)
    return erasing.ErasingEdge(
        erasing=erases,
        links=person_links(service, settings),
        holders=holders_of(service, settings),
        look=service.looks(PostgresSessions),
        now=service.clock.now,
        signer=signer,
        own=PEOPLE.swept,
        keys=tuple(dict.fromkeys([signer.public, *settings.certificate_keys])),
        signup_url=settings.signup_url,
        consent_url=settings.consent_url,
    )


def signed_in_of(service: Service, settings: Settings) -> Callable[..., Awaitable[Holder]]:
    """Who is signed in with a session that was not ended."""
    return signed_in(holders_of(service, settings), service.looks(PostgresSessions))


def held_edge(service: Service, settings: Settings, epochs: EpochRows) -> held.HeldEdge:
    """What the routes of what is held of a person work with."""
    return held.HeldEdge(
        store=PostgresHeld(service.work, epochs),
        signed_in=signed_in_of(service, settings),
        names=service.tenants.name_of,
        now=service.clock.now,
        navigation=Navigation(settings.signup_url, settings.consent_url),
    )


def export_edge(service: Service, settings: Settings, epochs: EpochRows) -> exporting.ExportEdge:
    """What the routes of what a person takes along work with."""
    exports = partial(PostgresExports, epochs=epochs)
    return exporting.ExportEdge(
        change=service.stores(exports),
        look=service.looks(exports),
        signed_in=signed_in_of(service, settings),
        navigation=Navigation(settings.signup_url, settings.consent_url),
    )


def email_edge(service: Service, settings: Settings, emails: PostgresEmailChanges) -> email_changes.EmailEdge:
    """What the routes of a person's email work with."""
    return email_changes.EmailEdge(
        changes=emails,
        requests=PostgresPageRequests(service.work),
        links=person_links(service, settings),
        signed_in=signed_in_of(service, settings),
        origins=holders_of(service, settings).origins,
        origin_key=settings.index.key,
        now=service.clock.now,
        navigation=Navigation(settings.signup_url, settings.consent_url),
    )


def profile_edge(service: Service, settings: Settings, store: OpensStore, loaded: LoadedTitles) -> ProfileEdge:
    """What the routes of a person's profile work with."""
    return ProfileEdge(
        change=service.stores(store),
        look=service.looks(store),
        has_published=partial(service.has_published, within=settings.publish_within),
        now=service.clock.now,
        links=person_links(service, settings),
        names=service.tenants.name_of,
        occupations_of=loaded.occupations_of,
        titles=tuple(suggestions()),
        notices=loaded.present_notices,
        consent_url=settings.consent_url,
        signed_in=signed_in_of(service, settings),
        navigation=Navigation(settings.signup_url, settings.consent_url),
    )
