"""The outbox relay: takes what was committed to Kafka, in order for each key, and forgets it once Kafka has it."""

import asyncio
import itertools
import time
from collections.abc import Collection, Sequence
from datetime import timedelta
from functools import partial

import asyncpg
import structlog

from shared import tracing
from shared.backoff import Backoff
from shared.beats import next_beat
from shared.lifetime import not_cancelled_from_within
from shared.messaging.envelope import Outgoing
from shared.messaging.errors import is_transient
from shared.messaging.holding import Holding
from shared.messaging.producer import NotAcknowledgedError, Producer
from shared.messaging.published import Published
from shared.messaging.unit import SHARDS, SQL, headers_from_json
from shared.metrics import OUTBOX_AGE_SECONDS, OUTBOX_ROWS, OUTBOX_SECONDS
from shared.postgres.pool import Pool

_LOCK_SPACE = 0x0FA1_B002
_BATCH = 1000
_POLL = timedelta(seconds=5)
"""Rows that nobody said were there (their process died before it could) are found within so long."""
_STAND_BY = timedelta(milliseconds=100)
_FIRST_PAUSE = timedelta(milliseconds=100)
_FORGETS_EVERY = 12
"""Looks, unless there is more to forget."""
_FORGOTTEN_AT_ONCE = 10_000
_INBOX_KEPT = timedelta(days=110)  # longer than any topic that is deduplicated is kept (100 days)
_log = structlog.get_logger(__name__)


class Relay:
    """Runs in every process of a service; the shard's lock, held for one transaction, lets one work at a time.

    It sleeps until it is told of a commit (`wake`), and one look for all shards, every 5 s, finds what it was not told of.
    Killed after Kafka's acknowledgement and before the commit, it sends a batch again: readers deduplicate.
    A connection is held while a batch is on its way, for 20 s at most. Once Kafka has not acknowledged one, a broker must
    answer before the next connection is taken, and one shard tries for all: an outage holds no connection, and brokers
    that answer but take nothing hold one.
    """

    def __init__(self, pool: Pool, producer: Producer) -> None:
        self._pool = pool
        self._producer = producer
        self._wake = [asyncio.Event() for _ in range(SHARDS)]
        self._published = Published()
        self._unacknowledged: set[int] = set()
        """The shards whose last batch Kafka did not acknowledge."""
        self._trial = asyncio.Lock()
        self.in_doubt = False
        """Whether what was sent may have come late or twice since somebody last set this to False."""

    def wake(self, shards: Collection[int]) -> None:
        """Something was committed in these shards (`Unit.shards`): look there now instead of at the next look for all."""
        for shard in shards:
            self._wake[shard].set()

    async def run(self) -> None:
        """Relays until cancelled; raises what is not transient."""
        async with asyncio.TaskGroup() as group:
            for shard in range(SHARDS):
                group.create_task(not_cancelled_from_within(f"outbox shard {shard}", partial(self._run_shard, shard)))
            group.create_task(not_cancelled_from_within("the look at the outbox", self._watch))
            group.create_task(
                not_cancelled_from_within("the look at what was sent", partial(self._published.run, self._pool))
            )

    async def has_published(self, outbox_ids: Sequence[int], *, within: timedelta) -> bool:
        """Whether Kafka has acknowledged these rows by then; call it once they are committed, while the relay runs."""
        return await self._published.wait(outbox_ids, within=within)

    async def _run_shard(self, shard: int) -> None:
        backoff, holding = Backoff(_FIRST_PAUSE), Holding(f"outbox shard {shard}")
        while True:
            self._wake[shard].clear()
            try:
                sent = await self._turn(shard)
                backoff.reset()
                holding.over()
            except Exception as error:
                if not is_transient(error):
                    raise
                holding.note(error)
                self.in_doubt = True
                _log.warning("outbox_waits", shard=shard, error=type(error).__name__)
                await backoff.wait()
                continue
            if sent is None:
                await asyncio.sleep(_STAND_BY.total_seconds())
            elif sent < _BATCH:
                await self._wake[shard].wait()

    async def _turn(self, shard: int) -> int | None:
        if not self._unacknowledged:
            return await self._relay_some(shard)
        async with self._trial:
            await self._producer.must_answer()
            return await self._relay_some(shard)

    async def _relay_some(self, shard: int) -> int | None:
        """How many were sent; None while another process holds the shard."""
        async with self._pool.acquire() as connection, connection.transaction():
            if not await connection.fetchval(SQL["lock_shard"], _LOCK_SPACE, shard):
                return None
            taken = await connection.fetch(SQL["take_from_outbox"], shard, _BATCH)
            began, rows = time.perf_counter(), _in_order(taken)
            self._published.take(rows)
            try:
                await self._send(list(rows.values()))
                self._published.sent(rows)
            except NotAcknowledgedError:
                self._unacknowledged.add(shard)
                raise
            finally:
                self._published.put_back(rows)
        sending = time.perf_counter() - began
        for row in taken:
            OUTBOX_SECONDS.observe(row["age"] + sending)
        self._unacknowledged.discard(shard)  # also where nothing was left: another process has sent it
        return len(rows)

    async def _send(self, records: Sequence[Outgoing]) -> None:
        causes = [cause for record in records if (cause := tracing.found_in(record.headers)) is not None]
        if not causes:  # an idle relay makes no spans
            return await self._producer.send(records)
        with tracing.span("outbox send", "producer", causes=causes, records=len(records)):
            return await self._producer.send(records)

    async def _watch(self) -> None:
        turns = itertools.count()
        while True:
            try:
                await self.look()
                if next(turns) % _FORGETS_EVERY == 0:
                    forgotten = await self._pool.execute(SQL["forget_old_inbox"], _INBOX_KEPT, _FORGOTTEN_AT_ONCE)
                    if forgotten == f"DELETE {_FORGOTTEN_AT_ONCE}":
                        turns = itertools.count()
            except Exception as error:
                if not is_transient(error):
                    raise
                self.wake(range(SHARDS))  # who tries says what it waits for
            await next_beat(_POLL)

    async def look(self) -> None:
        """One statement for all shards: those that hold something are woken, and the metrics say how much and for how long."""
        state = await self._pool.fetchrow(SQL["outbox_state"])
        if state is not None:
            OUTBOX_ROWS.set(state["rows"])
            OUTBOX_AGE_SECONDS.set(state["age"])
            self.wake(state["shards"] or ())


def _in_order(rows: Sequence[asyncpg.Record]) -> dict[int, Outgoing]:
    return {
        row["id"]: Outgoing(
            topic=row["topic"],
            key=row["key"],
            value=row["value"],
            headers=headers_from_json(row["headers"]),
        )
        for row in sorted(rows, key=lambda row: int(row["id"]))
    }
