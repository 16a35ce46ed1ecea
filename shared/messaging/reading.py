"""Reading topics from their beginning to their end, without a group and without a trace at the broker."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import timedelta
from types import MappingProxyType

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.contracts.topics import Topic
from shared.messaging.envelope import Record
from shared.messaging.errors import TransientError
from shared.messaging.kafka import Kafka
from shared.messaging.stopping import stop_within

_STOP_WITHIN = timedelta(seconds=5)
_LOOK = timedelta(milliseconds=100)
_QUIET_AT_MOST = timedelta(seconds=20)
_FROM_THE_BEGINNING: Mapping[TopicPartition, int] = MappingProxyType({})


class KafkaIsQuietError(TransientError):
    """Kafka stopped to answer before the end was reached."""

    WAITS_FOR = "kafka"


async def read_to_the_end(
    kafka: Kafka, topics: Sequence[Topic], *, client_id: str, start: Mapping[TopicPartition, int] = _FROM_THE_BEGINNING
) -> AsyncGenerator[list[Record], None]:
    """Every record that these topics held when this was called, fetch by fetch, each partition in its order.

    A partition that `start` names is read from that offset on, or from its beginning where it has no such offset any more.

    The topics must be there (Tansu creates what a reader names). KafkaIsQuietError when nothing came for 20 s.
    """
    partitions = [TopicPartition(topic.name, number) for topic in topics for number in range(topic.partitions)]
    consumer = AIOKafkaConsumer(
        **kafka.for_aiokafka(),
        client_id=client_id,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=100,
    )
    await consumer.start()
    try:
        consumer.assign(partitions)
        for partition in partitions:
            if partition in start:
                consumer.seek(partition, start[partition])
            else:
                await consumer.seek_to_beginning(partition)
        quiet = timedelta(0)
        ends: dict[TopicPartition, int] = {}
        while not all([await _is_read(consumer, partition, ends) for partition in partitions]):
            fetched = await consumer.getmany(timeout_ms=_LOOK // timedelta(milliseconds=1), max_records=1000)
            quiet = timedelta(0) if fetched else quiet + _LOOK
            if quiet > _QUIET_AT_MOST:
                raise KafkaIsQuietError(f"the topics could not be read to their end: Kafka gave nothing for {quiet}")
            yield [
                Record(raw.topic, raw.partition, raw.offset, raw.key, raw.value, tuple(raw.headers), raw.timestamp)
                for batch in fetched.values()
                for raw in batch
            ]
    finally:
        await stop_within(_STOP_WITHIN, consumer.stop())


async def _is_read(consumer: AIOKafkaConsumer, partition: TopicPartition, ends: dict[TopicPartition, int]) -> bool:
    # The high watermark came with a fetch of ours, so it is no older than the call; `end_offsets` is wrong on Tansu. The
    # first one counts: whoever writes while we read would lead us on without end.
    if partition not in ends and (watermark := consumer.highwater(partition)) is not None:
        ends[partition] = watermark
    return partition in ends and await consumer.position(partition) >= ends[partition]
