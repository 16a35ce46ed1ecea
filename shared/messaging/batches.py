"""What is sent together, as Kafka's own batches: one for each partition, with one acknowledgement, not one for each record."""

import random
import struct
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError
from aiokafka.producer.message_accumulator import BatchBuilder

from shared.messaging.envelope import Outgoing
from shared.messaging.internals import size_when_sent
from shared.messaging.signatures import Headers

LARGEST_REQUEST = 2 * 1024 * 1024
LARGEST_BATCH = 256 * 1024
"""Of one partition, before compression; a record that is larger goes alone."""
_WORD, _MIX, _SEED = 0xFFFFFFFF, 0x5BD1E995, 0x9747B28C
"""Of murmur2, as Kafka has it."""


@dataclass(frozen=True, slots=True)
class Partitions:
    """Of one topic, as the cluster says it now."""

    all: Sequence[int]
    led: Sequence[int]
    """Those that have a leader."""

    def of(self, hashed: int | None) -> int:
        """As Kafka's own clients choose it by the key's hash; without a key, any that has a leader."""
        if hashed is None:
            return random.choice(self.led or self.all)  # noqa: S311 - a load is spread, nothing is kept secret
        return self.all[hashed % len(self.all)]


def hashes(keys: Iterable[bytes]) -> dict[bytes, int]:
    """By key, Kafka's murmur2 without its sign.

    It takes a dozen steps for each four bytes of a key. Here all keys of one size take them together, side by side in one long number,
    each in 64 bits of which the upper half is room for a product: in Python that is an eighth of the time.
    """
    of_size: dict[int, list[bytes]] = {}
    for key in dict.fromkeys(keys):
        of_size.setdefault(len(key), []).append(key)
    return {key: hashed for size, of in of_size.items() for key, hashed in zip(of, _hashes(of, size), strict=True)}


def _hashes(keys: Sequence[bytes], size: int) -> Iterable[int]:
    many, words, rest = len(keys), size // 4, size % 4
    ones = int.from_bytes(b"\1\0\0\0\0\0\0\0" * many, "little")
    lanes, mask = struct.Struct(f"<{many}Q"), ones * _WORD
    taken = struct.Struct(f"<{words}I")
    hashed = ones * (_SEED ^ size)
    for column in zip(*[taken.unpack_from(key) for key in keys], strict=True):
        word = int.from_bytes(lanes.pack(*column), "little") * _MIX & mask
        word = (word ^ word >> 24 & ones * 0xFF) * _MIX & mask
        hashed = hashed * _MIX & mask ^ word
    if rest:
        last = lanes.pack(*[int.from_bytes(key[-rest:], "little") for key in keys])
        hashed = (hashed ^ int.from_bytes(last, "little")) * _MIX & mask
    hashed = (hashed ^ hashed >> 13 & ones * (_WORD >> 13)) * _MIX & mask
    hashed ^= hashed >> 15 & ones * (_WORD >> 15)
    return [one & 0x7FFFFFFF for one in lanes.unpack(hashed.to_bytes(8 * many, "little"))]


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
    hashed = hashes([record.key for record in records if record.key is not None])
    for record, more in zip(records, said, strict=True):
        if _may_be_too_large(record) and size_when_sent(record) > LARGEST_REQUEST:
            raise MessageSizeTooLargeError("a record is larger than a request may be")
        topic, partition = record.topic, partitions[record.topic].of(None if record.key is None else hashed[record.key])
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
