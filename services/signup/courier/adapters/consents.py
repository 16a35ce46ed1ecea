"""The courier's projection of `consent-state`, which must have reached the topic's end before anything leaves."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta

from services.signup.courier.adapters.postgres import read_positions
from services.signup.courier.model import ConsentCheck
from services.signup.courier.ports import Incoming
from shared.clock import elapsed
from shared.contracts.base import Event
from shared.contracts.consent import ConsentChanged
from shared.messaging.envelope import Received, only
from shared.messaging.follower import Follower, Positions, must_catch_up
from shared.postgres.pool import Pool

Keep = Callable[[Incoming, Sequence[Received[ConsentChanged]], Positions], Awaitable[None]]
_CATCH_UP_WITHIN = timedelta(milliseconds=400)
_READY_WITHIN = timedelta(milliseconds=1500)


class ConsentProjection:
    """Kept in rows together with how far the topic was read."""

    def __init__(
        self, work: Callable[[], AbstractAsyncContextManager[Incoming]], keep: Keep, pool: Callable[[], Pool]
    ) -> None:
        self._work = work
        self._keep = keep
        self._pool = pool

    async def apply(self, received: Sequence[Received[Event]], positions: Positions) -> None:
        """What a follower of the topic calls."""
        async with self._work() as kept:
            await self._keep(kept, only(ConsentChanged, received), positions)

    async def stored(self) -> Positions:
        """How far it was read before."""
        return await read_positions(self._pool())


async def check(follower: Follower) -> ConsentCheck:
    """The moment from which on the projection is known to have been current; raises a transient error if it can't be."""
    at = elapsed()  # before the question, so that the answer is never taken for newer than it is
    await must_catch_up(follower, within=_CATCH_UP_WITHIN)
    return ConsentCheck(at)


async def is_current(follower: Follower) -> None:
    """A readiness check."""
    await must_catch_up(follower, within=_READY_WITHIN)
