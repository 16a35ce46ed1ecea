"""Projections that must be current: a follower knows the end of a topic, exactly."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from signal import SIGKILL

import pytest
from aiokafka.admin import NewPartitions

from deploy.local import broker, processes
from deploy.local.broker import Broker, named
from deploy.local.home import Home
from deploy.local.ports import Ports
from deploy.local.processes import Identity
from shared.contracts.base import Event
from shared.messaging import topics
from shared.messaging.envelope import Outgoing, Received
from shared.messaging.errors import TransientError
from shared.messaging.follower import Follower, Positions, must_catch_up
from shared.messaging.kafka import Kafka
from shared.messaging.producer import Producer
from shared.messaging.signatures import Headers
from shared.messaging.topics import TopicsDifferError
from shared.messaging.watchdog import Watchdog
from tests.fakes.headers import NotUtf8
from tests.integration.messaging.kit import Log, numbers_of, running, with_the_python_builder
from tests.waiting import others_run, until

SOON = timedelta(seconds=150)


class Projection:
    """What a follower has applied so far."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.positions: dict[int, int] = {}
        self.may_write = asyncio.Event()
        self.may_write.set()

    async def apply(self, received: Sequence[Received[Event]], positions: Positions) -> None:
        """Lets others run in between, as a database does."""
        await self.may_write.wait()
        await others_run()
        self.numbers += numbers_of(received)
        self.positions.update(positions)


@asynccontextmanager
async def following(log: Log, projection: Projection, stored: Positions | None = None) -> AsyncIterator[Follower]:
    follower = Follower(log.kafka, log.topic, projection.apply, client_id="test")
    await follower.start(stored)
    try:
        async with running(follower.run()):
            yield follower
    finally:
        await follower.stop()


async def test_a_copy_is_current_only_with_the_very_last_record_of_a_big_batch(narrow_log: Log) -> None:
    projection = Projection()
    projection.may_write.clear()
    await narrow_log.write_in_big_batches(narrow_log.numbers(5000))
    async with following(narrow_log, projection) as follower:
        assert not await follower.caught_up(within=timedelta(milliseconds=100)), "it was read, and is not written yet"
        projection.may_write.set()
        assert await follower.caught_up(within=SOON)
        assert projection.numbers == list(range(5000))
        assert projection.positions == {0: 5000}


async def test_a_copy_of_several_partitions_is_current_when_each_is(log: Log) -> None:
    projection = Projection()
    await log.write_in_big_batches(log.numbers(5000, keys=50))
    async with following(log, projection) as follower:
        assert await follower.caught_up(within=SOON)
        assert sorted(projection.numbers) == list(range(5000))


async def test_a_copy_of_an_empty_topic_is_current(log: Log) -> None:
    async with following(log, Projection()) as follower:
        assert await follower.caught_up(within=SOON)


async def test_whatever_was_acknowledged_before_the_question_is_in_the_copy(log: Log, producer: Producer) -> None:
    projection = Projection()
    async with following(log, projection) as follower:
        for turn in range(20):
            await producer.send(log.records(log.numbers(30, first=turn * 30)))
            assert await follower.caught_up(within=SOON)
            assert sorted(projection.numbers) == list(range((turn + 1) * 30))


async def test_a_copy_goes_on_from_its_stored_positions(narrow_log: Log) -> None:
    await narrow_log.write_in_big_batches(narrow_log.numbers(1000))
    projection = Projection()
    async with following(narrow_log, projection, {0: 400}) as follower:
        assert await follower.caught_up(within=SOON)
        assert projection.numbers == list(range(400, 1000))


async def test_a_copy_whose_stored_position_is_the_end_is_current(narrow_log: Log) -> None:
    await narrow_log.write_in_big_batches(narrow_log.numbers(10))
    projection = Projection()
    async with following(narrow_log, projection, {0: 10}) as follower:
        assert await follower.caught_up(within=SOON)
        assert projection.numbers == []


async def test_a_record_that_is_no_event_is_passed_over(narrow_log: Log, producer: Producer) -> None:
    projection = Projection()
    records = narrow_log.records(narrow_log.numbers(4))
    junk = Outgoing(narrow_log.topic.name, b"k", b"\xff", (("ce_type", b"\xff"), ("none", None)))
    await producer.send([*records[:2], junk, *records[2:]])
    async with following(narrow_log, projection) as follower:
        assert await follower.caught_up(within=SOON)
        assert projection.numbers == [0, 1, 2, 3]


