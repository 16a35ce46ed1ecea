"""The newest rows of a feed, in memory: one look at the database serves all who read near the end."""

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from datetime import timedelta

import structlog

from shared.feed.model import Ends, Place, Row
from shared.feed.ports import FeedRows
from shared.messaging.errors import is_transient
from shared.messaging.holding import Holding

_KEEPS = 10_000
_AT_ONCE = 1000
_LOOKS_EVERY = timedelta(seconds=1)
_FRESH_FOR = timedelta(seconds=3)
_SLEEPS_AFTER = timedelta(seconds=10)
"""Without anybody who asks."""
_log = structlog.get_logger(__name__)


class Tailer:
    """One a process. While somebody reads it looks once a second, or when it is woken: one statement, and one more for each
    1,000 new rows, whatever the number of readers. When nobody has asked for 10 s it sleeps until somebody does, who reads a page
    of their own then.

    It holds every row behind `_floor`, and of each reader that it knows the number of the last row up to there: whoever has
    read that far is served from memory, and everybody else reads a page of their own (`recent` is None).
    """

    def __init__(self, feed: str, rows: FeedRows, *, keeps: int = _KEEPS) -> None:
        self._feed = feed
        self._rows = rows
        self._keeps = keeps
        self._generation: int | None = None
        self._floor = self._seq = 0
        self._last: Place | None = None
        self._all: deque[Row] = deque()
        self._of: defaultdict[str, deque[Row]] = defaultdict(deque)
        self._last_of: dict[str, int] = {}
        self._begun = 0
        self._looked_at = -_FRESH_FOR.total_seconds()
        self._woken, self._asked = asyncio.Event(), asyncio.Event()
        self._asked_at = -_SLEEPS_AFTER.total_seconds()
        self._waiting: defaultdict[str | None, set[asyncio.Future[None]]] = defaultdict(set)

    def wake(self) -> None:
        """Rows got their numbers: look now."""
        self._woken.set()

    async def run(self) -> None:
        """Until cancelled; while the database is away, everybody reads there and is told so."""
        holding = Holding(f"tailer of {self._feed}")
        while True:
            await self._until_asked()
            self._woken.clear()
            try:
                await self.look()
                holding.over()
            except Exception as error:
                if not is_transient(error):
                    raise
                holding.note(error)
                _log.warning("tailer_waits", feed=self._feed, error=type(error).__name__)
                await asyncio.sleep(_LOOKS_EVERY.total_seconds())
                continue
            try:
                async with asyncio.timeout(_LOOKS_EVERY.total_seconds()):
                    await self._woken.wait()
            except TimeoutError:
                pass

    async def _until_asked(self) -> None:
        if not self._waiting and time.monotonic() - self._asked_at > _SLEEPS_AFTER.total_seconds():
            self._asked.clear()
            await self._asked.wait()

    def _note_asked(self) -> None:
        self._asked_at = time.monotonic()
        self._asked.set()

    async def look(self) -> None:
        """Takes what is new, and wakes whoever waits for it."""
        ends = await self._rows.ends(None)
        if ends.generation != self._generation or not self._seq <= ends.last_seq <= self._seq + self._keeps:
            self._begin(ends)
        news = set[str]()
        while self._seq < ends.last_seq and self._last is not None:
            rows = await self._rows.rows(None, after=self._last, limit=_AT_ONCE)
            if not rows:
                break
            self._take(rows)
            news.update(row.reader for row in rows)
        while self._all and (len(self._all) > self._keeps or self._all[0].seq <= ends.forgotten_seq):
            self._evict()
        self._looked_at = time.monotonic()
        for reader in (*news, None):
            self._tell(self._waiting.pop(reader, ()))

    def recent(self, reader: str | None, after: Place, limit: int) -> list[Row] | None:
        """What comes after the place; None when memory does not reach back that far, or is not of the last seconds."""
        self._note_asked()
        if time.monotonic() - self._looked_at > _FRESH_FOR.total_seconds():
            return None
        if after.generation != self._generation or after.seq > self._seq:
            return None
        if after.seq < self._floor and (reader is None or after.seq < self._last_of.get(reader, self._floor)):
            return None
        found = [row for row in self._held(reader) if row.seq > after.seq]
        return found[:limit]

    @property
    def now(self) -> tuple[int, int]:
        """To be given to `learn`, taken before the page is read."""
        return self._begun, self._seq

    def learn(self, reader: str, after: Place, rows: Sequence[Row], *, at: tuple[int, int]) -> None:
        """The reader's own page after a place was read from the database, to its end: memory serves them from there on."""
        begun, seq = at
        if begun == self._begun and seq >= self._floor and after.generation == self._generation:
            last = max((row.seq for row in rows if row.seq <= self._floor), default=after.seq)
            self._last_of[reader] = max(self._last_of.get(reader, 0), last)

    async def wait(self, reader: str | None, *, limit: timedelta) -> None:
        """Until there is something new for the reader (None: until the next look), or for so long."""
        told = asyncio.get_running_loop().create_future()
        self._waiting[reader].add(told)
        self._note_asked()
        try:
            async with asyncio.timeout(limit.total_seconds()):
                await told
        except TimeoutError:
            pass
        finally:
            waiting = self._waiting[reader]
            waiting.discard(told)
            if not waiting:
                del self._waiting[reader]

    def _held(self, reader: str | None) -> Iterable[Row]:
        return self._all if reader is None else self._of.get(reader, ())

    def _begin(self, ends: Ends) -> None:
        self._generation, self._seq, self._floor = ends.generation, ends.last_seq, ends.last_seq
        self._last = Place(ends.generation, ends.last_seq, ends.last_told_at)
        self._begun += 1
        self._all.clear()
        self._of.clear()
        self._last_of.clear()
        for waiting in list(self._waiting.values()):
            self._tell(waiting)

    def _take(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self._all.append(row)
            self._of[row.reader].append(row)
        self._seq = rows[-1].seq
        self._last = Place(self._last.generation if self._last else 0, rows[-1].seq, rows[-1].told_at)

    def _evict(self) -> None:
        row = self._all.popleft()
        own = self._of[row.reader]
        own.popleft()
        if not own:
            del self._of[row.reader]
        self._floor = row.seq
        self._last_of[row.reader] = row.seq

    @staticmethod
    def _tell(waiting: Iterable[asyncio.Future[None]]) -> None:
        for told in waiting:
            if not told.done():
                told.set_result(None)
