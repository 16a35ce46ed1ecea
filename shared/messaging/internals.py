"""What aiokafka 0.14 keeps to itself and this house has to see or mend; the version is pinned for this file's sake.

A name that is gone after an upgrade raises AttributeError at import or at the watchdog's first look: the process ends.
Importing this file mends, for every consumer of the process, the reading of header names that are not UTF-8, and a stop while a group is
joined; `fetches.py`, which goes with it, how long a fetch waits; and for every producer, how hard LZ4 tries.
"""

import asyncio
import itertools
import sys
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.client import ConnectionGroup
from aiokafka.consumer import fetcher, group_coordinator
from aiokafka.consumer.group_coordinator import CoordinatorGroupRebalance, GroupCoordinator
from aiokafka.errors import KafkaError
from aiokafka.record.default_records import DefaultRecordBatchBuilder, _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords, _MemoryRecordsPy
from aiokafka.record.util import decode_varint_py

from shared.beats import beat_ms, until_beat
from shared.messaging import fetches as fetches
from shared.messaging.ends import Ends
from shared.messaging.envelope import Outgoing
from shared.messaging.errors import FatalError
from shared.messaging.progress import Standing

_ENDS_WITHIN = timedelta(seconds=5)
_HEARTBEATS = timedelta(seconds=3)
"""aiokafka's own, of a session of ten seconds."""
_FAST = 0
"""LZ4's own level. aiokafka asks for 9, which looks for the longest match: a tenth to a twentieth as fast, and sealed words, which hold
nothing to be found, do not become 1 % smaller by it."""
_TAKES_WITHIN = timedelta(seconds=5)
"""A record ends the wait, and so does a stop; whether the group is in order is looked at as often."""


def dead_task_of_consumer(consumer: AIOKafkaConsumer) -> str | None:
    """The background task that has ended, without which nothing is consumed and nothing is said (aiokafka #1186)."""
    coordinator = consumer._coordinator
    if consumer._client._sync_task.done():
        return "metadata"
    if consumer._fetcher._fetch_task.done():
        return "fetcher"
    if not isinstance(coordinator, GroupCoordinator):
        return "position" if coordinator._reset_committed_task.done() else None
    if coordinator._coordination_task.done():
        return "coordination"
    # A heartbeat also ends when the group has to be joined anew; then the coordination task starts another.
    heartbeat = coordinator._heartbeat_task
    if heartbeat is not None and heartbeat.done() and not coordinator._rejoin_needed_fut.done():
        return "heartbeat"
    refresh = coordinator._commit_refresh_task
    if refresh is not None and refresh.done() and not refresh.cancelled() and refresh.exception() is not None:
        return "offsets"
    return None


def dead_task_of_producer(producer: AIOKafkaProducer) -> str | None:
    """The background task that has ended, without which a send waits for ever."""
    if producer.client._sync_task.done():
        return "metadata"
    return "sender" if producer._sender.sender_task.done() else None


def abandon_producer(producer: AIOKafkaProducer) -> None:
    """Makes sure that nothing more leaves: an idempotent batch never expires, so a sender that is left alone would deliver
    hours later, after what was sent since. Its connections are cut, not closed, for closing flushes them.
    """

    async def nobody(*_: object, **__: object) -> None:
        return None

    producer.client._get_conn = nobody
    producer._closed = True
    for task in (producer._sender.sender_task, producer.client._sync_task):
        if task is not None:
            task.cancel()
    for connection in list(producer.client._conns.values()):
        if connection._writer is not None:
            connection._writer.transport.abort()


async def note_ends(consumer: AIOKafkaConsumer, ends: Ends) -> None:
    """Asks Kafka for the ends of the assigned partitions, whatever the fetcher does, and notes what it says.

    Tansu's answer is too low when the last batch holds several records, never too high.
    """
    partitions = list(consumer.assignment())
    for gone in ends.keys() - set(partitions):
        del ends[gone]
    if not partitions:
        return
    try:
        async with asyncio.timeout(_ENDS_WITHIN.total_seconds()):
            ends.update(await consumer.end_offsets(partitions))
    except (KafkaError, TimeoutError, OSError):
        pass  # Kafka is away, or the partitions have moved on: what was known before is still true


