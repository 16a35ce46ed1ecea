"""Which shards of the outbox a relay looks at next: all that somebody has spoken of together, and one that is in trouble alone."""

import asyncio
import math
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta

from shared.backoff import Backoff

_STAND_BY = timedelta(milliseconds=100)
_FIRST_PAUSE = timedelta(milliseconds=100)


class Turns:
    """One turn at a time. `now` is a clock in seconds that never goes back.

    A batch of several shards that Kafka did not acknowledge says nothing of which of them it was for: each of these is tried alone
    until it went through, so what Kafka refuses of one shard (its topic is missing) keeps back that shard and no other.
    """

    def __init__(self, shards: int, *, now: Callable[[], float]) -> None:
        self._now = now
        self._woken = set(range(shards))
        self._not_before: dict[int, float] = {}
        self._backoff = {shard: Backoff(_FIRST_PAUSE) for shard in range(shards)}
        self._alone: dict[int, None] = {}
        """In the order in which they are tried."""
        self._alone_is_next = True
        self._was_woken = asyncio.Event()

    @property
    def in_doubt(self) -> bool:
        """Whether the last batch of some shard was not acknowledged."""
        return bool(self._alone)

    def wake(self, shards: Collection[int]) -> None:
        """There may be something in these."""
        self._woken.update(shards)
        self._was_woken.set()

    async def next(self) -> Sequence[int]:
        """Waits until there are shards to look at, and says which; they count as looked at from now on."""
        while not (shards := self._due()):
            self._was_woken.clear()
            wait = min((self._not_before.get(shard, 0.0) for shard in self._woken), default=math.inf) - self._now()
            try:
                async with asyncio.timeout(None if wait == math.inf else max(wait, 0.0)):
                    await self._was_woken.wait()
            except TimeoutError:
                pass
        self._woken.difference_update(shards)
        return shards

    def _due(self) -> Sequence[int]:
        now = self._now()
        due = {shard for shard in self._woken if self._not_before.get(shard, 0.0) <= now}
        together = sorted(due - self._alone.keys())
        alone = [shard for shard in self._alone if shard in due][:1]
        chosen = alone if alone and (self._alone_is_next or not together) else together
        self._alone_is_next = chosen is together
        return chosen

    def others_have(self, shards: Collection[int]) -> None:
        """Another process has these in hand: what is there for them is looked for again soon."""
        self._again(shards, _STAND_BY)

    def sent(self, shards: Collection[int], *, more: Collection[int]) -> None:
        """What was found in these is sent, or nothing was; of some there may be more."""
        for shard in shards:
            self._not_before.pop(shard, None)
            self._backoff[shard].reset()
            self._alone.pop(shard, None)  # also where nothing was left: another process has sent it
        self._woken.update(more)

    def failed(self, shards: Collection[int], *, apart: bool) -> None:
        """They are tried again after a pause, which grows; `apart`: each alone."""
        for shard in shards:
            self._again([shard], self._backoff[shard].next())
            if apart:
                self._alone.pop(shard, None)
                self._alone[shard] = None

    def _again(self, shards: Collection[int], after: timedelta) -> None:
        self._woken.update(shards)
        self._not_before |= dict.fromkeys(shards, self._now() + after.total_seconds())
