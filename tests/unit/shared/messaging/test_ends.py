"""A process asks once for all of its readers how far the partitions go, and the sooner the later a record came."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError

from shared.messaging.ends import EndsWatch, watch_for
from shared.messaging.kafka import Kafka
from tests.waiting import others_run, until

A, B = TopicPartition("a", 0), TopicPartition("b", 0)
IDLE, BUSY = timedelta(milliseconds=200), timedelta(milliseconds=25)


class Reader:
    """Somebody who waits; weakly known, as a fetcher is."""


class Broker:
    """Knows the ends, and what it was asked."""

    def __init__(self, ends: Mapping[TopicPartition, int]) -> None:
        self.ends = dict(ends)
        self.asked: list[list[TopicPartition]] = []
        self.away = False

    async def end_offsets(self, partitions: list[TopicPartition]) -> Mapping[TopicPartition, int]:
        self.asked.append(partitions)
        if self.away:
            raise KafkaConnectionError
        return {tp: self.ends[tp] for tp in partitions}


def _watch(at: list[float]) -> EndsWatch:
    return EndsWatch(IDLE, BUSY, clock=lambda: at[0])


async def test_all_readers_of_a_process_are_one_question_and_who_has_more_is_woken() -> None:
    watch, broker = _watch([0.0]), Broker({A: 3, B: 7})
    one, other = Reader(), Reader()
    first, second = watch.wait(one, {A: 3}), watch.wait(other, {B: 5})
    await watch.ask(broker)
    assert broker.asked == [[A, B]]
    assert (first.done(), second.done()) == (False, True)
    assert (watch.end(A), watch.end(B)) == (3, 7)
    await watch.ask(broker)
    assert broker.asked[1:] == [[A]], "who was told asks nothing before it waits again"


async def test_who_was_told_of_an_end_by_another_is_woken_without_a_question() -> None:
    watch = _watch([0.0])
    reader = Reader()
    told = watch.wait(reader, {A: 3})
    watch.note({A: 3, B: 9})
    assert not told.done()
    watch.note({A: 4})
    assert told.done()
    watch.note({A: 1})
    assert watch.end(A) == 4, "one that is lower is too old"


async def test_a_lower_end_is_believed_once_nothing_else_was_said_for_five_seconds_and_wakes_nobody_then() -> None:
    at = [100.0]
    watch, reader = _watch(at), Reader()
    watch.note({A: 9})
    for moment, end, believed in ((100.0, 2, 9), (103.0, 9, 9), (104.0, 2, 9), (108.9, 2, 9), (109.1, 2, 2)):
        at[0] = moment
        watch.note({A: end})
        assert watch.end(A) == believed, f"at {moment}"
    told = watch.wait(reader, {A: 2})
    watch.note({A: 2})
    assert not told.done(), "a topic that was made anew is not asked for without an end"
    watch.note({A: 3})
    assert told.done()


async def test_a_reader_waits_for_the_last_that_it_said_and_one_that_is_gone_is_asked_for_no_more() -> None:
    watch, broker = _watch([0.0]), Broker({A: 3, B: 7})
    reader, gone = Reader(), Reader()
    watch.wait(reader, {A: 3})
    watch.wait(gone, {A: 3, B: 7})
    watch.wait(reader, {A: 3})
    del gone
    await watch.ask(broker)
    assert broker.asked == [[A]]


async def test_nobody_is_asked_where_nobody_waits() -> None:
    watch, broker = _watch([0.0]), Broker({A: 3})
    asking = asyncio.create_task(watch.ask(broker))
    await others_run()
    assert not broker.asked
    reader = Reader()
    watch.wait(reader, {A: 3})
    await asking
    await watch.ask(broker)
    assert broker.asked == [[A]]


def test_the_pause_is_an_eighth_of_the_time_since_a_record_came_between_busy_and_idle() -> None:
    at = [100.0]
    watch = _watch(at)
    assert watch.apart() == IDLE, "nothing has come yet"
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(_comes(watch))
    finally:
        loop.close()
    assert watch.apart() == BUSY
    at[0] += 0.8
    assert watch.apart() == timedelta(milliseconds=100)
    at[0] += 0.8
    assert watch.apart() == IDLE
    questions, until = 0, at[0] + 60
    while at[0] < until:
        questions += 1
        at[0] += watch.apart().total_seconds()
    assert questions <= 301, "an idle minute"


async def _comes(watch: EndsWatch) -> None:
    reader = Reader()
    watch.wait(reader, {A: 0})
    watch.note({A: 1})


async def test_it_goes_on_asking_when_kafka_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    watch, broker, reader = EndsWatch(timedelta(0), timedelta(0)), Broker({A: 3}), Reader()
    told = watch.wait(reader, {A: 2})
    broker.away = True
    running = asyncio.create_task(watch.run(broker))
    await until(lambda: len(broker.asked) > 1, what="it asks again")
    assert not told.done()
    broker.away = False
    await until(told.done, what="the reader is told")
    running.cancel()


@pytest.mark.parametrize(
    ("waits", "watched"), [({}, False), ({"busy_fetch_wait": IDLE}, False), ({"busy_fetch_wait": BUSY}, True)]
)
def test_ends_are_watched_only_where_a_record_ends_no_fetch(waits: dict[str, Any], watched: bool) -> None:
    kafka = Kafka(("k:9092",), fetch_wait=IDLE, **waits)
    assert (watch_for(kafka) is not None) is watched
