"""A feed with all that it takes: what `app.py` makes one of."""

from collections.abc import Callable
from datetime import datetime, timedelta

from shared.feed.metrics import HEAD, UNSEQUENCED_AGE_SECONDS, UNSEQUENCED_ROWS
from shared.feed.postgres import PostgresFeedRows, PostgresFeedWriter
from shared.feed.reading import FeedReader
from shared.feed.sequencer import Sequencer
from shared.feed.tailer import Tailer
from shared.messaging.unit import Unit
from shared.postgres.pool import Pool
from shared.security.cursors import FeedCursors

_AHEAD = timedelta(days=2)


class Feed:
    """One feed of a service's database, which a migration has made (`SELECT make_feed('name')`)."""

    def __init__(
        self,
        name: str,
        *,
        kept: timedelta,
        cursors: FeedCursors,
        pool: Callable[[], Pool],
        now: Callable[[], datetime],
    ) -> None:
        self.name = name
        self.rows = PostgresFeedRows(pool, name, now)
        self.tailer = Tailer(name, self.rows)
        self.sequencer = Sequencer(name, self.rows, numbered=self.tailer.wake)
        self.written: Callable[[], None] = self.sequencer.wake
        """Called when rows of it were committed here."""
        self.reader = FeedReader(self.rows, cursors, self.tailer, now=now, kept=kept)
        for gauge in (HEAD, UNSEQUENCED_ROWS, UNSEQUENCED_AGE_SECONDS):
            gauge.labels(name)

    def writer(self, unit: Unit) -> PostgresFeedWriter:
        """The way into it, in this unit of work; wakes the sequencer when that commits, wherever it runs."""
        return PostgresFeedWriter(unit, self.name, self.written)

    async def keep(self) -> None:
        """Makes room for the days to come, and drops those that were kept long enough."""
        await self.rows.prepare(_AHEAD)
        while await self.rows.forget(kept=self.reader.kept):
            pass

    async def watch(self) -> None:
        """How far it is, and what waits for a number, as metrics."""
        head, rows, age = await self.rows.waiting()
        HEAD.labels(self.name).set(head)
        UNSEQUENCED_ROWS.labels(self.name).set(rows)
        UNSEQUENCED_AGE_SECONDS.labels(self.name).set(age)
