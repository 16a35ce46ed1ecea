"""What the gateway does without being asked: due slots, and rows that are old."""

from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta

from services.outreach_gateway import handlers
from services.outreach_gateway.adapters.metrics import DUE_ROWS, OLDEST_DUE_SECONDS
from services.outreach_gateway.decisions import ENDED_KEPT
from services.outreach_gateway.model import Standing
from services.outreach_gateway.ports import Epochs, Store, Windows, WindowsHeldError
from shared.facts import Known

OpenEpochs = Callable[[], AbstractAsyncContextManager[Epochs]]
"""A transaction on the rows of the epochs."""

_FORGOTTEN_AT_ONCE = 5_000
_MISSED_AT_ONCE = 500


async def forget_ended(rows: Epochs, kept: timedelta = ENDED_KEPT) -> bool:
    """What ended 110 days ago goes; some at a time."""
    return await rows.forget_ended(_FORGOTTEN_AT_ONCE, kept=kept) == _FORGOTTEN_AT_ONCE


async def note_due(epochs: OpenEpochs) -> None:
    """How much waits to be decided, and how long the oldest has waited, as metrics."""
    async with epochs() as rows:
        waiting, age = await rows.due_state()
    DUE_ROWS.set(waiting)
    OLDEST_DUE_SECONDS.set(age.total_seconds())


async def say_what_is_held(windows: Windows) -> None:
    """WindowsHeldError, which metrics show, while people of some shards have to wait for their windows."""
    if windows.held:
        raise WindowsHeldError(f"the windows of {len(windows.held)} shards are held")


async def find_missed_due(store: Store) -> bool:
    """What is due though nobody has to decide it is decided now."""
    missed = await store.missed_due(_MISSED_AT_ONCE)
    store.decide_for(missed, store.at)
    return len(missed) == _MISSED_AT_ONCE


async def cancel_of_suspended(
    store: Store, tenants: Callable[[], Iterable[str]], standing: handlers.StandingOf, limit: int
) -> bool:
    """What suspended and removed employers have waiting holds no slot that others could have."""
    employers = [id for id in tenants() if standing(id) == Known(Standing.SUSPENDED)]
    return bool(employers) and await handlers.on_senders_suspended(store, standing, employers, limit=limit) == limit
