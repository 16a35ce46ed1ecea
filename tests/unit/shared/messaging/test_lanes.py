"""Batches side by side: nothing is lost or overtaken, none waits for another, and one that fails ends the others."""

import asyncio
import itertools
from collections.abc import Collection, Sequence
from datetime import timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from shared.contracts.topics import NOTICES
from shared.messaging.consumer import Consumer, Subscription
from shared.messaging.envelope import Record
from shared.messaging.errors import FatalError, PostgresAwayError
from shared.messaging.internals import take_as_it_comes
from shared.messaging.lanes import side_by_side
from shared.postgres.pool import Pool
from tests.fakes.clock import FixedClock
from tests.waiting import others_run

FOR_LONG = timedelta(minutes=1)
PLACES = st.lists(st.integers(0, 4), max_size=60)


class Topic:
    """What is there of it, and what was done with it."""

    def __init__(self, partitions: Sequence[int], *, most: int, turns: Sequence[int] = (1,)) -> None:
        self.there = [Record("t", partition, offset, b"k", b"v", ()) for offset, partition in enumerate(partitions)]
        self.done: list[Record] = []
        self.in_hand: list[set[int]] = []
        self.most_in_hand = 0
        self._most = most
        self._turns = itertools.cycle(turns)

    async def take(self, but: Collection[int]) -> list[Record]:
        """As a consumer does: the first that are not of these partitions."""
        await others_run()
        found = [one for one in self.there if one.partition not in but][: self._most]
        self.there = [one for one in self.there if one not in found]
        return found

    async def work(self, records: Sequence[Record]) -> None:
        mine = {one.partition for one in records}
        assert not any(mine & others for others in self.in_hand), "a partition is in one batch at a time"
        self.in_hand.append(mine)
        self.most_in_hand = max(self.most_in_hand, len(self.in_hand))
        for _ in range(next(self._turns)):
            await others_run()
        self.in_hand.remove(mine)
        self.done += records


@given(PLACES, st.integers(1, 4), st.integers(1, 7), st.lists(st.integers(1, 9), min_size=1, max_size=5))
@example([0, 1, 2, 3] * 5, 2, 3, [1])
@example([0, 0, 0, 1, 1, 1], 2, 1, [1, 1, 9])
def test_each_record_is_worked_at_once_behind_those_before_it_in_its_partition(
    partitions: list[int], lanes: int, most: int, turns: list[int]
) -> None:
    topic = Topic(partitions, most=most, turns=turns)
    everything = list(topic.there)

    async def run() -> None:
        async with asyncio.timeout(10):
            while first := await topic.take(()):
                await side_by_side(first, topic.work, topic.take, lanes=lanes, takes_for=FOR_LONG)

    asyncio.run(run())
    assert sorted(topic.done, key=lambda one: one.offset) == everything
    for number in set(partitions):
        offsets = [one.offset for one in topic.done if one.partition == number]
        assert offsets == sorted(offsets)
    assert topic.most_in_hand <= lanes


async def test_whoever_is_done_takes_the_next_and_does_not_wait_for_a_slow_one() -> None:
    topic, slow, worked = Topic([0, 1, 1, 1, 1], most=1), asyncio.Event(), 0

    async def work(records: Sequence[Record]) -> None:
        nonlocal worked
        if records[0].partition == 0:
            await slow.wait()
        worked += 1
        if worked == 4:
            slow.set()

    async with asyncio.timeout(10):
        await side_by_side(await topic.take(()), work, topic.take, lanes=2, takes_for=FOR_LONG)
    assert (worked, topic.there) == (5, [])


async def test_when_its_time_is_over_nothing_more_is_taken_and_what_was_is_done() -> None:
    topic = Topic([0, 1, 0, 1], most=1)
    await side_by_side(await topic.take(()), topic.work, topic.take, lanes=2, takes_for=timedelta(0))
    assert ([one.offset for one in topic.done], len(topic.there)) == ([0], 3)


async def test_where_one_fails_the_others_are_broken_off_and_its_own_error_is_raised() -> None:
    topic, broken_off = Topic([0, 1, 2], most=1), []

    async def work(records: Sequence[Record]) -> None:
        if records[0].partition == 1:
            raise OSError("of the second")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            broken_off.append(records[0].partition)
            raise

    with pytest.raises(OSError, match="of the second"):
        async with asyncio.timeout(10):
            await side_by_side(await topic.take(()), work, topic.take, lanes=2, takes_for=FOR_LONG)
    assert (broken_off, [one.partition for one in topic.there]) == ([0], [2])


async def test_a_lane_that_is_cancelled_from_within_is_not_done() -> None:
    topic = Topic([0, 1], most=1)

    async def work(records: Sequence[Record]) -> None:
        if records[0].partition == 0:
            somebodys = asyncio.get_running_loop().create_future()
            somebodys.cancel()
            await somebodys

    with pytest.raises(FatalError, match="cancelled from within"):
        await side_by_side(await topic.take(()), work, topic.take, lanes=2, takes_for=FOR_LONG)


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
        self._subscription = SimpleNamespace(reassignment_in_progress=False)

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


def _taking(consumer: Fetched) -> tuple[Any, Any]:
    subscriber = SimpleNamespace(consumer=consumer)
    more = take_as_it_comes(subscriber, 3)
    return partial(subscriber.get_msg, consumer), more


async def test_what_is_taken_besides_is_of_other_partitions_than_those_in_hand() -> None:
    get, more = _taking(Fetched(p0=list("abcd"), p1=list("ijkl"), p2=list("mn")))
    assert [await get(), await more({0}), await more({0, 1}), await more({0, 1, 2}), await get()] == [
        tuple("abc"), list("ijk"), list("mn"), [], ("d", "l"),
    ]  # fmt: skip


async def test_what_goes_wrong_while_another_batch_is_taken_is_raised_where_the_next_one_is() -> None:
    get, more = _taking(Fetched(p0=list("abcd"), p1=KafkaError("of the second"), p2=list("ij")))
    assert (await get(), await more({0, 2}), await more({0})) == (tuple("abc"), [], [])
    with pytest.raises(KafkaError, match="of the second"):
        await get()
    assert (await get(), await more(())) == (("d", "i", "j"), [])


async def test_a_consumer_that_has_stopped_has_nothing_more() -> None:
    assert await take_as_it_comes(SimpleNamespace(consumer=None), 3)(()) == []


async def test_nothing_more_is_taken_while_the_group_is_joined_anew() -> None:
    consumer = Fetched(p0=list("abcd"), p1=list("ij"))
    get, more = _taking(consumer)
    await get()
    consumer._subscription.reassignment_in_progress = True
    assert await more({0}) == [], "aiokafka would wait for the end of it, and that for what is in hand"
    consumer._subscription.reassignment_in_progress = False
    assert await more({0}) == list("ij")
