"""What the gateway does without being asked: due slots, and windows that were lost."""

import secrets
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta

import structlog

from services.outreach_gateway import handlers
from services.outreach_gateway.adapters.metrics import DUE_ROWS, OLDEST_DUE_SECONDS, REBUILD_SECONDS, WINDOWS_INTACT
from services.outreach_gateway.decisions import ENDED_KEPT, KEPT
from services.outreach_gateway.model import Policy, Standing
from services.outreach_gateway.ports import Epoch, Epochs, Store, Windows

OpenEpochs = Callable[[], AbstractAsyncContextManager[Epochs]]
"""A transaction on the epoch's row."""
OpenStore = Callable[[], AbstractAsyncContextManager[Store]]
"""A transaction on the rows."""

_FORGOTTEN_AT_ONCE = 5_000

_log = structlog.get_logger(__name__)


async def keep_windows_intact(epochs: OpenEpochs, windows: Windows) -> bool:
    """Builds the windows anew when the Redis that answers has not this epoch's, or not what was put there; whether it did.

    The epoch is locked: every batch that still runs under the old one ends first, and none begins until
    the new windows stand. Of several processes one builds and the others find it done. What is there is cleared first,
    also what an attempt left that was killed or that Redis had no room for: there is never more than one set of windows.
    """
    try:
        async with epochs() as rows:
            present = await rows.present()
        intact = await windows.is_intact(present)
    except Exception:
        WINDOWS_INTACT.set(0)
        raise
    WINDOWS_INTACT.set(intact)
    if intact:
        return False
    started = time.perf_counter()
    async with epochs() as rows:
        locked = await rows.take()
        if await windows.is_intact(locked):
            return False
        fresh = Epoch(secrets.token_hex(8))
        _log.warning("windows_lost", epoch=locked.name)
        async for _ in windows.clear():
            await rows.present()  # PostgreSQL ends a transaction in which nothing is asked for 40 s
        await windows.build(rows.booked(KEPT), fresh)
        await rows.begin(fresh)
    REBUILD_SECONDS.observe(time.perf_counter() - started)
    WINDOWS_INTACT.set(1)
    _log.warning("windows_rebuilt", epoch=fresh.name)
    return True


async def forget_old_changes(epochs: OpenEpochs, *, kept: timedelta = KEPT) -> None:
    """The feed keeps 100 days; some at a time, a transaction each."""
    more = True
    while more:
        async with epochs() as rows:
            more = await rows.forget_changes(_FORGOTTEN_AT_ONCE, kept=kept) == _FORGOTTEN_AT_ONCE


async def forget_ended(epochs: OpenEpochs, *, kept: timedelta = ENDED_KEPT) -> None:
    """What ended 110 days ago goes; some at a time, a transaction each."""
    more = True
    while more:
        async with epochs() as rows:
            more = await rows.forget_ended(_FORGOTTEN_AT_ONCE, kept=kept) == _FORGOTTEN_AT_ONCE


async def note_due(epochs: OpenEpochs) -> None:
    """How much waits to be decided, and how long the oldest has waited, as metrics."""
    async with epochs() as rows:
        waiting, age = await rows.due_state()
    DUE_ROWS.set(waiting)
    OLDEST_DUE_SECONDS.set(age.total_seconds())


async def decide_due(
    stores: OpenStore, windows: Windows, policy: Policy, standing: handlers.StandingOf, limit: int
) -> None:
    """Decides what has come due, some at a time, a transaction each."""
    taken = limit
    while taken == limit:
        async with stores() as store:
            taken = await handlers.on_due(store, windows, policy, standing, limit=limit)


async def cancel_of_suspended(
    stores: OpenStore, tenants: Callable[[], Iterable[str]], standing: handlers.StandingOf, limit: int
) -> None:
    """What suspended and removed employers have waiting holds no slot that others could have."""
    taken = limit
    while taken == limit:
        employers = [id for id in tenants() if standing(id) is Standing.SUSPENDED]
        if not employers:
            return
        async with stores() as store:
            taken = await handlers.on_senders_suspended(store, standing, employers, limit=limit)
