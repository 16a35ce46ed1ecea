"""What the gateway does without being asked: due slots, and windows that were lost."""

import secrets
from datetime import timedelta

import structlog

from services.outreach_gateway.adapters.postgres import SQL, booked_since
from services.outreach_gateway.adapters.redis_windows import KEPT
from services.outreach_gateway.ports import Epoch, Windows
from shared.clock import Clock
from shared.messaging.unit import unit_of_work
from shared.postgres.pool import Pool

CHANGES_KEPT = timedelta(days=100)
_log = structlog.get_logger(__name__)


async def present_epoch(pool: Pool) -> Epoch:
    """The epoch that batches run under now."""
    return Epoch(await pool.fetchval(SQL["present_epoch"]))


async def keep_windows_intact(pool: Pool, windows: Windows, clock: Clock) -> bool:
    """Builds the windows anew when the Redis that answers has not this epoch's; whether it did.

    The epoch's row is taken FOR UPDATE: every batch that still runs under the old one ends first, and none begins until
    the new windows stand. Of several processes one builds and the others find it done. Killed on the way, it leaves
    windows that no epoch names.
    """
    if await windows.is_intact(await present_epoch(pool)):
        return False
    async with unit_of_work(pool, at=clock.now(), source="outreach_gateway") as unit:
        locked = Epoch(await unit.connection.fetchval(SQL["take_epoch"]))
        if await windows.is_intact(locked):
            return False
        fresh = Epoch(secrets.token_hex(8))
        _log.warning("windows_lost", epoch=locked.name)
        await windows.build(booked_since(unit, unit.at - KEPT), fresh)
        await unit.connection.execute(SQL["raise_epoch"], fresh.name)
    _log.warning("windows_rebuilt", epoch=fresh.name)
    return True


async def forget_old_changes(pool: Pool, clock: Clock) -> None:
    """The feed keeps 100 days."""
    await pool.execute(SQL["forget_changes"], clock.now() - CHANGES_KEPT)