def standing_of(
    consumer: AIOKafkaConsumer, ends: Ends, done: Mapping[TopicPartition, int] | None = None
) -> Standing | None:
    """Where the consumer stands by its own knowledge and the noted ends; `done` where positions run ahead of the work."""
    subscription = consumer._subscription.subscription
    assignment = subscription.assignment if subscription is not None else None
    if assignment is None or not assignment.active:
        return None
    positions: dict[tuple[str, int], int] = {}
    lags: dict[str, int] = {}
    for partition in assignment.tps:
        state = assignment.state_value(partition)
        if not state.has_valid_position:
            return None
        position = state.position if done is None else done.get(partition, state.position)
        end = max(state.highwater or 0, ends.get(partition, 0))
        positions[partition.topic, partition.partition] = position
        lags[partition.topic] = lags.get(partition.topic, 0) + max(0, end - position)
    return Standing(positions, lags)


async def partitions_of(consumer: AIOKafkaConsumer, topic: str) -> int:
    """How many partitions Kafka says now that the topic has; 0 when it does not say.

    The topic must be there (Tansu creates what is asked for).
    """
    client = consumer._client
    client.add_topic(topic)
    await client.force_metadata_update()
    return len(consumer.partitions_for_topic(topic) or ())


def size_when_sent(record: Outgoing) -> int:
    """Bytes that a producer holds against its `max_request_size`: the record alone in a batch, before compression."""
    size: int = DefaultRecordBatchBuilder.estimate_size_in_bytes(record.key, record.value, list(record.headers))
    return size


def take_as_it_comes(subscriber: Any, max_records: int) -> Callable[[Collection[int]], Awaitable[list[ConsumerRecord]]]:  # noqa: ANN401 - FastStream's subscriber of batches, whose loop calls this
    """Has FastStream take a batch as soon as there is a record, and wait for it where there is none; gives what takes another one
    meanwhile, of what is there already of other partitions than these.

    By itself FastStream asks for `batch_timeout_ms` and then sleeps for as long: 25 turns a second for nothing, and a record that comes
    while it sleeps waits. What goes wrong while another is taken is raised where the next one is: what was taken before is not lost.
    Nothing more is taken once the group is joined anew: aiokafka gives no records until that is over, whatever the timeout, and waits for
    what is in hand before it begins.
    """
    failed: list[Exception] = []

    async def get_msg(consumer: AIOKafkaConsumer) -> tuple[ConsumerRecord, ...]:
        if failed:
            raise failed.pop()
        fetched = await consumer.getmany(timeout_ms=beat_ms(_TAKES_WITHIN), max_records=max_records)
        return tuple(itertools.chain.from_iterable(fetched.values()))

    async def more(but: Collection[int]) -> list[ConsumerRecord]:
        consumer = subscriber.consumer
        if consumer is None or failed or consumer._subscription.reassignment_in_progress:
            return []
        others = [one for one in consumer.assignment() if one.partition not in but]
        try:
            fetched = await consumer.getmany(*others, timeout_ms=0, max_records=max_records) if others else {}
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to the loop of who consumes
            failed.append(error)
            return []
        return [*itertools.chain.from_iterable(fetched.values())]

    subscriber.get_msg = get_msg
    return more


class UnreadableError(FatalError):
    """A batch of records that aiokafka cannot take apart; the message says where it is."""


class _RawRecords(MemoryRecords):  # type: ignore[misc]  # aiokafka has no types
    """The batches of one fetch of one partition, with the bytes that they are read from."""

    def __init__(self, raw: bytes) -> None:
        super().__init__(raw)
        self.raw = raw


class _LenientRecords:
    """The same from an offset on, where a batch can be asked for once more, to be read leniently then."""

    def __init__(self, raw: bytes, offset: int) -> None:
        self.raw = raw
        self._records = _MemoryRecordsPy(raw)
        self._last: memoryview | None = None
        self._again = False
        while self.has_next() and self.next_batch().next_offset <= offset:
            pass

    def again(self) -> None:
        """The next batch is the last one once more."""
        self._again = True

    def has_next(self) -> bool:
        return self._again or self._records.has_next()

    def next_batch(self) -> Any:  # noqa: ANN401 - aiokafka's batch has no types
        if self._again:
            self._again = False
            return _LenientBatch(self._last)
        self._last = self._records._next_slice
        return self._records.next_batch()


class _LenientBatch(_DefaultRecordBatchPy):  # type: ignore[misc]  # aiokafka has no types
    """A batch in which the bytes of a header's name that are not UTF-8 are written out, as in `\\xff\\xfename`."""

    _buffer: bytearray

    def _maybe_uncompress(self) -> None:
        super()._maybe_uncompress()
        self._buffer = _LenientBytes(self._buffer)

    def _read_msg(self) -> Any:  # noqa: ANN401 - aiokafka's record has no types
        return super()._read_msg(decode_varint_py)  # the C one takes no subclass of bytearray


