"""What the gateway does without being asked: due slots, and windows that were lost."""

import secrets
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta

import structlog

from services.outreach_gateway.decisions import KEPT
from services.outreach_gateway.ports import Epoch, Epochs, Windows

OpenEpochs = Callable[[], AbstractAsyncContextManager[Epochs]]
"""A transaction on the epoch's row."""

_log = structlog.get_logger(__name__)


async def keep_windows_intact(epochs: OpenEpochs, windows: Windows) -> bool:
    """Builds the windows anew when the Redis that answers has not this epoch's; whether it did.

    The epoch's row is taken for update: every batch that still runs under the old one ends first, and none begins until
    the new windows stand. Of several processes one builds and the others find it done. Killed on the way, it leaves
    windows that no epoch names.
    """
    async with epochs() as rows:
        if await windows.is_intact(await rows.present()):
            return False
    async with epochs() as rows:
        locked = await rows.take()
        if await windows.is_intact(locked):
            return False
        fresh = Epoch(secrets.token_hex(8))
        _log.warning("windows_lost", epoch=locked.name)
        await windows.build(rows.booked(KEPT), fresh)
        await rows.begin(fresh)
    _log.warning("windows_rebuilt", epoch=fresh.name)
    return True


async def forget_old_changes(epochs: OpenEpochs, *, kept: timedelta = KEPT) -> None:
    """The feed keeps 100 days."""
    async with epochs() as rows:
        await rows.forget_changes(kept)
