"""Which shards of the outbox a relay looks at next: all that somebody has spoken of together, and beside them one that is in trouble."""

import asyncio
import math
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta

from shared.backoff import Backoff

_STAND_BY = timedelta(milliseconds=100)
_FIRST_PAUSE = timedelta(milliseconds=100)


class Turns:
    """Two turns at a time, of different shards: a common one, and a trial of one shard. `now` is a clock in seconds that never goes back.

    A batch of several shards that Kafka did not acknowledge says nothing of which of them it was for: each of these is tried alone,
    one after the other, until it went through. A trial may take its time (20 s where a topic is missing); the common turns go on meanwhile.
    So what Kafka refuses of one shard keeps back that shard, and those that were in its last common turn until each has had its trial.
    """

    def __init__(self, shards: int, *, now: Callable[[], float]) -> None:
        self._now = now
        self._woken = set(range(shards))
        self._not_before: dict[int, float] = {}
        self._backoff = {shard: Backoff(_FIRST_PAUSE) for shard in range(shards)}
        self._alone: dict[int, None] = {}
        """In the order in which they are tried."""
        self._changed = asyncio.Event()
        """Set once, for those who wait at the moment."""

    @property
    def in_doubt(self) -> bool:
        """Whether the last batch of some shard was not acknowledged."""
        return bool(self._alone)

    def wake(self, shards: Collection[int]) -> None:
        """There may be something in these."""
        self._woken.update(shards)
        self._change()

    async def next(self) -> Sequence[int]:
        """Waits until there are shards to look at together, and says which; they count as looked at from now on."""
        return await self._next(lambda: sorted(self._woken - self._alone.keys()))

    async def next_trial(self) -> Sequence[int]:
        """The same of the one that is to be tried alone."""
        return await self._next(lambda: [shard for shard in self._alone if shard in self._woken], most=1)

    async def _next(self, candidates: Callable[[], Sequence[int]], *, most: int | None = None) -> Sequence[int]:
        while True:
            now, changed = self._now(), self._changed
            not_before = {shard: self._not_before.get(shard, 0.0) for shard in candidates()}
            if due := [shard for shard, at in not_before.items() if at <= now][:most]:
                self._woken.difference_update(due)
                return due
            wait = min(not_before.values(), default=math.inf) - now
            try:
                async with asyncio.timeout(None if wait == math.inf else wait):
                    await changed.wait()
            except TimeoutError:
                pass

    def others_have(self, shards: Collection[int]) -> None:
        """Another process has these in hand: what is there for them is looked for again soon."""
        self._again(shards, _STAND_BY)

    def sent(self, shards: Collection[int], *, more: Collection[int]) -> None:
        """What was found in these is sent, or nothing was; of some there may be more."""
        for shard in shards:
            self._not_before.pop(shard, None)
            self._backoff[shard].reset()
            self._alone.pop(shard, None)  # also where nothing was left: another process has sent it
        self.wake(more)

    def try_alone(self, shards: Collection[int]) -> None:
        """Kafka did not acknowledge a batch with rows of these: each is tried alone from now on, after those that are already."""
        for shard in sorted(shards):
            self._alone.pop(shard, None)
            self._alone[shard] = None

    def failed(self, shards: Collection[int]) -> None:
        """They are looked at again after a pause, which grows."""
        for shard in shards:
            self._again([shard], self._backoff[shard].next())

    def _again(self, shards: Collection[int], after: timedelta) -> None:
        self._not_before |= dict.fromkeys(shards, self._now() + after.total_seconds())
        self.wake(shards)

    def _change(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
