"""Batches side by side: nothing is lost or overtaken on the way into them, and one that fails ends the others."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from shared.contracts.topics import NOTICES
from shared.messaging.consumer import Consumer, Subscription
from shared.messaging.envelope import Record
from shared.messaging.errors import FatalError, PostgresAwayError
from shared.messaging.internals import take_as_it_comes
from shared.messaging.lanes import in_lanes, side_by_side
from shared.postgres.pool import Pool
from tests.fakes.clock import FixedClock

PLACES = st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 4)), max_size=60)


def records(places: Sequence[tuple[str, int]]) -> list[Record]:
    return [Record(topic, partition, offset, b"k", b"v", ()) for offset, (topic, partition) in enumerate(places)]


@given(PLACES, st.integers(1, 4), st.integers(1, 20))
def test_each_record_is_in_one_lane_behind_those_before_it_in_its_partition(
    places: list[tuple[str, int]], lanes: int, most: int
) -> None:
    taken = records(places)
    found = in_lanes(taken, lanes=lanes, most=most)
    assert sorted((one for lane in found for one in lane), key=lambda one: one.offset) == taken
    assert len(found) <= lanes
    of_partition = [{one.partition for one in lane} for lane in found]
    assert sum(map(len, of_partition)) == len({one.partition for one in taken}), "a partition is in one lane"
    for lane in found:
        for number in {one.partition for one in lane}:
            offsets = [one.offset for one in lane if one.partition == number]
            assert offsets == sorted(offsets)
    if len(taken) <= most:
        assert found == [taken], "what one transaction is enough for is in one"
    elif lanes > 1 and len({one.partition for one in taken}) > 1:
        assert len(found) > 1 and all(found)


async def test_where_one_fails_the_others_are_broken_off_and_its_own_error_is_raised() -> None:
    broken_off: list[int] = []

    async def process(lane: Sequence[Record]) -> None:
        if lane[0].partition == 0:
            raise OSError("of the first")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            broken_off.append(lane[0].partition)
            raise

    with pytest.raises(OSError, match="of the first"):
        await side_by_side(process, [records([("a", 0)]), records([("a", 1)])])
    assert broken_off == [1]


async def test_a_lane_that_is_cancelled_from_within_is_not_done() -> None:
    async def process(lane: Sequence[Record]) -> None:
        if lane[0].partition == 0:
            somebodys = asyncio.get_running_loop().create_future()
            somebodys.cancel()
            await somebodys

    with pytest.raises(FatalError, match="cancelled from within"):
        await side_by_side(process, [records([("a", 0)]), records([("a", 1)])])


async def test_what_one_batch_waits_for_is_told_until_it_is_done_though_another_is_done_meanwhile() -> None:
    consumer = Consumer(
        Subscription("courier.mails", (NOTICES,), _handles_nothing, takes=()), cast(Pool, None), FixedClock(), "courier",
        timedelta(minutes=1), lambda _: None, lambda _: None,
    )  # fmt: skip
    is_back, tried = False, asyncio.Event()

    def is_held() -> bool:
        return REGISTRY.get_sample_value("fairpool_holding", {"part": "courier.mails", "waits_for": "postgres"}) == 1

    async def waits() -> None:
        tried.set()
        if not is_back:
            raise PostgresAwayError

    async def is_done() -> None:
        assert is_held()

    waiting = asyncio.create_task(consumer._with_retries(waits))
    await tried.wait()
    await consumer._with_retries(is_done)
    assert is_held(), "the other still waits"
    is_back = True
    await waiting
    assert not is_held()


async def _handles_nothing(*_: object) -> None:
    """Is never asked."""


class Fetched:
    """A consumer that has records of some partitions, and fails on others."""

    def __init__(self, **partitions: list[str] | Exception) -> None:
        self.there = {TopicPartition("t", int(name[1:])): what for name, what in partitions.items()}

    def assignment(self) -> frozenset[TopicPartition]:
        return frozenset(self.there)

    async def getmany(self, *partitions: TopicPartition, timeout_ms: int, max_records: int) -> dict[Any, list[str]]:
        found: dict[Any, list[str]] = {}
        for partition in [one for one in self.there if one in (partitions or self.there)]:
            what = self.there[partition]
            if isinstance(what, Exception):
                if found:
                    break
                self.there[partition] = []
                raise what
            left = max_records - sum(map(len, found.values()))
            if taken := what[:left]:
                found[partition], self.there[partition] = taken, what[left:]
        return found


def helpings(number: int) -> Any:
    subscriber = SimpleNamespace()
    take_as_it_comes(subscriber, 3, helpings=number)
    return subscriber.get_msg


async def test_each_helping_is_of_partitions_that_none_before_it_is_of() -> None:
    consumer = Fetched(p0=list("abcdefgh"), p1=list("ijkl"), p2=list("mn"))
    get = helpings(2)
    assert [await get(consumer) for _ in range(4)] == [tuple("abcijk"), tuple("deflmn"), tuple("gh"), ()]


async def test_what_was_taken_is_not_lost_to_an_error_behind_it_which_is_raised_in_the_next_turn() -> None:
    consumer = Fetched(p0=list("abc"), p1=KafkaError("of the second"))
    get = helpings(2)
    assert await get(consumer) == tuple("abc")
    with pytest.raises(KafkaError, match="of the second"):
        await get(consumer)
    assert await get(consumer) == ()
