"""What comes due by itself: invitations, pauses that end, stubs whose time is over, keys to destroy."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from datetime import timedelta

import structlog

from services.signup.decisions import notices
from services.signup.decisions import showing as showing_decisions
from services.signup.decisions.inviting import may_invite
from services.signup.ports import Store
from services.signup.vault.addresses import slow_hash
from services.signup.vault.sealing import SealedIdentity, open_identity
from services.signup.vault.secrets import VaultSecrets

Work = Callable[[], AbstractAsyncContextManager[Store]]
"""Opens a unit of work with its store."""

INVITED_AT_ONCE = 32
"""Half a second of hashing on two cores: a transaction stays short."""
PURGE_GRACE = timedelta(minutes=10)
"""A confirmation in the last minute still has time to arrive."""
INTAKE_KEPT = timedelta(days=14)
"""Before the day that is destroyed: 7 days on the topic and 7 among the dead letters. Nothing sealed opens after 15 days."""
PAGE_REQUESTS_KEPT = timedelta(days=1)
ORIGINS_KEPT = timedelta(hours=1)
_AT_ONCE = 500
_HASHING = ThreadPoolExecutor(max_workers=2, thread_name_prefix="slow-hash")  # more would starve the event loop
_log = structlog.get_logger(__name__)


async def invite(work: Work, secrets: VaultSecrets) -> int:
    """Decides some invitations and asks for their mails; how many were looked at."""
    async with work() as store:
        waiting = await store.take_to_invite(limit=INVITED_AT_ONCE)
        rows = await store.identities([one.candidate for one in waiting])
        present = [one for one in waiting if one.candidate in rows]
        hashes = await asyncio.gather(*(_hashed(rows[one.candidate], secrets) for one in present))
        past = await store.past_invitations(hashes)
        chosen = [
            (one, slow)
            for one, slow in zip(present, hashes, strict=True)
            if may_invite(past.get(slow, 0), by_join=one.by_join)
        ]
        await store.note_invitations([slow for _, slow in chosen])
        for one, slow in chosen:
            notice = notices.confirm(one, number=past.get(slow, 0) + 1)
            store.publish(notice, id=notice.notice)
    if waiting:
        _log.info("invited", asked=len(chosen), refused=len(waiting) - len(chosen))
    return len(waiting)


async def _hashed(row: SealedIdentity, secrets: VaultSecrets) -> bytes:
    mail = open_identity(row, secrets.vault_key).mail
    return await asyncio.get_running_loop().run_in_executor(_HASHING, slow_hash, mail, secrets.blind_index_key)


async def look_again(work: Work) -> None:
    """Shows again whose pause is over, and hides whose consent has ended."""
    async with work() as store:
        due = await store.showings_due(limit=_AT_ONCE)
        after = [showing_decisions.settled(one, at=store.at) for one in due]
        await store.save_showings(after)
        for old, new in zip(due, after, strict=True):
            if news := showing_decisions.news(old, new):
                store.publish(news, id=f"{new.candidate}:profile:{news.version}")


async def purge(work: Work) -> None:
    """Erases stubs whose 14 days are over, whole; only the slow hash of their mail stays."""
    async with work() as store:
        gone = await store.purge_stubs(store.at - PURGE_GRACE, limit=_AT_ONCE)
    if gone:
        _log.info("stubs_purged", count=gone)


async def forget(work: Work) -> None:
    """Destroys intake keys that are older than anything they sealed, and other traces that have had their time."""
    async with work() as store:
        await store.forget_intake(store.at - INTAKE_KEPT)
        await store.forget_page_requests(store.at - PAGE_REQUESTS_KEPT, origins_before=store.at - ORIGINS_KEPT)
