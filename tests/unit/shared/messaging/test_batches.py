"""The partition of a key, as whoever else writes to Kafka chooses it."""

from aiokafka.partitioner import DefaultPartitioner
from hypothesis import example, given
from hypothesis import strategies as st

from shared.messaging.batches import Partitions

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
