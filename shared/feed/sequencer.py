"""The sequencer of a feed: what was committed gets the next numbers."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import structlog

from shared.backoff import Backoff
from shared.beats import until_beat
from shared.feed.ports import FeedRows
from shared.messaging.errors import is_transient
from shared.messaging.holding import Holding

BATCH = 1000
_POLL = timedelta(seconds=5)
"""What nobody said was committed (its process died before it could) gets its number within so long."""
_STAND_BY = timedelta(milliseconds=50)
_FIRST_PAUSE = timedelta(milliseconds=100)
_log = structlog.get_logger(__name__)


class Sequencer:
    """Runs in every process of a service; the lock of the feed, held for one transaction, lets one work at a time.

    Killed at any moment it leaves a batch numbered or not: what is not waits for the next one.
    """

    def __init__(self, feed: str, rows: FeedRows, *, numbered: Callable[[], None] = lambda: None) -> None:
        self._feed = feed
        self._rows = rows
        self._numbered = numbered
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Something was committed: look now instead of at the next poll."""
        self._woken.set()

    async def once(self) -> int:
        """Numbers all that waits now; how many rows that were."""
        done = 0
        while True:
            some = await self._rows.sequence(BATCH)
            if some is None:
                await asyncio.sleep(_STAND_BY.total_seconds())
                continue
            if some:
                done += some
                self._numbered()
            if some < BATCH:
                return done

    async def look(self) -> None:
        """The same, where there is something: one statement where there is nothing."""
        if await self._rows.any_waits():
            await self.once()

    async def run(self) -> None:
        """Until cancelled; raises what is not transient."""
        backoff, holding = Backoff(_FIRST_PAUSE), Holding(f"sequencer of {self._feed}")
        while True:
            was_told = self._woken.is_set()
            self._woken.clear()
            try:
                await (self.once() if was_told else self.look())
                backoff.reset()
                holding.over()
            except Exception as error:
                if not is_transient(error):
                    raise
                holding.note(error)
                _log.warning("sequencer_waits", feed=self._feed, error=type(error).__name__)
                await backoff.wait()
                continue
            await self._wait()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(until_beat(_POLL)):
                await self._woken.wait()
        except TimeoutError:
            pass  # the poll finds what it was not told of