class _LenientBytes(bytearray):
    """Slices of it decode leniently; keys and values are taken as bytes, so only names are decoded."""

    def __getitem__(self, at: Any) -> Any:  # noqa: ANN401 - an index gives a byte, a slice gives bytes
        found = super().__getitem__(at)
        return _LenientBytes(found) if isinstance(at, slice) else found

    def decode(self, encoding: str = "utf-8", errors: str = "backslashreplace") -> str:
        return super().decode(encoding, errors)


class _PartitionRecords(fetcher.PartitionRecords):  # type: ignore[misc]  # aiokafka has no types
    """The records of one fetch of one partition: the fast reader's, and the lenient one's where that fails over a name.

    aiokafka decodes names strictly, and then stands before that batch for ever. What else cannot be taken apart raises
    UnreadableError (brokers refuse such batches, so they are damaged or come from a broker that does not look).
    """

    _records: Any
    _records_iterator: Any

    def __next__(self) -> ConsumerRecord:
        while True:
            try:
                return next(self._records_iterator)
            except StopIteration:
                self._records_iterator = None  # as aiokafka does, against a cycle of references
                raise
            except Exception as error:
                if not _is_of_a_name(error):
                    raise UnreadableError(
                        f"{self._tp.topic}/{self._tp.partition}: the records from offset {self.next_fetch_offset} on cannot be "
                        f"taken apart ({type(error).__name__}). Nothing behind them is read before they are gone "
                        "(kafka-delete-records) or the group's offset is set past them."
                    ) from error
                if not isinstance(self._records, _LenientRecords):
                    self._records = _LenientRecords(self._records.raw, self.next_fetch_offset)
                self._records.again()
                self._records_iterator = self._unpack_records()


def _is_of_a_name(error: Exception) -> bool:
    """Only names are decoded. Without its C extension, aiokafka wraps the error."""
    return isinstance(error, UnicodeDecodeError) or isinstance(error.__cause__, UnicodeDecodeError)


async def _leave_group(self: GroupCoordinator) -> None:
    """Tansu numbers a group's generations from 0, and aiokafka takes 0 for none: it would not leave, and who joins next
    would wait for its session to end. A consumer that stops leaves over a new connection where something was not answered on the
    old one: a broker answers a connection in order, so the answer would come after that to the join which it holds."""
    if self.generation == 0:
        self.generation = 1  # the request to leave carries no generation, and a reset follows
    connection = self._client._conns.get((self.coordinator_id, ConnectionGroup.COORDINATION))
    if self._closing.done() and connection is not None and connection._requests:
        connection.close()
    await _aiokafkas_leave_group(self)


class _AsyncioWithBeats:
    """What aiokafka's group coordinator calls asyncio: the heartbeats of all groups of a process leave together, none later than aiokafka
    would have sent it. Nothing else there sleeps for as long as a second."""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever asyncio has
        return getattr(asyncio, name)

    @staticmethod
    async def sleep(delay: float) -> None:
        await asyncio.sleep(delay if delay < 1 else min(delay, until_beat(_HEARTBEATS)))


async def _join_group(self: CoordinatorGroupRebalance) -> Any:  # noqa: ANN401 - aiokafka has no types
    """A consumer that is told to stop waits for its own join no longer: a broker holds that until all others have come, for up to a
    minute, and aiokafka would wait so long; by then the process has been ended the hard way."""
    closing = self._coordinator._closing
    joining = asyncio.ensure_future(_aiokafkas_join_group(self))
    try:
        await asyncio.wait({joining, closing}, return_when=asyncio.FIRST_COMPLETED)
        return joining.result() if joining.done() else None
    finally:
        joining.cancel()


_aiokafkas_leave_group = GroupCoordinator._maybe_leave_group
GroupCoordinator._maybe_leave_group = _leave_group
_aiokafkas_join_group = CoordinatorGroupRebalance.perform_group_join
CoordinatorGroupRebalance.perform_group_join = _join_group
group_coordinator.asyncio = _AsyncioWithBeats()
fetcher.MemoryRecords, fetcher.PartitionRecords = _RawRecords, _PartitionRecords
_builders: Any = sys.modules[DefaultRecordBatchBuilder.__module__]  # in C where that is there
_builders.lz4_encode = partial(_builders.lz4_encode, level=_FAST)
