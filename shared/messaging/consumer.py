"""Consuming, written out: batches, one transaction each, acknowledged after the commit, with one way out for what fails."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

import structlog
from aiokafka import ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage
from faststream.kafka.message import KafkaAckableMessage
from opentelemetry.trace import SpanContext

from shared import tracing
from shared.backoff import Backoff
from shared.clock import Clock
from shared.contracts.base import Event
from shared.contracts.topics import Topic
from shared.messaging.dead_letters import REASONS, DeadLetterLimit, dead_letter, failed_before, is_of_its_text, mark
from shared.messaging.ends import Ends
from shared.messaging.envelope import UNKNOWN_TYPE, Received, Record, Undecodable, decode, gone
from shared.messaging.errors import FatalError, is_transient, may_end_the_process
from shared.messaging.holding import Holding
from shared.messaging.internals import dead_task_of_consumer, note_ends, standing_of, take_as_it_comes
from shared.messaging.lanes import side_by_side
from shared.messaging.progress import Progress, Standing
from shared.messaging.signatures import Verifier, note_refused, watch_refused
from shared.messaging.unit import Unit, unit_of_work
from shared.metrics import BATCH_SECONDS, DEAD_LETTERS, RECORD_SECONDS, RECORDS, observe_all
from shared.postgres.pool import Pool

T = TypeVar("T")
Handler = Callable[[Unit, Sequence[Received[Event]]], Awaitable[None]]
HandleRemoved = Callable[[Unit, Sequence[str]], Awaitable[None]]

_TAKES_FOR = timedelta(seconds=1)
"""How long lanes take one batch after the other: who stops, or gives partitions away, waits for that."""
_NOT_FOR_US = f"{UNKNOWN_TYPE}: this version of the subscription neither takes nor ignores it"
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Subscription:
    """Who reads what, and how. `deduplicate` is off where every effect is guarded by a version of its own.

    Each kind of event on its topics is one that the handler takes or one that is known to be of no use here. Any other is
    set aside as `unknown_type`, so that no event is acknowledged unread because nobody thought of it.
    """

    group: str
    topics: tuple[Topic, ...]
    handle: Handler
    takes: tuple[type[Event], ...] = field(kw_only=True)
    ignores: tuple[type[Event], ...] = field(default=(), kw_only=True)
    deduplicate: bool = True
    max_records: int = 500
    lanes: int = 1
    """How many batches may be in hand at once, of different partitions, each in a transaction of its own and acknowledged by itself.
    More than one is for handlers that wait longer than they work, and that keep nothing between two batches."""
    handle_removed: Mapping[Topic, HandleRemoved] = field(default_factory=dict)
    """What to do when the owner of a compacted topic removes keys; of a topic that is not named, a removal
    changes nothing here: people end by `erasures`."""


@dataclass(slots=True)
class Consumer:
    """One subscription at work.

    A batch is decoded record by record; what cannot be decoded becomes a dead letter. A
    transient error is retried, with back-off, for `retry_for`; then the process ends, unacknowledged. Anything else halves the
    batch until the one record that fails is alone, and that one becomes a dead letter; too many of these end the process
    (`dead_letters` says when), and what was set aside until then is passed over after the restart.
    """

    subscription: Subscription
    pool: Pool
    clock: Clock
    source: str
    retry_for: timedelta
    on_fatal: Callable[[BaseException], None]
    after_commit: Callable[[Unit], None]
    """Tells the outbox relay what is committed."""
    scheduled: Callable[[Collection[str]], None] = lambda _: None
    """Wakes the runner: told the queues in which work was scheduled."""
    verifier: Verifier | None = None
    """Tells who says a record; None: whoever wrote it is believed."""
    fetch_wait_ms: int = 100
    """How long a broker may hold a fetch that it has no record for."""
    _limit: DeadLetterLimit = field(default_factory=DeadLetterLimit)
    _in_flight: asyncio.Lock = field(default_factory=asyncio.Lock)
    progress: Progress = field(default_factory=Progress)
    _failed: bool = False
    _subscriber: Any = None
    _more: Any = None
    """Takes what is there besides (`take_as_it_comes`)."""
    _ends: Ends = field(default_factory=dict)
    _holding: Holding = field(init=False)
    _held: int = 0
    """Batches in hand that wait."""

    def __post_init__(self) -> None:
        self._holding = Holding(self.name)
        for topic in self.subscription.topics:
            watch_refused(topic.name)
        for topic, reason in itertools.product(self.subscription.topics, REASONS):
            DEAD_LETTERS.labels(topic.name, reason)  # a series that is there from the start, with 0

    @property
    def name(self) -> str:
        """Its group: its name in logs and metrics."""
        return self.subscription.group

    def dead(self) -> str | None:
        """The name of a background task that has ended, or None; FatalError when it has said why. Call between start and stop."""
        for task in self._subscriber.tasks:
            if task.done() and not task.cancelled() and isinstance(error := task.exception(), FatalError):
                raise error
        if all(task.done() for task in self._subscriber.tasks):
            return "consuming"
        return dead_task_of_consumer(self._subscriber.consumer)

    async def look_ahead(self) -> None:
        """Asks Kafka for the ends of the partitions."""
        await note_ends(self._subscriber.consumer, self._ends)

    def standing(self) -> Standing | None:
        """Where it is; what is in hand counts as not done."""
        found = standing_of(self._subscriber.consumer, self._ends)
        if found is None or not self.progress.in_hand:
            return found
        topic = self.subscription.topics[0].name
        return Standing(found.positions, {**found.lags, topic: found.lags.get(topic, 0) + self.progress.in_hand})

    def attach(self, broker: KafkaBroker) -> None:
        """Declares the FastStream subscriber; call before the broker starts."""

        async def parse(raw: tuple[ConsumerRecord, ...]) -> KafkaMessage:
            # FastStream's own parser decodes headers strictly and would lose a batch with a bad one; this touches nothing.
            return KafkaAckableMessage(raw_message=raw, body=b"", consumer=subscriber.consumer)

        subscriber = broker.subscriber(
            *(topic.name for topic in self.subscription.topics),
            group_id=self.subscription.group,
            batch=True,
            max_records=self.subscription.max_records,
            fetch_max_wait_ms=self.fetch_wait_ms,
            auto_offset_reset="earliest",
            ack_policy=AckPolicy.MANUAL,
            no_reply=True,
            rebalance_timeout_ms=60_000,
            listener=_WaitForBatch(self._in_flight),
            parser=parse,
            decoder=_pass_through,
            title=self.subscription.group,
            description="; ".join(topic.carries for topic in self.subscription.topics),
        )
        subscriber(self._on_batch)
        self._more = take_as_it_comes(subscriber, self.subscription.max_records)
        self._subscriber = subscriber

    async def _on_batch(self, message: KafkaMessage) -> None:
        if self._failed:
            return  # acknowledging a later batch would pass over the one that failed
        records, lanes = [_record(raw) for raw in message.raw_message], self.subscription.lanes
        try:
            async with self._in_flight:
                await side_by_side(records, self._in_hand, self._take, lanes=lanes, takes_for=_TAKES_FOR)
        except Exception as error:  # noqa: BLE001 - whatever it is, going on would lose records
            self._failed = True
            self.on_fatal(error)

    async def _take(self, but: Collection[int]) -> Sequence[Record]:
        return [_record(raw) for raw in await self._more(but)] if self.subscription.lanes > 1 else ()

    async def _in_hand(self, records: Sequence[Record]) -> None:
        self.progress.take(len(records))
        await self.process(records)
        await self._acknowledge(records)
        self.progress.done(len(records))

    async def _acknowledge(self, records: Sequence[Record]) -> None:
        """All that was taken; where other batches may be in hand, of each partition up to its last one here."""
        ends = {TopicPartition(record.topic, record.partition): record.offset + 1 for record in records}
        try:
            await self._subscriber.consumer.commit(ends if self.subscription.lanes > 1 else None)
        except (CommitFailedError, IllegalStateError):
            # The group has given the partitions to others; they read the batch again, and the inbox drops it.
            _log.warning("not_acknowledged", group=self.subscription.group)

    async def process(self, records: Sequence[Record]) -> None:
        """Every record is handled or set aside when this returns; FatalError when neither was possible."""
        started, now = time.perf_counter(), time.time()
        ages = [max(0.0, now - record.written / 1000) for record in records if record.written]
        observe_all(RECORD_SECONDS.labels(self.subscription.group), ages)
        decoded = [decode(record, self.verifier) for record in records]
        known = (*self.subscription.takes, *self.subscription.ignores)
        for item in decoded:
            if isinstance(item, Undecodable):
                await self._set_aside(item.record, item.reason, counts=False)
            elif isinstance(item, Received) and not isinstance(item.event, known):
                await self._set_aside(item.record, _NOT_FOR_US, counts=False)
        received = [item for item in decoded if isinstance(item, Received)]
        good = [item for item in received if isinstance(item.event, self.subscription.takes)]
        ignored = [item for item in received if isinstance(item.event, self.subscription.ignores)]
        RECORDS.labels(self.subscription.group, "ignored").inc(len(ignored))
        if good:
            causes = [_cause(item.record) for item in good]
            with tracing.span(
                f"{self.name} batch", "consumer", causes=causes, subscription=self.name, records=len(good)
            ):
                await self._handle(good)
        for topic, keys in gone(decoded).items():
            await self._remove(topic, keys)
        BATCH_SECONDS.labels(self.subscription.group).observe(time.perf_counter() - started)

    async def _remove(self, topic: str, keys: Sequence[str]) -> None:
        handle = next((do for one, do in self.subscription.handle_removed.items() if one.name == topic), None)
        if handle is None:
            return

        async def write() -> None:
            async with self._unit() as unit:
                await handle(unit, keys)

        await self._with_retries(write)
        RECORDS.labels(self.subscription.group, "removed").inc(len(keys))

    async def _handle(self, events: Sequence[Received[Event]]) -> None:
        try:
            await self._with_retries(lambda: self._in_one_transaction(events))
        except FatalError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a handler raises, the record that it raises for goes its way out
            if len(events) == 1:
                _log.error("record_failed", position=events[0].record.position, exc_info=error)
                reason = f"failed: {type(error).__name__}"
                await self._set_aside(events[0].record, reason, counts=not is_of_its_text(error))
                return
            middle = len(events) // 2
            await self._handle(events[:middle])
            await self._handle(events[middle:])
        else:
            self._limit.handled(len(events))
            RECORDS.labels(self.subscription.group, "handled").inc(len(events))

    async def _in_one_transaction(self, events: Sequence[Received[Event]]) -> None:
        group = self.subscription.group
        async with self._unit() as unit:
            fresh = events
            if self.subscription.deduplicate:
                by_identity = _by_identity(events)
                new = await unit.first_time(group, by_identity)
                fresh = [item for identity, item in by_identity.items() if identity in new]
            unit.causes = _causes(fresh)
            if fresh:
                await self.subscription.handle(unit, fresh)

    @asynccontextmanager
    async def _unit(self) -> AsyncIterator[Unit]:
        async with unit_of_work(self.pool, at=self.clock.now(), source=self.source) as unit:
            yield unit
        self.after_commit(unit)
        if unit.work.queues:
            self.scheduled(unit.work.queues)

    async def _set_aside(self, record: Record, reason: str, *, counts: bool) -> None:
        group, counted = self.subscription.group, False
        marks = [mark(record), failed_before(record)] if counts else [mark(record)]

        async def write() -> bool:
            nonlocal counted
            async with self._unit() as unit:
                new = await unit.first_time(group, marks)
                if failed_before(record) in new and not counted:
                    counted = True  # another try at this transaction is no other failure
                    self._limit.failed()
                if mark(record) in new:
                    unit.write(dead_letter(record, reason=reason, group=group, at=unit.at))
            return mark(record) in new

        if not await self._with_retries(write):
            return  # before the restart
        DEAD_LETTERS.labels(record.topic, reason.split(":", 1)[0]).inc()
        note_refused(record.topic, reason)
        RECORDS.labels(group, "set_aside").inc()
        _log.warning("dead_letter", position=record.position, group=group, reason=reason)

    async def _with_retries(self, work: Callable[[], Awaitable[T]]) -> T:
        is_held = False
        may_end_since: float | None = None  # what only waits does not count, also when something else fails after it
        backoff = Backoff()
        try:
            while True:
                self.progress.step()
                try:
                    return await work()
                except Exception as error:
                    if not is_transient(error):
                        raise
                    if not is_held:
                        is_held = True
                        self._held += 1
                    self._holding.note(error)
                    if not may_end_the_process(error):
                        may_end_since = None
                    elif may_end_since is None:
                        may_end_since = time.monotonic()
                    if may_end_since is not None and time.monotonic() - may_end_since > self.retry_for.total_seconds():
                        raise FatalError(f"still failing after {self.retry_for}: {type(error).__name__}") from error
                    _log.warning("batch_waits", group=self.subscription.group, error=type(error).__name__)
                await backoff.wait()
        finally:
            self._held -= is_held
            if not self._held:  # else another batch that is in hand still waits
                self._holding.over()


def _by_identity(events: Sequence[Received[Event]]) -> dict[str, Received[Event]]:
    """The events by what makes them the same (CloudEvents: source and id), in their order; of doubles the first."""
    first: dict[str, Received[Event]] = {}
    for item in events:
        first.setdefault(f"{item.source} {item.id}", item)
    return first


def _cause(record: Record) -> SpanContext | None:
    return tracing.found_in(record.headers)


def _causes(events: Iterable[Received[Event]]) -> dict[bytes, SpanContext]:
    found = {item.record.key: _cause(item.record) for item in events if item.record.key is not None}
    return {key: cause for key, cause in found.items() if cause is not None}


class _WaitForBatch(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Partitions move on only when the batch in flight is done, or after `rebalance_timeout_ms`: then another member may handle
    its records at the same time, and the inbox or a version keeps one effect.
    """

    def __init__(self, in_flight: asyncio.Lock) -> None:
        self._in_flight = in_flight

    async def on_partitions_revoked(self, revoked: object) -> None:
        async with self._in_flight:
            pass

    async def on_partitions_assigned(self, assigned: object) -> None:
        pass


async def _pass_through(message: KafkaMessage) -> KafkaMessage:
    return message


def _record(raw: Any) -> Record:  # noqa: ANN401 - aiokafka's record has no types
    return Record(raw.topic, raw.partition, raw.offset, raw.key, raw.value, tuple(raw.headers), raw.timestamp)
