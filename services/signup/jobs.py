"""What comes due by itself: invitations, pauses that end, stubs whose time is over, keys to destroy."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from datetime import datetime, timedelta
from typing import Any

import structlog

from services.signup.decisions import exports as taking_along
from services.signup.decisions import notices
from services.signup.decisions import showing as showing_decisions
from services.signup.decisions.inviting import may_invite
from services.signup.mailboxes import look_up_mailboxes
from services.signup.model.exports import ASKED_AGAIN_AFTER as EXPORT_ASKED_AGAIN_AFTER
from services.signup.model.held import Held
from services.signup.model.invitations import Asked
from services.signup.model.people import Person
from services.signup.ports.erasing import Erasures
from services.signup.ports.exports import Exports
from services.signup.ports.intake import KEPT
from services.signup.ports.pages import EmailChanges, Sessions
from services.signup.ports.store import LANES, Store
from services.signup.ports.vault import SecretRows, VaultRotation
from services.signup.vault.sealing import open_identity
from services.signup.vault.secrets import VaultSecrets
from shared import i18n
from shared.contracts.signup import CandidateLapsedV1, CoarseProfile
from shared.ids import new_id
from shared.runner.model import Again, Job
from shared.security.boxes import CannotOpenError

INVITED_AT_ONCE = 32
"""Half a second of hashing on two cores: a transaction stays short."""
ASKED_AGAIN_AFTER = timedelta(minutes=10)
"""Kafka keeps the question while consent is away: this is for one that was lost on the way."""
ASKED_AT_LAST = timedelta(days=1)
"""An erasure that no service confirms is told of again so rarely in the end, for as long as it is outstanding."""
INTAKE_KEPT = timedelta(days=14)
"""Before the day that is destroyed: 7 days on the topic and 7 among the dead letters. Nothing sealed opens after 15 days."""
PAGE_REQUESTS_KEPT = timedelta(days=1)
ORIGINS_KEPT = timedelta(hours=1)
PROFILE_TOLD_EVERY = timedelta(days=1)
MISSED_AFTER = timedelta(minutes=1)
"""Longer than what is due waits for its turn."""
_AT_ONCE = 500
_SETTLED_AT_ONCE = 20
"""Each in a transaction of its own, with a slow hash before it."""
_log = structlog.get_logger(__name__)


async def on_invitations(store: Store, work: Sequence[Job], secrets: VaultSecrets) -> None:
    """Decides who of them is invited, and asks for their emails."""
    waiting = await store.to_invite([_asked(job) for job in work])
    rows = await store.identities([one.candidate for one in waiting])
    present = [one for one in waiting if one.candidate in rows]
    mails = [open_identity(rows[one.candidate], secrets.epochs).mail for one in present]
    mailboxes = await look_up_mailboxes(store, mails, secrets.hashes)
    chosen = [
        (one, mailbox)
        for one, mailbox in zip(present, mailboxes, strict=True)
        if may_invite(mailbox.past, by_join=one.by_join, at=store.at)
    ]
    await store.note_invitations(await asyncio.gather(*(mailbox.to_note(secrets.hashes) for _, mailbox in chosen)))
    for one, _ in chosen:
        notice = notices.confirm(one)
        store.publish(notice, id=notice.notice)
    _log.info("invited", asked=len(chosen), refused=len(work) - len(chosen))


def _asked(job: Job) -> Asked:
    at = (job.payload or {}).get("asked_at")
    return Asked(job.key, job.lane == LANES[0], job.run_at if at is None else datetime.fromisoformat(at))


async def on_rotation(vault: VaultRotation, work: Sequence[Job]) -> Again:
    """One step of a rotation of the vault; the next one follows at once."""
    return dict.fromkeys((job.key for job in work), vault.at) if await vault.step() else {}


async def on_showings(store: Store, work: Sequence[Job]) -> Again:
    """Shows again whose pause is over, and hides whose consent has ended; who is not due yet is looked at then."""
    showings = (await store.showings([job.key for job in work])).values()
    due = [one for one in showings if one.look_again_at is not None and one.look_again_at <= store.at]
    after = [showing_decisions.settled(one, at=store.at) for one in due]
    await store.save_showings(after)
    for old, new in zip(due, after, strict=True):
        if news := showing_decisions.news(old, new):
            store.publish(news)
    return {
        one.candidate: one.look_again_at
        for one in showings
        if one.look_again_at is not None and one.look_again_at > store.at
    }


async def find_missed_showings(store: Store) -> bool:
    """Whom nobody has to look at though their time is over is looked at now."""
    missed = await store.missed_showings(store.at - MISSED_AFTER, limit=_AT_ONCE)
    store.look_at(missed)
    return len(missed) == _AT_ONCE


async def lapse(store: Store) -> bool:
    """Asks consent about stubs whose 14 days are over, and again about whoever is not settled yet.

    Nothing is erased on signup's word alone: the person may have answered a moment ago.
    """
    over = await store.lapse_expired(limit=_AT_ONCE)
    again = await store.ask_again(store.at - ASKED_AGAIN_AFTER, limit=_AT_ONCE)
    for one in (*over, *again):
        store.publish(CandidateLapsedV1(candidate=one.candidate, at=one.at, reason=one.reason))
    if over or again:
        _log.info("stubs_lapse", expired=len(over), asked_again=len(again))
    return max(len(over), len(again)) == _AT_ONCE


async def ask_for_confirmations(erasures: Erasures) -> bool:
    """Tells of an erasure again, as long as a service has not confirmed it, rarer each time: what was lost on the way, or in a restore, is caught up."""
    asked = await erasures.ask_again(first=ASKED_AGAIN_AFTER, longest=ASKED_AT_LAST, limit=_AT_ONCE)
    if asked:
        _log.warning("erasures_outstanding", asked_again=asked)
    return asked == _AT_ONCE


async def watch_erasures(erasures: Callable[[], AbstractAsyncContextManager[Erasures]]) -> None:
    """Shows in the metrics of this process since when each service owes a confirmation."""
    async with erasures() as store:
        await store.note_oldest()


async def tell_profiles(store: Store) -> bool:
    """Emails those whose kept profile was changed: at once, or a day after they were told last, whoever held the link."""
    changed = await store.take_profiles_to_tell(store.at - PROFILE_TOLD_EVERY, limit=_AT_ONCE)
    for candidate, at in changed.items():
        notice = notices.profile_changed(candidate, changed_at=at, at=store.at)
        store.publish(notice, id=notice.notice)
    if changed:
        _log.info("profile_changes_told", count=len(changed))
    return len(changed) == _AT_ONCE


async def release(store: Store) -> bool:
    """Puts what waited for somebody's erasure, or for their answer, back onto the topic, now that it is settled."""
    released = await store.release(limit=_AT_ONCE)
    for one in released:
        store.publish(one.event, id=new_id("again"))
    if released:
        _log.info("reports_released", count=len(released))
    return len(released) == _AT_ONCE


