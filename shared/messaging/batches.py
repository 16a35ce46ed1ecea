"""What is sent together, as Kafka's own batches: one for each partition, with one acknowledgement, not one for each record."""

import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import zip_longest

from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError
from aiokafka.partitioner import murmur2
from aiokafka.producer.message_accumulator import BatchBuilder

from shared.messaging.envelope import Outgoing
from shared.messaging.internals import size_when_sent
from shared.messaging.signatures import Headers

LARGEST_REQUEST = 2 * 1024 * 1024
LARGEST_BATCH = 256 * 1024
"""Of one partition, before compression; a record that is larger goes alone."""
_KNOWN = 64
"""Bytes of a key of ours at most; a dead letter has whatever key it came with, and none of those stays in memory."""


@dataclass(frozen=True, slots=True)
class Partitions:
    """Of one topic, as the cluster says it now."""

    all: Sequence[int]
    led: Sequence[int]
    """Those that have a leader."""

    def of(self, key: bytes | None) -> int:
        """As Kafka's own clients choose it by the key; without one, any that has a leader."""
        if key is None:
            return random.choice(self.led or self.all)  # noqa: S311 - a load is spread, nothing is kept secret
        hashed = _known_hash(key) if len(key) <= _KNOWN else _hash(key)
        return self.all[hashed % len(self.all)]


def _hash(key: bytes) -> int:
    """Kafka's murmur2 without its sign."""
    return int(murmur2(key)) & 0x7FFFFFFF


_known_hash = lru_cache(maxsize=4096)(_hash)


@dataclass(slots=True)
class _OfPartition:
    """The batches of one partition, in the order in which they have to arrive."""

    producer: AIOKafkaProducer
    topic: str
    partition: int
    batches: list[BatchBuilder] = field(default_factory=list)

    def add(self, record: Outgoing, headers: Sequence[tuple[str, bytes | None]]) -> None:
        """To the last batch, or to a new one where that is full."""
        if not self.batches or not self._took(record, headers):
            self.batches.append(self.producer.create_batch())
            if not self._took(record, headers):
                raise MessageSizeTooLargeError("a record does not fit a batch of its own")

    def _took(self, record: Outgoing, headers: Sequence[tuple[str, bytes | None]]) -> bool:
        taken = self.batches[-1].append(timestamp=None, key=record.key, value=record.value, headers=headers)
        return taken is not None


def batches_of(
    producer: AIOKafkaProducer,
    records: Sequence[Outgoing],
    said: Sequence[Headers],
    partitions: Mapping[str, Partitions],
) -> Iterator[tuple[str, int, BatchBuilder]]:
    """(topic, partition, batch) of all of them, each with `said` behind its headers: within a partition in the order of the records,
    and the first of each partition before the second of any. MessageSizeTooLargeError where Kafka would refuse one.
    """
    made: dict[tuple[str, int], _OfPartition] = {}
    for record, more in zip(records, said, strict=True):
        if _may_be_too_large(record) and size_when_sent(record) > LARGEST_REQUEST:
            raise MessageSizeTooLargeError("a record is larger than a request may be")
        topic, partition = record.topic, partitions[record.topic].of(record.key)
        of = made.get((topic, partition))
        if of is None:
            made[topic, partition] = of = _OfPartition(producer, topic, partition)
        of.add(record, [*record.headers, *more])
    for row in zip_longest(*(of.batches for of in made.values())):
        for of, batch in zip(made.values(), row, strict=True):
            if batch is not None:
                batch.close()  # it is what was signed together, and nobody adds to it
                yield of.topic, of.partition, batch


def _may_be_too_large(record: Outgoing) -> bool:
    headers = sum(len(raw or b"") for _, raw in record.headers)
    return len(record.value or b"") + len(record.key or b"") + headers > LARGEST_REQUEST // 2


async def partitions_of(producer: AIOKafkaProducer, topics: Collection[str]) -> dict[str, Partitions]:
    """By topic; KafkaError for one that the cluster does not have."""
    found = {}
    for topic in topics:
        every = await producer.partitions_for(topic)
        led = producer.client.cluster.available_partitions_for_topic(topic)
        found[topic] = Partitions(list(every), list(led or ()))
    return found
