"""The partition of a key, as whoever else writes to Kafka chooses it; and what is sent together, as batches of partitions."""

from collections import defaultdict

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.record.default_records import DefaultRecordBatch
from hypothesis import example, given
from hypothesis import strategies as st

from shared.messaging.batches import LARGEST_BATCH, LARGEST_REQUEST, Partitions, batches_of
from shared.messaging.envelope import Outgoing

CHOOSES = DefaultPartitioner()


@given(st.binary(max_size=80), st.integers(1, 64))
@example(b"", 12)
@example(b"01980a3e-7f2b-7c11-8d2e-0123456789ab", 12)
def test_a_key_has_the_partition_that_kafkas_own_clients_choose(key: bytes, number: int) -> None:
    every = list(range(number))
    assert Partitions(every, ()).of(key) == CHOOSES(key, every, [])


@given(st.sets(st.integers(0, 11)))
def test_without_a_key_it_is_one_that_has_a_leader_where_any_has(led: set[int]) -> None:
    every = list(range(12))
    assert Partitions(every, sorted(led)).of(None) in (led or every)


@pytest.fixture
async def producer() -> AIOKafkaProducer:
    """It is never started: batches are made without a broker."""
    return AIOKafkaProducer(bootstrap_servers="nowhere:9092", max_batch_size=LARGEST_BATCH)


async def test_each_record_is_in_a_batch_of_its_partition_in_their_order_with_what_is_said_behind_its_headers(
    producer: AIOKafkaProducer,
) -> None:
    sizes = [10, LARGEST_BATCH + 1, 20, 200_000, 100_000, 30]
    records = [
        Outgoing(topic, b"key %d" % key, b"%d " % number + b"x" * size, (("ce_id", b"%d" % number),))
        for number, (topic, key, size) in enumerate((topic, key, size) for size in sizes for topic in "ab" for key in range(4))
    ]  # fmt: skip
    said = [(("sig", b"of %d" % number),) for number in range(len(records))]
    partitions = {topic: Partitions([0, 1, 2], [0, 1, 2]) for topic in "ab"}
    found = defaultdict(list)
    firsts: list[tuple[str, int, int]] = []
    seconds: list[tuple[str, int, int]] = []
    for topic, partition, batch in batches_of(producer, records, said, partitions):
        (seconds if (topic, partition) in found else firsts).append((topic, partition, len(seconds)))
        for one in DefaultRecordBatch(bytes(batch._build())):
            found[topic, partition].append((one.key, one.value, tuple(one.headers)))
    expected = defaultdict(list)
    for record, more in zip(records, said, strict=True):
        place = record.topic, partitions[record.topic].of(record.key)
        expected[place].append((record.key, record.value, (*record.headers, *more)))
    assert found == expected
    assert seconds and all(before == 0 for *_, before in firsts), "the first of each partition before the second of any"


@pytest.mark.parametrize("heavy", ["value", "headers"])
async def test_a_record_larger_than_a_request_is_refused_before_anything_is_made(
    producer: AIOKafkaProducer, heavy: str
) -> None:
    much = b"x" * (LARGEST_REQUEST + 1)
    record = Outgoing("a", b"k", much if heavy == "value" else b"", (("h", much),) if heavy == "headers" else ())
    with pytest.raises(MessageSizeTooLargeError):
        list(batches_of(producer, [record], [()], {"a": Partitions([0], [0])}))