async def reindex(rows: SecretRows, secrets: VaultSecrets) -> bool:
    """Brings who was indexed by another key under the first one: once it has, nobody is found by the others any more."""
    found, has_more = await rows.to_reindex(secrets.index, limit=_AT_ONCE)
    mails = {}
    for who, row in found.items():
        with suppress(CannotOpenError):  # who can't be read stays under the older key, and is counted there
            mails[who] = open_identity(row, secrets.epochs).mail
    done = await rows.reindex(secrets.index, mails)
    if done:
        _log.info("reindexed", count=done)
    return has_more


async def forget(store: Store) -> bool:
    """Destroys intake keys that are older than anything they sealed, and other traces that have had their time; some at a time."""
    counts = (
        await store.forget_intake(store.at - INTAKE_KEPT, limit=_AT_ONCE),
        await store.forget_kept(store.at - KEPT, limit=_AT_ONCE),
        await store.forget_page_requests(
            store.at - PAGE_REQUESTS_KEPT, origins_before=store.at - ORIGINS_KEPT, limit=_AT_ONCE
        ),
        await store.forget_refusals(limit=_AT_ONCE),
        await store.forget_certificates(limit=_AT_ONCE),
    )
    return max(counts) == _AT_ONCE


async def on_exports(
    exports: Exports,
    work: Sequence[Job],
    provenance: Callable[[Held, datetime], Mapping[str, Any]],
    resume: Callable[[CoarseProfile | None, Person], Mapping[str, Any]],
) -> None:
    """Makes the zip of whom consent has answered about, keeps it sealed for a day, and has them emailed.

    What consent said and does not open is dropped: it is asked again.
    """
    for job in work:
        waiting = await exports.waiting(job.key)
        held = await exports.held(waiting.candidate) if waiting is not None else None
        if waiting is None or held is None:
            continue
        if waiting.answered is None:
            await exports.drop_parts(job.key)
            _log.error("export_answer_does_not_open", export=job.key)
            continue
        files = {
            "resume.json": taking_along.document(resume(held.profile, held.identity)),
            "provenance.json": taking_along.document(provenance(held, exports.at)),
            **waiting.answered,
        }
        with i18n.reading(i18n.locale_of(held.language) or "en"):
            zipped = await asyncio.to_thread(taking_along.zipped, files, at=exports.at)
        event = taking_along.ready(waiting.candidate, at=exports.at)
        await exports.finish(waiting.candidate, job.key, zipped, until=event.expires_at)
        exports.say(event)
        _log.info("export_ready", export=job.key, bytes=len(zipped))


async def ask_for_exports(exports: Exports) -> bool:
    """Asks consent again about what it has not answered whole: what was lost on the way is caught up."""
    asked = await exports.ask_again(exports.at - EXPORT_ASKED_AGAIN_AFTER, limit=_AT_ONCE)
    if asked:
        _log.warning("exports_waiting", asked_again=asked)
    return asked == _AT_ONCE


async def forget_exports(exports: Exports) -> bool:
    """Forgets what was to be taken along, a day after it was ready, and what nobody waits for any more."""
    return await exports.forget(limit=_AT_ONCE) == _AT_ONCE


async def forget_sessions(sessions: Sessions) -> bool:
    """Forgets sessions whose time is over, once the links that were spent for them work no more either."""
    return await sessions.forget(_AT_ONCE) == _AT_ONCE


async def settle_emails(emails: EmailChanges) -> None:
    """Changes of emails whose time is over: what nobody answered goes, a recovery counts, an address that was given up is forgotten."""
    while await emails.settle(_SETTLED_AT_ONCE):
        pass
