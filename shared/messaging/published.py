"""Who waits for outbox rows, and how they learn that Kafka has them: from the relay beside them, or by one look for all."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from shared.backoff import Backoff
from shared.messaging.errors import is_transient
from shared.messaging.unit import SQL
from shared.postgres.pool import Pool

_REMEMBERED = 10_000
"""Rows that this process sent last: who asks late is answered without a look."""
_LOOKS_AFTER = timedelta(milliseconds=20)
_LOOKS_EVERY = timedelta(milliseconds=500)


@dataclass(eq=False, slots=True)
class _Waiter:
    missing: set[int]
    answer: asyncio.Future[None]


class Published:
    """The rows that somebody waits for.

    The relay of this process says itself what it sent. What it has not in hand may be sent by another process, and only
    the table shows that: one statement asks for all who wait, at first after 20 ms, then less and less often.
    Rows are known by their ids alone, which a restored database gives again: where a process goes on over a restore, whoever asks for one
    of the last 10,000 ids that it sent before is told yes too early. What is sent is not wrong by that, only what a caller is told of it.
    """

    def __init__(self) -> None:
        self._waiting: defaultdict[int, list[_Waiter]] = defaultdict(list)
        self._in_hand: set[int] = set()
        self._sent: set[int] = set()
        self._in_order: deque[int] = deque()
        self._somebody_came = asyncio.Event()

    @property
    def is_idle(self) -> bool:
        """Whether nobody waits."""
        return not self._waiting

    @property
    def in_hand(self) -> frozenset[int]:
        """The rows that this process is sending."""
        return frozenset(self._in_hand)

    async def wait(self, rows: Iterable[int], *, within: timedelta) -> bool:
        """Whether all of these rows were sent by then."""
        waiter = _Waiter(set(rows) - self._sent, asyncio.get_running_loop().create_future())
        if not waiter.missing:
            return True
        asked = tuple(waiter.missing)
        for row in asked:
            self._waiting[row].append(waiter)
        self._somebody_came.set()
        try:
            async with asyncio.timeout(within.total_seconds()):
                await waiter.answer
        except TimeoutError:
            return False
        finally:
            self._leave(waiter, asked)
        return True

    def take(self, rows: Collection[int]) -> None:
        """This process is about to send them: nobody needs to look at the table for these."""
        self._in_hand.update(rows)

    def put_back(self, rows: Collection[int]) -> None:
        """This process has them no longer in hand, sent or not."""
        self._in_hand.difference_update(rows)

    def sent(self, rows: Collection[int]) -> None:
        """Kafka has acknowledged them; whoever waits for the last of theirs goes on."""
        self._in_order.extend(row for row in rows if row not in self._sent)
        self._sent.update(rows)
        while len(self._in_order) > _REMEMBERED:
            self._sent.discard(self._in_order.popleft())
        self._answer(rows)

    async def look(self, pool: Pool) -> int:
        """Asks the table once for everybody; how many rows it was asked for."""
        open_rows = self._not_in_hand()
        if open_rows:
            left = {row["id"] for row in await pool.fetch(SQL["still_in_outbox"], open_rows)}
            self.sent([row for row in open_rows if row not in left])
        return len(open_rows)

    async def run(self, pool: Pool) -> None:
        """Looks while somebody waits for a row that this process has not in hand, until cancelled."""
        backoff = Backoff(_LOOKS_AFTER, _LOOKS_EVERY)
        while True:
            await self._somebody_came.wait()
            backoff.reset()
            while self._waiting:
                self._somebody_came.clear()
                await backoff.wait()
                try:
                    await self.look(pool)
                except Exception as error:
                    if not is_transient(error):
                        raise
                if self._somebody_came.is_set():
                    backoff.reset()
            self._somebody_came.clear()

    def _not_in_hand(self) -> Sequence[int]:
        return [row for row in self._waiting if row not in self._in_hand]

    def _answer(self, rows: Iterable[int]) -> None:
        for row in rows:
            for waiter in self._waiting.get(row, ()):
                waiter.missing.discard(row)
                if not waiter.missing and not waiter.answer.done():
                    waiter.answer.set_result(None)

    def _leave(self, waiter: _Waiter, rows: Iterable[int]) -> None:
        for row in rows:
            self._waiting[row].remove(waiter)
            if not self._waiting[row]:
                del self._waiting[row]
