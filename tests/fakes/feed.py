"""A feed in memory."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from shared.feed.model import BEGINNING, Ends, Place, Row, Telling
from tests.fakes.clock import NOON


@dataclass
class FakeFeed:
    """`FeedRows`, and `FeedWriter` in what `work` gives."""

    at: datetime = NOON
    generation: int = 1
    incoming: list[Telling] = field(default_factory=list)
    _rows: list[Row] = field(default_factory=list)
    _last: tuple[int, datetime] = (0, BEGINNING)
    _forgotten: dict[str | None, tuple[int, datetime]] = field(default_factory=dict)

    @asynccontextmanager
    async def work(self) -> AsyncIterator["FakeFeedWriter"]:
        writer = FakeFeedWriter()
        yield writer
        self.incoming += writer.written

    async def sequence(self, limit: int) -> int | None:
        some, self.incoming = self.incoming[:limit], self.incoming[limit:]
        for telling in some:
            self._last = (self._last[0] + 1, max(self._last[1], self.at))
            self._rows.append(Row(*self._last, telling.reader, telling.body))
        return len(some)

    async def rows(self, reader: str | None, *, after: Place, limit: int) -> list[Row]:
        return [row for row in self._of(reader) if row.seq > after.seq][:limit]

    async def ends(self, reader: str | None) -> Ends:
        return Ends(self.generation, *self._last, *self._forgotten.get(reader, (0, BEGINNING)))

    async def last_before(self, reader: str | None, moment: datetime) -> Place | None:
        before = [row for row in self._of(reader) if row.told_at < moment]
        return Place(self.generation, before[-1].seq, before[-1].told_at) if before else None

    async def waits(self, reader: str) -> bool:
        return any(telling.reader == reader for telling in self.incoming)

    async def any_waits(self) -> bool:
        return bool(self.incoming)

    async def forget(self, *, kept: timedelta) -> bool:
        days = sorted({_day(row) for row in self._rows})
        if not days or days[0] >= (self.at - kept).astimezone(UTC).date():
            return False
        for row in [row for row in self._rows if _day(row) == days[0]]:
            self._rows.remove(row)
            self._forgotten[row.reader] = self._forgotten[None] = (row.seq, row.told_at)
        return True

    async def prepare(self, ahead: timedelta) -> None:
        pass

    async def restart(self) -> None:
        self.generation += 1

    def _of(self, reader: str | None) -> list[Row]:
        return [row for row in self._rows if reader in (None, row.reader)]


@dataclass
class FakeFeedWriter:
    """`FeedWriter`: what it was given counts when the block ends."""

    written: list[Telling] = field(default_factory=list)

    async def write(self, tellings: Sequence[Telling]) -> None:
        self.written += tellings


def _day(row: Row) -> date:
    return row.told_at.astimezone(UTC).date()
