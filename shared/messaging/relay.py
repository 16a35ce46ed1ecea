"""The outbox relay: takes what was committed to Kafka, in order for each key, and forgets it once Kafka has it."""

import asyncio
import itertools
import math
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import timedelta
from functools import partial

import asyncpg
import structlog

from shared import tracing
from shared.beats import next_beat
from shared.lifetime import not_cancelled_from_within
from shared.messaging.envelope import Outgoing
from shared.messaging.errors import is_transient
from shared.messaging.handed import Handed
from shared.messaging.holding import Holding
from shared.messaging.producer import NotAcknowledgedError, Producer
from shared.messaging.published import Published
from shared.messaging.turns import Turns
from shared.messaging.unit import SHARDS, SQL, Unit, headers_from_json, shard_of
from shared.metrics import OUTBOX_AGE_SECONDS, OUTBOX_ROWS, OUTBOX_SECONDS, observe_all
from shared.postgres.pool import Pool

_LOCK_SPACE = 0x0FA1_B002
_BATCH = 500
"""Of a shard, where each of them has something; fewer shards may have as much together."""
_POLL = timedelta(seconds=5)
"""Rows that nobody said were there (their process died before it could) are found within so long."""
_COUNTED = 10_000
"""Rows, for the metric: who sees so many need not know how many more there are."""
_FORGETS_EVERY = 12
"""Looks, unless there is more to forget."""
_FORGOTTEN_AT_ONCE = 10_000
_INBOX_KEPT = timedelta(days=110)  # longer than any topic that is deduplicated is kept (100 days)
_log = structlog.get_logger(__name__)


