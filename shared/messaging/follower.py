"""A follower keeps a projection of a topic that must be current: it reads every partition, without a group."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from shared.backoff import Backoff
from shared.beats import beat_ms
from shared.contracts.base import Event
from shared.contracts.topics import Topic
from shared.messaging.ends import Ends, EndsWatch
from shared.messaging.envelope import UNKNOWN_TYPE, Received, Record, Undecodable, decode
from shared.messaging.errors import TransientError, is_transient
from shared.messaging.holding import Holding
from shared.messaging.internals import dead_task_of_consumer, note_ends, partitions_of, standing_of
from shared.messaging.kafka import Kafka
from shared.messaging.progress import Progress, Standing
from shared.messaging.signatures import UNKNOWN_KEY, note_refused, watch_refused
from shared.messaging.stopping import stop_within
from shared.messaging.topics import TopicsDifferError

_STOP_WITHIN = timedelta(seconds=5)
_LOOK_WITHIN = timedelta(seconds=5)
_WAITS = timedelta(seconds=5)
"""For the first record of a fetch, which ends the wait."""

Positions = Mapping[int, int]
Apply = Callable[[Sequence[Received[Event]], Positions], Awaitable[None]]

_log = structlog.get_logger(__name__)


class Follower:
    """Applies a topic from the start (or from stored positions) and can tell when it has reached its end.

    `apply` gets the events of one fetch and, for each partition, the offset to go on from; it must be idempotent. What is no
    event, and the removal of a key, is passed over. So is an event of a kind that this version does not know, or with a key
    that it was not told of, but the offset to go on from stays before the first of these: one that knows them reads it.
    """

    def __init__(self, kafka: Kafka, topic: Topic, apply: Apply, *, client_id: str) -> None:
        self._topic = topic
        self._apply = apply
        self._partitions = [TopicPartition(topic.name, number) for number in range(topic.partitions)]
        self._applied: dict[TopicPartition, int] = {}
        self._kafka = kafka
        self._client_id = client_id
        self._started: AIOKafkaConsumer | None = None
        # A broker answers one connection's requests in their order: asked on the reader's own, the end of the log would
        # come only after its waiting fetch, up to `fetch_max_wait_ms` later.
        self._scout: AIOKafkaConsumer | None = None
        self._watch: EndsWatch | None = None
        self._ends: Ends = {}
        self._unknown: dict[int, int] = {}
        self._holding = Holding(self.name)
        watch_refused(topic.name)
        self.progress = Progress()

    @property
    def name(self) -> str:
        """Its name in logs and metrics."""
        return f"projection of {self._topic.name}"

    def dead(self) -> str | None:
        """The name of a background task of its Kafka clients that has ended, or None."""
        clients = [consumer for consumer in (self._started, self._scout) if consumer is not None]
        return next((dead for client in clients if (dead := dead_task_of_consumer(client)) is not None), None)

    async def look_ahead(self) -> None:
        """Asks Kafka for the ends of the partitions; TopicsDifferError when there are more than this projection reads."""
        await note_ends(self._consumer, self._ends)
        try:
            async with asyncio.timeout(_LOOK_WITHIN.total_seconds()):
                await self._must_read_all()
        except (TimeoutError, KafkaError, OSError):
            pass  # Kafka is away: the next look asks again

    def standing(self) -> Standing | None:
        """How far the projection has come."""
        return standing_of(self._consumer, self._ends, self._applied)

    async def start(self, stored: Positions | None = None, watch: EndsWatch | None = None) -> None:
        """Connects and goes to the stored positions, or to the beginning where there is none."""
        self._watch = watch
        self._started = AIOKafkaConsumer(
            **self._kafka.for_aiokafka(),
            client_id=self._client_id,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=self._kafka.fetch_wait_ms(watch),
        )
        await self._consumer.start()
        self._scout = AIOKafkaConsumer(**self._kafka.for_aiokafka(), client_id=self._client_id)
        await self._scout.start()
        self._consumer.assign(self._partitions)
        for partition in self._partitions:
            if stored and partition.partition in stored:
                self._consumer.seek(partition, stored[partition.partition])
            else:
                await self._consumer.seek_to_beginning(partition)

    async def stop(self) -> None:
        """Stops within 5 s, also when the brokers are down."""
        for consumer in (self._scout, self._started):
            if consumer is not None:
                await stop_within(_STOP_WITHIN, consumer.stop())

    async def run(self) -> None:
        """Follows until cancelled; raises what is not transient."""
        self._applied.update(await self._positions())
        while True:
            fetched = await self._consumer.getmany(timeout_ms=beat_ms(_WAITS), max_records=1000)
            records = [record for batch in fetched.values() for record in batch]
            positions = await self._positions()
            if records:
                self.progress.take(len(records))
                await self._until_applied(records, {key.partition: offset for key, offset in positions.items()})
                self.progress.done(len(records))
            self._applied.update(positions)

    async def _positions(self) -> dict[TopicPartition, int]:
        return {partition: await self._consumer.position(partition) for partition in self._partitions}

    async def caught_up(self, *, within: timedelta) -> bool:
        """Whether the projection holds everything that was on the topic when this was called.

        TopicsDifferError when the topic has more partitions than this projection reads.
        """
        if self._scout is None:
            return False
        try:
            async with asyncio.timeout(within.total_seconds()):
                ends, _ = await asyncio.gather(self._scout.end_offsets(self._partitions), self._must_read_all())
                if self._watch is not None:
                    self._watch.note(ends)
                while not all(self._has_reached(partition, ends[partition]) for partition in self._partitions):  # noqa: ASYNC110 - the watermark moves inside aiokafka, which sets no event
                    await asyncio.sleep(0.005)
        except (TimeoutError, KafkaError, OSError):
            return False
        return True

    async def _must_read_all(self) -> None:
        # aiokafka itself asks every five minutes, and goes on reading the partitions that it was told to.
        found = await partitions_of(self._scout, self._topic.name) if self._scout is not None else 0
        if found > self._topic.partitions:
            raise TopicsDifferError(
                f"{self._topic.name} has {found} partitions, not {self._topic.partitions}: this process has no projection of what "
                "is on the new ones. Keys would move: recreate the topic, or change shared/contracts/topics.py."
            )

    def _has_reached(self, partition: TopicPartition, end: int) -> bool:
        # Tansu's end offset is the base of the last batch + 1. Whoever is past that base has fetched the whole last batch,
        # and the high watermark that came with it is right. On Apache Kafka both are the end.
        watermark = self._consumer.highwater(partition)
        return watermark is not None and self._applied.get(partition, -1) >= max(end, watermark)

    @property
    def _consumer(self) -> AIOKafkaConsumer:
        if self._started is None:
            raise RuntimeError("the follower has not started")
        return self._started

    async def _until_applied(self, records: Sequence[Record], positions: Positions) -> None:
        decoded = [
            decode(
                Record(raw.topic, raw.partition, raw.offset, raw.key, raw.value, tuple(raw.headers)),
                self._kafka.verifier,
            )
            for raw in records
        ]
        for item in decoded:
            if not isinstance(item, Received):
                reason = item.reason if isinstance(item, Undecodable) else "removed: this projection keeps what it has"
                _log.warning("not_followed", position=item.record.position, reason=reason)
                note_refused(item.record.topic, reason)
                if reason.startswith((UNKNOWN_TYPE, UNKNOWN_KEY)):
                    self._unknown.setdefault(item.record.partition, item.record.offset)
        positions = {partition: min(at, self._unknown.get(partition, at)) for partition, at in positions.items()}
        events = [item for item in decoded if isinstance(item, Received)]
        backoff = Backoff()
        while True:
            try:
                await self._apply(events, positions)
            except Exception as error:
                if not is_transient(error):
                    raise
                self.progress.step()
                self._holding.note(error)
                _log.warning("projection_waits", topic=self._topic.name, error=type(error).__name__)
            else:
                return self._holding.over()
            await backoff.wait()


class ProjectionBehindError(TransientError):
    """A projection does not hold yet what its topic holds."""

    WAITS_FOR = "projection"


async def must_catch_up(follower: Follower, *, within: timedelta) -> None:
    """Returns once the projection is current; ProjectionBehindError when it is not in time."""
    if not await follower.caught_up(within=within):
        raise ProjectionBehindError("the projection has not reached the end of its topic")
