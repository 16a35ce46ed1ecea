"""How far the processes of a database have read Kafka's topics, and setting that back."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.local.errors import StackError
from shared.contracts.topics import ALL_TOPICS, ERASURES, Topic
from shared.messaging.kafka import Kafka
from shared.messaging.reading import read_to_the_end
from shared.messaging.topics import Admin

Offsets = Mapping[str, Mapping[str, tuple[int, ...]]]
"""By group and topic, up to where each partition was read; -1 where it never was."""
PROCESSES: Mapping[str, tuple[str, ...]] = {
    "signup": ("signup", "courier"),
    "consent": ("consent",),
    "pool_matching": ("pool_matching",),
    "outreach_gateway": ("outreach_gateway",),
}
"""By service, the processes whose rows are in its database."""
_NEVER = -1


async def end_of_erasures(kafka: Kafka) -> tuple[int, ...]:
    """By partition, behind which offset its last record is; the newest of a key is never compacted away, so this only rises."""
    ends = dict.fromkeys(range(ERASURES.partitions), 0)
    async for records in read_to_the_end(kafka, [ERASURES], client_id="fairpool-backup"):
        for record in records:
            ends[record.partition] = max(ends.get(record.partition, 0), record.offset + 1)
    return tuple(ends.get(part, 0) for part in range(max(ends) + 1))


async def read(kafka: Kafka, service: str) -> Offsets:
    """How far the groups of this service's processes have read."""
    found: dict[str, dict[str, tuple[int, ...]]] = {}
    for group in await _groups(kafka, service):
        async with _member(kafka, group) as consumer:
            read_by_it = {}
            for topic in _topics_of(group):
                places = [
                    await consumer.committed(TopicPartition(topic.name, part)) for part in range(topic.partitions)
                ]
                if any(places):
                    read_by_it[topic.name] = tuple(_NEVER if place is None else place for place in places)
        if read_by_it:
            found[group] = read_by_it
    return found


async def set_back(kafka: Kafka, service: str, offsets: Offsets) -> int:
    """Lets each group of this service read again from there, and from the beginning what it had not read then; how many partitions were moved.

    StackError when somebody is in one of the groups.
    """
    now, moved = await read(kafka, service), 0
    for group in sorted({*now, *offsets}):
        wanted: dict[TopicPartition, int] = {}
        for topic in _topics_of(group):
            before = offsets.get(group, {}).get(topic.name, ())
            reached = now.get(group, {}).get(topic.name, ())
            if not before and not reached:
                continue
            for part in range(topic.partitions):
                place = max(before[part], 0) if part < len(before) else 0
                if part >= len(reached) or place != reached[part]:
                    wanted[TopicPartition(topic.name, part)] = place
        if wanted:
            await _must_be_empty(kafka, group)
            async with _member(kafka, group) as consumer:
                consumer.assign(list(wanted))
                await consumer.commit(wanted)
        moved += len(wanted)
    return moved


async def _groups(kafka: Kafka, service: str) -> Sequence[str]:
    async with Admin(kafka) as admin:
        there = {str(group) for group, *_ in await admin.list_consumer_groups()}
    return sorted(group for group in there if group.partition(".")[0] in PROCESSES[service])


async def _must_be_empty(kafka: Kafka, group: str) -> None:
    async with Admin(kafka) as admin:
        (answer,) = await admin.describe_consumer_groups([group])
    members = sum(len(described[5]) for described in answer.groups)
    if members:
        raise StackError(
            f"expected that nobody reads as {group}, found {members}: stop every process of it first. Nothing was changed."
        )


@asynccontextmanager
async def _member(kafka: Kafka, group: str) -> AsyncIterator[AIOKafkaConsumer]:
    """Speaks for the group without joining it."""
    consumer = AIOKafkaConsumer(**kafka.for_aiokafka(), group_id=group, enable_auto_commit=False)
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


def _topics_of(group: str) -> list[Topic]:
    """A group is named after the topic it reads, or else reads several of its process's."""
    process, _, name = group.partition(".")
    read_by_it = [topic for topic in ALL_TOPICS if process in topic.readers]
    return [topic for topic in read_by_it if topic.name == name] or read_by_it
