"""How long to wait before the next attempt: longer after each failure, and never in step with others."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from random import SystemRandom

FIRST = timedelta(milliseconds=50)
LONGEST = timedelta(seconds=5)
_CHANCE = SystemRandom().random


def spread(pause: timedelta, *, chance: Callable[[], float] = _CHANCE) -> timedelta:
    """At least half of the pause, at most the whole: whoever waits for the same does not come back at the same moment."""
    return pause * (0.5 + chance() / 2)


class Backoff:
    """The pauses between the attempts at one thing; they double up to the longest, and the upper half of each is chance.

    Without chance, replicas that failed at the same moment would come back at the same moment, again and again.
    """

    def __init__(
        self,
        first: timedelta = FIRST,
        longest: timedelta = LONGEST,
        *,
        chance: Callable[[], float] = _CHANCE,
    ) -> None:
        self._first = min(first, longest)
        self._longest = longest
        self._step = self._first
        self._chance = chance

    def next(self) -> timedelta:
        """How long to wait after one more failure: at least half of a step, at most the whole."""
        pause = spread(self._step, chance=self._chance)
        self._step = min(self._step * 2, self._longest)
        return pause

    async def wait(self) -> None:
        """Waits for so long."""
        await asyncio.sleep(self.next().total_seconds())

    def reset(self) -> None:
        """It worked: the next failure begins anew."""
        self._step = self._first
