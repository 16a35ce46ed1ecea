"""When a part that was ready has fallen silent, as Kubernetes' liveness probe sees it."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from deploy.local.parts import Probe


@dataclass(frozen=True, slots=True)
class Liveness:
    """How patient one is with a part that does not answer."""

    every: timedelta = timedelta(seconds=10)
    misses: int = 6
    """In a row. Questions are counted, not the time between: on a machine that slept, one may be missed."""


_LATE = timedelta(seconds=1)
"""Who wakes so much later than it wanted is on a machine too busy to judge others by it."""


async def until_silent(lives: Probe, patience: Liveness) -> None:
    """Return once so many questions in a row were not answered; what is asked late, on a machine that is too busy, counts for nothing."""
    missed = 0
    now = asyncio.get_running_loop().time
    while missed < patience.misses:
        asks_at = now() + patience.every.total_seconds()
        await asyncio.sleep(patience.every.total_seconds())
        was_late = now() - asks_at
        try:
            await lives()
            missed = 0
        except Exception:  # noqa: BLE001 - whatever it is, that is no answer
            missed += was_late < _LATE.total_seconds()