class Relay:
    """Runs in every process of a service; a shard's lock, held for one transaction, lets one work at a time.

    A turn is for all shards that have something and that nobody else has in hand: one transaction, one signature, one batch of Kafka's
    for each partition (several where that is more than 256 KiB). It sleeps until it is told of a commit (`wake`), and one look for all
    shards, every 5 s, finds what it was not told of.
    Killed after Kafka's acknowledgement and before the commit, it sends a batch again: readers deduplicate. So it does with what Kafka took
    of a turn that was not acknowledged as a whole.
    What was not acknowledged is tried again shard by shard, beside the common turns and with a client of its own, so that Kafka may take
    its time to refuse it. A connection is held while a batch is on its way, for 20 s at most: one by the common turn, one by the trial.
    Once a client has failed, a broker must answer it before the next connection is taken: an outage holds these two for 20 s at most
    and none from then on; brokers that answer but take nothing hold one, and two as long as there are shards that were not yet tried.
    """

    def __init__(self, pool: Pool, producer: Producer) -> None:
        self._pool = pool
        self._producer = producer
        self._turns = Turns(SHARDS, now=time.monotonic)
        self._holding = [Holding(f"outbox shard {shard}") for shard in range(SHARDS)]
        self._published = Published()
        self._handed = Handed(shard_of)
        self.in_doubt = False
        """Whether what was sent may have come late or twice since somebody last set this to False."""

    def committed(self, unit: Unit) -> None:
        """What it wrote is on its way at once, and need not be read back."""
        if unit.written is not None:
            self._handed.put(unit.written)
            self.wake(unit.shards)

    def wake(self, shards: Collection[int]) -> None:
        """There may be something in these shards: look there now instead of at the next look for all."""
        self._turns.wake(shards)

    async def run(self) -> None:
        """Relays until cancelled; raises what is not transient."""
        for_trials = self._producer.another()
        try:
            async with asyncio.TaskGroup() as group:
                for name, run in (
                    ("the outbox", partial(self._relay, self._turns.next, self._producer)),
                    ("what is tried alone of the outbox", partial(self._relay, self._turns.next_trial, for_trials)),
                    ("the look at the outbox", self._watch),
                    ("the look at what was sent", partial(self._published.run, self._pool)),
                ):
                    group.create_task(not_cancelled_from_within(name, run))
        finally:
            await for_trials.stop()

    async def has_published(self, outbox_ids: Sequence[int], *, within: timedelta) -> bool:
        """Whether Kafka has acknowledged these rows by then; call it once they are committed, while the relay runs."""
        return await self._published.wait(outbox_ids, within=within)

    async def _relay(self, following: Callable[[], Awaitable[Sequence[int]]], producer: Producer) -> None:
        while True:
            await self._turn(await following(), producer)

    async def _turn(self, shards: Sequence[int], producer: Producer) -> None:
        try:
            if self._turns.in_doubt:
                await producer.must_answer()
            # Where Kafka did not take something, as little as may be is tried at once.
            most = _BATCH if self._turns.in_doubt else _BATCH * SHARDS // len(shards)
            found = await self._relay_some(shards, producer, most)
        except Exception as error:
            if not is_transient(error):
                raise
            self.in_doubt = True
            self._turns.failed(shards)
            for shard in shards:
                self._holding[shard].note(error)
            _log.warning("outbox_waits", shards=list(shards), error=type(error.__cause__ or error).__name__)
            return
        self._turns.others_have([shard for shard in shards if shard not in found])
        self._turns.sent(found, more=[shard for shard, rows in found.items() if rows == most])
        for shard in shards:
            self._holding[shard].over()

    async def _relay_some(self, shards: Sequence[int], producer: Producer, most: int = _BATCH) -> dict[int, int]:
        """How many rows it found, by shard, so many of each at most; of those that another process holds nothing is said."""
        known, moments = self._handed.known(shards, most)
        async with self._pool.acquire() as connection, connection.transaction():
            taken = await connection.fetch(
                SQL["take_from_outbox"], _LOCK_SPACE, shards, most, ",".join(map(str, known)), moments
            )
            found = {row["shard"]: row["found"] or 0 for row in taken}
            taken = [row for row in taken if row["id"] is not None]
            if not taken:
                return found
            began, rows = time.perf_counter(), _in_order(taken, known)
            self._published.take(rows)
            try:
                await _send(producer, list(rows.values()))
                self._published.sent(rows)
            except NotAcknowledgedError:
                self._turns.try_alone({row["shard"] for row in taken})
                raise
            finally:
                self._published.put_back(rows)
        self._handed.gone(known, _up_to(taken, found, most))
        sending = time.perf_counter() - began
        observe_all(OUTBOX_SECONDS, [row["age"] + sending for row in taken])
        return found

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
        state = await self._pool.fetchrow(SQL["outbox_state"], SHARDS, _COUNTED)
        if state is not None:
            OUTBOX_ROWS.set(state["rows"])
            OUTBOX_AGE_SECONDS.set(state["age"])
            self.wake(state["shards"] or ())
        self._handed.forget()


async def _send(producer: Producer, records: Sequence[Outgoing]) -> None:
    causes = [cause for record in records if (cause := tracing.found_in(record.headers)) is not None]
    if not causes:  # an idle relay makes no spans
        return await producer.send(records)
    with tracing.span("outbox send", "producer", causes=causes, records=len(records)):
        return await producer.send(records)


def _up_to(rows: Sequence[asyncpg.Record], found: Mapping[int, int], most: int) -> Mapping[int, float]:
    """By shard, the row up to which nothing is left: of these, which come in the order of their ids, the last, or all where a turn took all."""
    return {row["shard"]: row["id"] for row in rows} | {
        shard: math.inf for shard, count in found.items() if count < most
    }


def _in_order(rows: Sequence[asyncpg.Record], known: Mapping[int, Outgoing]) -> dict[int, Outgoing]:
    return {
        row["id"]: known[row["id"]]
        if row["topic"] is None
        else Outgoing(row["topic"], row["key"], row["value"], headers_from_json(row["headers"]))
        for row in rows
    }
