"""Reading a feed: pages from memory or from the database, and places that are lost."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shared.feed.model import Lost, Place, Row, lost, since_is_lost, to_the_hour
from shared.feed.ports import FeedRows
from shared.feed.tailer import Tailer
from shared.security.cursors import FeedCursors

_END = datetime(9000, 1, 1, tzinfo=UTC)
"""Behind every row."""
Start = Place | datetime | None
"""Behind a row, from the hour of a time on, or (None) from where the feed begins now."""


@dataclass(frozen=True, slots=True)
class Page:
    """What comes after a place."""

    start: Place
    rows: list[Row]
    from_memory: bool = False

    @property
    def end(self) -> Place:
        """Where to go on: behind the last row, or at the start when there is none, so that it moves for nobody else's rows."""
        if not self.rows:
            return self.start
        return Place(self.start.generation, self.rows[-1].seq, self.rows[-1].told_at)


class FeedReader:
    """One feed, for all who read it; `reader` None reads what is told to all."""

    def __init__(
        self,
        rows: FeedRows,
        cursors: FeedCursors,
        tailer: Tailer,
        *,
        now: Callable[[], datetime],
        kept: timedelta,
    ) -> None:
        self._rows = rows
        self._cursors = cursors
        self._now = now
        self.tailer = tailer
        self.kept = kept

    def cursor(self, place: Place, tenant: str) -> str:
        """The place as this tenant gets it."""
        return self._cursors.make((place.generation, place.seq, place.told_at), tenant)

    def place(self, cursor: str, tenant: str) -> Place | None:
        """What this tenant was given; None when it was not."""
        inside = self._cursors.read(cursor, tenant)
        return None if inside is None else Place(*inside)

    async def page(self, reader: str | None, start: Start, *, limit: int) -> Page | Lost:
        """Up to so many rows from there on, or why there is no going on."""
        if isinstance(start, Place):
            recent = self.tailer.recent(reader, start, limit)
            if recent is not None:
                return Page(start, recent, from_memory=True)
            return await self._from_database(reader, start, limit)
        if start is not None:
            return await self._since(reader, start, limit)
        while True:
            page = await self._from_database(reader, (await self._rows.ends(reader)).first, limit)
            if isinstance(page, Page):  # else some of it was forgotten in this moment: it begins later now
                return page

    async def end(self, reader: str) -> Place | None:
        """Behind all that this reader was told until now; None while some of that has no number yet."""
        if await self._rows.waits(reader):
            return None
        return await self._rows.last_before(reader, _END) or (await self._rows.ends(reader)).first

    async def _since(self, reader: str | None, since: datetime, limit: int) -> Page | Lost:
        hour = to_the_hour(since)
        if since_is_lost(hour, await self._rows.ends(reader), at=to_the_hour(self._now()), kept=self.kept):
            return Lost.FORGOTTEN
        place = await self._rows.last_before(reader, hour) or (await self._rows.ends(reader)).first
        return await self._from_database(reader, place, limit)

    async def _from_database(self, reader: str | None, start: Place, limit: int) -> Page | Lost:
        now = self.tailer.now
        rows = await self._rows.rows(reader, after=start, limit=limit)
        # Asked last: what was forgotten while the rows were read counts.
        reason = lost(start, await self._rows.ends(reader))
        if reason is not None:
            return reason
        if reader is not None and len(rows) < limit:
            self.tailer.learn(reader, start, rows, at=now)
        return Page(start, rows)
