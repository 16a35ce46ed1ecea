"""What a process does by the clock it does together: a process that sleeps is woken once for all of it, not once for each loop.

Processes do it apart from each other: the clock is the same for all of a host, so each counts from a moment of its own.
"""

import asyncio
from datetime import timedelta
from random import SystemRandom

_THE_SAME = 0.001
"""Seconds within which a moment counts as reached: the event loop counts in thousandths."""
_OURS = SystemRandom().random() * 60
"""Seconds from which this process counts: chance, since in containers each has the same process id."""


def beat_after(moment: float, period: timedelta) -> float:
    """The first of the moments that are `period` apart after this one, in seconds of the event loop's clock.

    They are the multiples of the period, put off by what is this process's own, so those of five seconds are among those of one. Whoever comes again and again waits for
    the next of them, and so as long as the period at most, and less before its first.
    """
    apart = period.total_seconds()
    return ((moment - _OURS + _THE_SAME) // apart + 1) * apart + _OURS if apart else moment


def until_beat(period: timedelta) -> float:
    """Seconds until the next of these moments."""
    now = asyncio.get_running_loop().time()
    return beat_after(now, period) - now


async def next_beat(period: timedelta) -> None:
    """Sleeps until the next of these moments."""
    await asyncio.sleep(until_beat(period))


def beat_ms(period: timedelta) -> int:
    """The same for aiokafka, in whole milliseconds: 1 at least."""
    return max(1, round(until_beat(period) * 1000))