async def test_a_newer_version_goes_on_from_the_first_event_of_a_kind_that_this_one_did_not_know(
    narrow_log: Log, producer: Producer
) -> None:
    older, newer = Projection(), Projection()
    records = narrow_log.records(narrow_log.numbers(5))
    unknown = [replace(record, headers=_of_type(b"test.newer.v2", record)) for record in records]
    await producer.send([*records[:2], unknown[2], records[3], unknown[4]])
    async with following(narrow_log, older) as follower:
        assert await follower.caught_up(within=SOON)
    assert (older.numbers, older.positions) == ([0, 1, 3], {0: 2})
    await producer.send([records[2]])
    async with following(narrow_log, newer, older.positions) as follower:
        assert await follower.caught_up(within=SOON)
    assert newer.numbers == [3, 2]


def _of_type(kind: bytes, record: Outgoing) -> Headers:
    return tuple((name, kind if name == "ce_type" else raw) for name, raw in record.headers)


async def test_a_header_whose_name_is_not_utf8_keeps_no_copy_behind(narrow_log: Log) -> None:
    projection = Projection()
    records = narrow_log.records(narrow_log.numbers(4))
    odd = replace(records[2], headers=(*records[2].headers, (NotUtf8("odd"), b"value")))
    with with_the_python_builder():
        await narrow_log.write_in_big_batches([*records[:2], odd, records[3]])
    async with following(narrow_log, projection) as follower:
        assert await follower.caught_up(within=SOON)
        assert projection.numbers == [0, 1, 2, 3]


async def test_a_copy_of_fewer_partitions_than_there_are_is_refused(log: Log) -> None:
    before = replace(log, topic=replace(log.topic, partitions=2))
    async with following(before, Projection()) as follower:
        with pytest.raises(TopicsDifferError, match=f"{log.topic.name} has 3 partitions, not 2"):
            await follower.caught_up(within=SOON)
        with pytest.raises(TopicsDifferError, match=f"{log.topic.name} has 3 partitions, not 2"):
            await Watchdog(timedelta(minutes=1), [follower]).run()


@pytest.mark.skipif(named() is Broker.EMBEDDED, reason="Tansu cannot add partitions")
async def test_partitions_that_are_added_later_end_a_copy_before_it_is_called_current(log: Log) -> None:
    async with following(log, Projection()) as follower:
        assert await follower.caught_up(within=SOON)
        async with topics.Admin(log.kafka) as admin:
            await admin.create_partitions({log.topic.name: NewPartitions(total_count=6)})
        wider = replace(log, topic=replace(log.topic, partitions=6))
        await wider.write_in_big_batches(log.numbers(60, keys=60))
        with pytest.raises(TopicsDifferError, match=f"{log.topic.name} has 6 partitions, not 3"):
            await follower.caught_up(within=SOON)
        with pytest.raises(TopicsDifferError, match=f"{log.topic.name} has 6 partitions, not 3"):
            await follower.look_ahead()


async def test_a_copy_that_cannot_be_written_is_not_current_and_goes_on_later(narrow_log: Log) -> None:
    projection, away = Projection(), asyncio.Event()

    async def apply(received: Sequence[Received[Event]], positions: Positions) -> None:
        if not away.is_set():
            raise TransientError("the database is away")
        await projection.apply(received, positions)

    await narrow_log.write_in_big_batches(narrow_log.numbers(10))
    follower = Follower(narrow_log.kafka, narrow_log.topic, apply, client_id="test")
    await follower.start()
    async with running(follower.run()):
        assert not await follower.caught_up(within=timedelta(milliseconds=500))
        with pytest.raises(TransientError):
            await must_catch_up(follower, within=timedelta(milliseconds=100))
        away.set()
        await must_catch_up(follower, within=SOON)
        assert projection.numbers == list(range(10))
    await follower.stop()


async def test_a_copy_is_not_current_once_the_broker_is_gone(narrow_log: Log) -> None:
    async with _a_broker_of_its_own() as (kafka, identity):
        await topics.create_missing(kafka, (narrow_log.topic,))
        log = Log(kafka, narrow_log.topic, narrow_log.kind)
        await log.write_in_big_batches(log.numbers(10))
        async with following(log, Projection()) as follower:
            assert await follower.caught_up(within=SOON)
            identity.send(SIGKILL)
            await until(lambda: not identity.alive())
            async with asyncio.timeout(180):
                assert not await follower.caught_up(within=timedelta(seconds=2))


@asynccontextmanager
async def _a_broker_of_its_own() -> AsyncIterator[tuple[Kafka, Identity]]:
    with tempfile.TemporaryDirectory() as folder:
        home, port = Home(Path(folder)), Ports.free().kafka
        home.make()
        part = await broker.part(Broker.EMBEDDED, home, port, lambda _: None)
        process = await processes.spawn(part.command, home.log_of("kafka"))
        kafka = Kafka.plain(f"127.0.0.1:{port}")
        try:
            await topics.wait_for_kafka(kafka, seconds=20)
            yield kafka, Identity.of(process.pid)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
