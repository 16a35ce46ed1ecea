"""What the gateway does without being asked: due slots, and rows that are old."""

from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta

from services.outreach_gateway import handlers
from services.outreach_gateway.adapters.metrics import DUE_ROWS, OLDEST_DUE_SECONDS
from services.outreach_gateway.decisions import ENDED_KEPT
from services.outreach_gateway.model import Policy, Standing
from services.outreach_gateway.ports import Epochs, Store, Windows, WindowsHeldError

OpenEpochs = Callable[[], AbstractAsyncContextManager[Epochs]]
"""A transaction on the rows of the epochs."""
OpenStore = Callable[[], AbstractAsyncContextManager[Store]]
"""A transaction on the rows."""

_FORGOTTEN_AT_ONCE = 5_000


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
    """Decides what has come due, some at a time, a transaction each; then WindowsHeldError if people of some shards have to
    wait for their windows."""
    taken = limit
    while taken == limit:
        async with stores() as store:
            taken = await handlers.on_due(store, windows, policy, standing, limit=limit)
    if windows.held:
        raise WindowsHeldError(f"the windows of {len(windows.held)} shards are held")


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
