"""A part of the stack as data: what to start, how to see that it works, and what its crash means."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from signal import Signals

import httpx

from deploy.local.processes import Command

Probe = Callable[[], Awaitable[None]]
"""Uses the part as its clients will; raises while that does not work yet."""


@dataclass(frozen=True, slots=True)
class Part:
    """One supervised process."""

    name: str
    command: Command
    port: int
    probe: Probe
    stop_signal: Signals = Signals.SIGTERM
    stops_within: timedelta = timedelta(seconds=15)
    """How long it may take to drain before it is killed."""
    lives: Probe | None = None
    """Raises when the part, which was ready once, answers nothing: then it is ended and started again. None: not asked."""
    keeps_nothing: bool = False
    """Its crash loses what the others rely on: the stack stops instead of restarting it."""


_ANSWERS_WITHIN = timedelta(seconds=5)
_tls = cache(httpx.create_ssl_context)
"""Made once: making one takes longer than all else that a probe does, and parts are asked ten times a second until they are ready."""


def answers_http(url: str) -> Probe:
    """A probe that wants 200 from a GET."""

    async def probe() -> None:
        async with httpx.AsyncClient(timeout=_ANSWERS_WITHIN.total_seconds(), trust_env=False, verify=_tls()) as client:
            (await client.get(url)).raise_for_status()

    return probe
