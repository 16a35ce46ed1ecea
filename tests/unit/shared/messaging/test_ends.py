"""A process asks once for all of its readers how far the partitions go, and the sooner the later a record came."""

import asyncio
from collections.abc import Mapping, Sequence
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

    async def end_offsets(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        self.asked.append([*partitions])
        if self.away:
            raise KafkaConnectionError
        return {tp: self.ends[tp] for tp in partitions}


def _watch(at: list[float]) -> EndsWatch:
    return EndsWatch(IDLE, BUSY, clock=lambda: at[0])


async def test_all_readers_of_a_process_are_one_question_and_who_has_more_is_woken() -> None:
    at = [0.0]
    watch, broker = _watch(at), Broker({A: 3, B: 7})
    one, other = Reader(), Reader()
    first, second = watch.wait(one, {A: 3}), watch.wait(other, {B: 5})
    await watch.ask(broker)
    assert broker.asked == [[A, B]]
    assert (first.done(), second.done()) == (False, True)
    assert (watch.end(A), watch.end(B)) == (3, 7)
    at[0] = 0.2
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
    watch, broker = EndsWatch(timedelta(0), timedelta(0)), Broker({A: 3})
    running = asyncio.create_task(watch.run(broker))
    await others_run()
    assert not broker.asked
    reader = Reader()
    watch.wait(reader, {A: 3})
    await until(lambda: broker.asked, what="it asks")
    assert broker.asked[0] == [A]
    running.cancel()


async def test_a_topic_is_asked_for_after_an_eighth_of_the_time_since_a_record_came_on_it_between_busy_and_idle() -> (
    None
):
    at = [100.0]
    watch, reader = _watch(at), Reader()
    assert watch.apart("a") == IDLE, "nothing has come yet"
    watch.wait(reader, {A: 0, B: 0})
    watch.note({A: 1})
    assert (watch.apart("a"), watch.apart("b")) == (BUSY, IDLE)
    at[0] += 0.8
    assert watch.apart("a") == timedelta(milliseconds=100)
    at[0] += 0.8
    assert watch.apart("a") == IDLE


@pytest.mark.parametrize(
    ("busy_from_the_start", "alone", "together"), [(False, 0, 300), (True, 14, 300)], ids=["idle", "once busy"]
)
async def test_in_a_minute_on_which_nothing_comes_there_are_five_questions_a_second(
    busy_from_the_start: bool, alone: int, together: int
) -> None:
    at, readers = [100.0], [Reader(), Reader()]
    watch, broker = _watch(at), Broker({A: 1, B: 7})
    watch.wait(readers[1], {B: 7})
    watch.wait(readers[0], {A: 0 if busy_from_the_start else 1})
    await watch.ask(broker)
    watch.wait(readers[0], {A: 1})
    while at[0] < 160:
        pause = watch.pause()
        assert pause is not None
        at[0] += pause.total_seconds()
        await watch.ask(broker)
    assert broker.asked.count([A]) in range(alone, 4 * alone + 1), "while it is busy, and for a moment after that"
    assert broker.asked.count([B]) <= 10
    assert broker.asked.count([A, B]) in range(together - 10, together + 4)


async def test_what_is_busy_is_asked_for_often_and_alone() -> None:
    at, readers = [100.0], [Reader(), Reader()]
    watch, broker = _watch(at), Broker({A: 0, B: 7})
    watch.wait(readers[1], {B: 7})
    while at[0] < 110:
        broker.ends[A] += 1
        watch.wait(readers[0], {A: broker.ends[A] - 1})
        pause = watch.pause()
        assert pause is not None
        at[0] += pause.total_seconds()
        await watch.ask(broker)
    assert broker.asked.count([A]) in range(300, 402)
    assert sum(B in asked for asked in broker.asked) in range(48, 53)


async def test_whoever_begins_to_wait_for_what_is_busy_is_not_left_until_the_next_question_for_all() -> None:
    watch, broker = EndsWatch(timedelta(hours=1), timedelta(0)), Broker({A: 3, B: 7})
    reader, other = Reader(), Reader()
    first = watch.wait(reader, {A: 2})
    watch.wait(other, {B: 7})
    running = asyncio.create_task(watch.run(broker))
    await until(first.done, what="the first is told")
    await others_run()
    broker.ends[A] = 4
    again = watch.wait(reader, {A: 3})
    await until(again.done, what="the second is told", within=timedelta(seconds=10))
    running.cancel()


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


async def test_what_is_idle_is_asked_for_when_all_that_comes_by_the_clock_does() -> None:
    at = [100.07]
    watch, broker, reader = _watch(at), Broker({A: 3}), Reader()
    watch.wait(reader, {A: 3})
    await watch.ask(broker)
    pause = watch.pause()
    assert pause is not None
    assert pause.total_seconds() == pytest.approx(0.13), "sooner than 0.2 s, once"
    at[0] += pause.total_seconds()
    await watch.ask(broker)
    assert watch.pause() == pytest.approx(IDLE, abs=timedelta(milliseconds=1))
    assert len(broker.asked) == 2
