"""Puts the courier together."""

import socket
from datetime import timedelta
from functools import partial
from pathlib import Path

import structlog
from fastapi import FastAPI

from services.signup.courier import handlers, jobs
from services.signup.courier.adapters.consents import ConsentProjection, check, is_current
from services.signup.courier.adapters.letters import JinjaLetters
from services.signup.courier.adapters.postgres import PostgresCourier
from services.signup.courier.adapters.smtp import SmtpRelay
from services.signup.courier.adapters.tenants import CourierTenants
from services.signup.courier.sending import Sender
from services.signup.courier.settings import CourierSettings
from services.signup.vault.epoch_rows import EpochRows
from services.signup.vault.epochs import Epochs
from services.signup.vault.keepers import keeper_of
from services.signup.vault.watching import LOOKS_EVERY, EpochWatch
from shared.contracts.consent import GrantNoticedV1
from shared.contracts.outreach_gateway import OutreachDecidedV1
from shared.contracts.signup import (
    CandidateErasedV1,
    EmailNoticeRequestedV1,
    ExportReadyV1,
    NoticeRequestedV1,
    NoticeRequestedV2,
)
from shared.contracts.topics import CONSENT_STATE, ERASURES
from shared.ids import new_id
from shared.security.links import LinkSigner
from shared.security.statements import StatementSigner
from shared.service import Guard, Service

_MIGRATIONS = Path(__file__).parent.parent / "migrations"  # one series for the database that signup and courier share
_FORGETS_EVERY = timedelta(hours=1)
MAILS = "mails"
"""What couriers tell one another of: more mails than one takes at a time."""
_SPARE = timedelta(seconds=2)  # of the stop's time, for what stops after the sender

_log = structlog.get_logger(__name__)


def build(settings: CourierSettings) -> tuple[Service, FastAPI]:
    """The courier's process, ready to serve."""
    service = Service("courier", settings, database=settings.signup_database, migrations=_MIGRATIONS)
    if settings.operator.missing:
        _log.warning("emails_name_no_operator", missing=settings.operator.missing)
    relay = SmtpRelay(
        settings.smtp, connections=settings.courier_connections, within=settings.smtp_within, ca=settings.smtp_ca
    )
    epochs = EpochRows(Epochs(), keeper_of(settings.vault_keys))
    watch = EpochWatch(epochs, service.get_pool, service.clock, makes=False)
    service.open(watch.opened)
    service.every(LOOKS_EVERY, "epochs", watch.look, by=None)
    service.check("vault", watch.check)
    sender: Sender
    store = partial(PostgresCourier, epochs=epochs, kept=lambda: sender.kept())
    mails = service.stores(store)
    tenants = CourierTenants(service.tenants)
    service.open(relay.open)

    service.on(OutreachDecidedV1, handlers.on_outreach_decided, store, guard=Guard.VERSION)
    service.on(NoticeRequestedV1, handlers.on_notice_requested, store, guard=Guard.STATE)
    service.on(NoticeRequestedV2, handlers.on_notice_requested, store, guard=Guard.STATE)
    service.on(GrantNoticedV1, handlers.on_grant_noticed, store, guard=Guard.STATE)
    service.on(EmailNoticeRequestedV1, handlers.on_email_notice, store, guard=Guard.STATE)
    service.on(ExportReadyV1, handlers.on_export_ready, store, guard=Guard.STATE)
    service.on(CandidateErasedV1, handlers.on_candidate_erased, store, guard=Guard.STATE)
    service.replay(ERASURES, handlers.erase_again, store)
    projection = ConsentProjection(mails, handlers.on_consent_changed, service.get_pool)
    consents = service.follow(CONSENT_STATE, projection.apply, stored=projection.stored)

    letters = JinjaLetters(
        LinkSigner(settings.link_signing_key, settings.link_subject_key[0], StatementSigner(settings.signing_key)),
        settings.link_subject_key[0],
        service.tenants.name_of,
        settings.operator,
        consent_url=settings.consent_url,
        signup_url=settings.signup_url,
        domain=settings.mail_domain,
    )
    sender = Sender(
        courier=f"{socket.gethostname()}.{new_id('courier')}",
        open_store=mails,
        open_look=service.looks(store),
        check_consents=partial(check, consents),
        letters=letters,
        relay=relay,
        tenant_name=service.tenants.name_of,
        sender_standing=tenants.of_sender,
        introducer_standing=tenants.of_introducer,
        clock=service.clock,
        batch=settings.courier_batch,
        at_once=settings.courier_connections,
        lease=settings.courier_lease,
        stop_within=max(settings.stop_within - _SPARE, settings.stop_within / 2),
        tell=service.teller(MAILS),
    )
    service.hears(MAILS, sender.wake)
    service.job("sender", sender.run)
    service.every(settings.courier_lease / 5, "watch", sender.watch)
    service.periodic(_FORGETS_EVERY, "forget_mails", jobs.forget, store)
    service.check("smtp", partial(sender.breaker.must_be_let_in, relay))
    service.check("consent_copy", partial(is_current, consents))
    return service, service.http("Fairpool courier")
