"""What the tests of the plumbing are built of: numbered events, a reader of whole topics, a running consumer."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.producer import message_accumulator, producer
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from faststream.kafka import KafkaBroker

from shared.contracts.base import Event
from shared.contracts.topics import Topic
from shared.messaging.consumer import Consumer, Handler, Subscription
from shared.messaging.envelope import Outgoing, Received, Record, encode, only
from shared.messaging.kafka import Kafka
from shared.messaging.reading import read_to_the_end
from shared.messaging.relay import Relay
from shared.messaging.unit import Unit
from shared.postgres.pool import Pool
from tests.fakes.clock import NOON, FixedClock
from tests.waiting import until

AT = datetime(2026, 11, 22, 10, tzinfo=UTC)


class Numbered(Event):
    """An event that carries its place in a row."""

    KEY: ClassVar[str] = "name"

    name: str
    number: int


def numbered_on(topic: Topic) -> type[Numbered]:
    """The class of numbered events that belongs on this topic."""
    return type("NumberedHere", (Numbered,), {"TYPE": f"test.{topic.name}.v1", "TOPIC": topic, "__module__": __name__})


@dataclass(frozen=True, slots=True)
class Log:
    """A topic of one's own."""

    kafka: Kafka
    topic: Topic
    kind: type[Numbered]

    def numbers(self, count: int, *, keys: int = 5, first: int = 0) -> list[Numbered]:
        """`count` events from `first` on, spread over the keys."""
        return [self.kind(name=f"k{number % keys}", number=number) for number in range(first, first + count)]

    def records(self, events: Sequence[Event]) -> list[Outgoing]:
        """The events as they go out; event n has always the same id."""
        return [encode(event, source="test", at=AT, id=f"e-{getattr(event, 'number', 0)}") for event in events]

    async def write_in_big_batches(self, events: Sequence[Event | Outgoing]) -> None:
        """Thousands of records in each of Kafka's own batches; what is no event goes as it is, and may be large."""
        writer = AIOKafkaProducer(
            **self.kafka.for_aiokafka(),
            acks="all",
            linger_ms=500,
            max_batch_size=8 * 1024 * 1024,
            max_request_size=8 * 1024 * 1024,
            compression_type="lz4",
            enable_idempotence=False,
        )
        await writer.start()
        try:
            sent = [
                await writer.send(record.topic, key=record.key, value=record.value, headers=list(record.headers))
                for event in events
                for record in ([event] if isinstance(event, Outgoing) else self.records([event]))
            ]
            await asyncio.gather(*sent)
        finally:
            await writer.stop()

    async def read(self, topic: Topic | None = None) -> list[Record]:
        """Every record that is on the topic now, partition by partition."""
        reading = read_to_the_end(self.kafka, [topic or self.topic], client_id="test")
        async with asyncio.timeout(180):
            found = [record async for some in reading for record in some]
        return sorted(found, key=lambda record: (record.partition, record.offset))


@contextlib.contextmanager
def with_the_python_builder() -> Iterator[None]:
    """Producers within write what `NotUtf8` names hold."""
    with pytest.MonkeyPatch.context() as patched:
        for module in (message_accumulator, producer):
            patched.setattr(module, "DefaultRecordBatchBuilder", _DefaultRecordBatchBuilderPy)
        yield


def numbers_of(received: Sequence[Received[Event]]) -> list[int]:
    """The numbers of the events, in their order."""
    return [item.event.number for item in only(Numbered, received)]


@dataclass(slots=True)
class Noted:
    """A handler that writes each number to a table, inside the transaction, and remembers what it was called with."""

    before: Callable[[Sequence[int]], None] = lambda numbers: None
    calls: list[list[int]] = field(default_factory=list)

    async def __call__(self, unit: Unit, received: Sequence[Received[Event]]) -> None:
        numbers = numbers_of(received)
        self.calls.append(numbers)
        await unit.connection.execute("INSERT INTO effects (number) SELECT unnest($1::int[])", numbers)
        self.before(numbers)

    @property
    def seen(self) -> list[int]:
        """Every number of every call."""
        return [number for call in self.calls for number in call]


async def make_effects(pool: Pool) -> None:
    """The table that `Noted` writes to; without a unique key, so that a second effect shows."""
    await pool.execute("CREATE TABLE effects (number int NOT NULL)")


async def effects(pool: Pool) -> list[int]:
    """Every effect that was committed, sorted."""
    return [row["number"] for row in await pool.fetch("SELECT number FROM effects ORDER BY number")]


def consumer_of(
    log: Log,
    pool: Pool,
    handle: Handler,
    *,
    group: str = "test.numbers",
    deduplicate: bool = True,
    retry_for: timedelta = timedelta(seconds=10),
    on_fatal: Callable[[BaseException], None] = lambda error: None,
) -> Consumer:
    """A consumer as a service has it."""
    subscription = Subscription(
        f"{group}.{log.topic.name}", (log.topic,), handle, takes=(log.kind,), deduplicate=deduplicate
    )
    return Consumer(subscription, pool, FixedClock(NOON), "test", retry_for, on_fatal, lambda unit: None)


@contextlib.asynccontextmanager
async def consuming(log: Log, consumer: Consumer) -> AsyncIterator[KafkaBroker]:
    """The consumer on a broker that is set as `shared.service` sets it; stopped gracefully."""
    broker = KafkaBroker(
        log.kafka.servers,
        security=log.kafka.for_faststream(),
        apply_types=False,
        logger=None,
        allow_auto_create_topics=False,
        graceful_timeout=10,
        enable_idempotence=False,
    )
    consumer.attach(broker)
    await broker.start()
    try:
        yield broker
    finally:
        await broker.stop()


@contextlib.asynccontextmanager
async def running(work: Coroutine[Any, Any, None]) -> AsyncIterator[asyncio.Task[None]]:
    """The work as a task that is cancelled at the end; what it died of is raised."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def relay_everything(pool: Pool, relay: Relay, *, within: timedelta = timedelta(seconds=30)) -> None:
    """Runs the relay until the outbox is empty."""

    async def is_empty_or_dead() -> bool:
        return task.done() or not await pool.fetchval("SELECT count(*) FROM outbox")

    async with running(relay.run()) as task:
        await until(is_empty_or_dead, within=within)
