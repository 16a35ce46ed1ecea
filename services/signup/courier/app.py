"""Puts the courier together."""

import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import structlog
from fastapi import FastAPI

from services.signup.courier.adapters.letters import JinjaLetters
from services.signup.courier.adapters.postgres import PostgresCourier, read_positions
from services.signup.courier.adapters.smtp import SmtpRelay
from services.signup.courier.handlers import on_consent_changed, on_notice_requested, on_outreach_decided
from services.signup.courier.model import ConsentCheck, Standing
from services.signup.courier.sending import Sender
from services.signup.courier.settings import CourierSettings
from shared import wording
from shared.clock import elapsed
from shared.contracts.base import Event
from shared.contracts.consent import ConsentChangedV1
from shared.contracts.outreach_gateway import OutreachDecidedV1
from shared.contracts.signup import NoticeRequestedV1, NoticeRequestedV2
from shared.contracts.topics import CONSENT_STATE, NOTICES, OUTREACH_DECISIONS
from shared.ids import new_id
from shared.messaging.consumer import Subscription
from shared.messaging.envelope import Received, only
from shared.messaging.follower import Positions, must_catch_up
from shared.messaging.unit import Unit, unit_of_work
from shared.security.links import LinkSigner
from shared.service import Service

_MIGRATIONS = Path(__file__).parent.parent / "migrations"  # one series for the database that signup and courier share
_CATCH_UP_WITHIN = timedelta(milliseconds=400)
_READY_WITHIN = timedelta(milliseconds=1500)
_FORGET_AFTER = timedelta(days=110)  # longer than decisions are kept (100 days): none comes back without its row
_FORGOTTEN_AT_ONCE = 5_000
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

    def tenant_name(tenant: str) -> str | None:
        known = service.tenants.get(tenant)
        return wording.tenant(known.name, known.domain) if known is not None else None

    def sender_is_out(tenant: str) -> bool:
        known = service.tenants.get(tenant)
        return known is not None and known.suspended

    def introducer_standing(tenant: str) -> Standing:
        known = service.tenants.get(tenant)
        vendor = service.tenants.get(known.vendor) if known is not None and known.vendor else None
        if known is not None and known.removed:
            return "removed"
        return "suspended" if any(one is not None and one.suspended for one in (known, vendor)) else "good"

    letters = JinjaLetters(
        LinkSigner(settings.link_signing_key, settings.link_subject_key),
        settings.link_subject_key,
        tenant_name,
        settings.operator,
        consent_url=settings.consent_url,
        signup_url=settings.signup_url,
        domain=settings.mail_domain,
    )

    def store(unit: Unit) -> PostgresCourier:
        return PostgresCourier(unit, settings.vault_key)

    @asynccontextmanager
    async def open_store() -> AsyncIterator[PostgresCourier]:
        async with unit_of_work(service.pool, at=service.clock.now(), source=service.name) as unit:
            yield store(unit)
        if unit.outbox_ids:  # most turns of the sender find nothing, and must not make the relay look
            service.relay.wake(unit.shards)

    async def keep_consents(received: Sequence[Received[Event]], positions: Positions) -> None:
        async with open_store() as kept:
            await on_consent_changed(kept, only(ConsentChangedV1, received), positions)

    async def stored() -> Positions:
        return await read_positions(service.pool)

    consents = service.follow(CONSENT_STATE, keep_consents, stored=stored)

    async def check_consents() -> ConsentCheck:
        at = elapsed()  # before the question, so that the answer is never taken for newer than it is
        await must_catch_up(consents, within=_CATCH_UP_WITHIN)
        return ConsentCheck(at)

    sender = Sender(
        courier=f"{socket.gethostname()}.{new_id('courier')}",
        open_store=open_store,
        check_consents=check_consents,
        letters=letters,
        relay=relay,
        tenant_name=tenant_name,
        sender_is_out=sender_is_out,
        introducer_standing=introducer_standing,
        clock=service.clock,
        batch=settings.courier_batch,
        at_once=settings.courier_connections,
        lease=settings.courier_lease,
        stop_within=max(settings.stop_within - _SPARE, settings.stop_within / 2),
    )

    async def decided(unit: Unit, received: Sequence[Received[Event]]) -> None:
        await on_outreach_decided(store(unit), only(OutreachDecidedV1, received), at=unit.at)

    async def requested(unit: Unit, received: Sequence[Received[Event]]) -> None:
        at, kept = unit.at, store(unit)
        await on_notice_requested(kept, only(NoticeRequestedV1, received), at=at)
        await on_notice_requested(kept, only(NoticeRequestedV2, received), at=at)

    async def forget() -> None:
        gone = _FORGOTTEN_AT_ONCE
        while gone == _FORGOTTEN_AT_ONCE:
            async with open_store() as kept:
                gone = await kept.forget(_FORGOTTEN_AT_ONCE, older_than=_FORGET_AFTER)

    # Versions and ids guard every effect, so the inbox has nothing to add.
    for group, topic, handle, takes in (
        ("courier.outreach-decisions", OUTREACH_DECISIONS, decided, (OutreachDecidedV1,)),
        ("courier.notices", NOTICES, requested, (NoticeRequestedV1, NoticeRequestedV2)),
    ):
        service.subscribe(Subscription(group, (topic,), handle, takes=takes, deduplicate=False))
    service.open(lambda: relay)
    service.every(settings.courier_lease / 5, "watch", sender.watch)
    service.every(timedelta(hours=1), "forget", forget)
    service.job("sender", sender.run)
    service.check("smtp", lambda: sender.breaker.must_be_let_in(relay))
    service.check("consent_copy", lambda: must_catch_up(consents, within=_READY_WITHIN))
    return service, service.http("Fairpool courier")
