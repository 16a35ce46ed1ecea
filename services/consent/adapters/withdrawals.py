"""How long a withdrawal takes to be everybody's: from its request to Kafka's acknowledgement, however late that comes."""

import asyncio
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

from prometheus_client import Histogram

from shared.backoff import Backoff

WITHDRAWAL_SECONDS = Histogram(
    "fairpool_withdrawal_seconds",
    "Time from the arrival of a request that takes something back to Kafka's acknowledgement of it.",
    buckets=(0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 600),
)
_ASKED_FOR = timedelta(minutes=1)
_TIMED_FOR = timedelta(minutes=10)
"""After that it counts as endless; the age of the outbox has alarmed long since."""
_MOST = 1_000
"""That are timed at once: each is a task that waits."""


class HasPublished(Protocol):
    """Whether Kafka has these rows of the outbox by then."""

    async def __call__(self, outbox_ids: Sequence[int], *, within: timedelta) -> bool:
        """No when it can't be found out."""


class Withdrawals:
    """Times withdrawals beside the answers, which do not wait so long."""

    def __init__(self, has_published: HasPublished) -> None:
        self._has_published = has_published
        self._timed: set[asyncio.Task[None]] = set()

    def time(self, outbox_id: int, arrived: float) -> None:
        """The row that takes something back was committed; `arrived` is when its request did, by `time.perf_counter`."""
        if len(self._timed) < _MOST:
            task = asyncio.create_task(self._until_published(outbox_id, arrived))
            self._timed.add(task)
            task.add_done_callback(self._timed.discard)

    async def _until_published(self, outbox_id: int, arrived: float) -> None:
        backoff = Backoff()
        while not await self._has_published([outbox_id], within=_ASKED_FOR):
            if time.perf_counter() - arrived > _TIMED_FOR.total_seconds():
                break
            await backoff.wait()
        WITHDRAWAL_SECONDS.observe(time.perf_counter() - arrived)
