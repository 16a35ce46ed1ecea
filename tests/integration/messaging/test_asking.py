"""A broker is asked for ends in the same bytes, and what it says is what aiokafka makes of it."""

import asyncio
from datetime import timedelta

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.messaging import ends
from shared.messaging.asking import SameQuestion
from shared.messaging.ends import EndsWatch, asking_client
from shared.messaging.kafka import Kafka
from shared.messaging.producer import Producer
from tests.integration.messaging.kit import Log
from tests.waiting import until


async def test_what_is_written_in_between_is_said_and_what_is_not_is_the_same_answer(
    kafka: Kafka, log: Log, producer: Producer
) -> None:
    partitions = [TopicPartition(log.topic.name, number) for number in range(log.topic.partitions)]
    async with asking_client(kafka, client_id="test") as client, asking_client(kafka, client_id="other") as other:
        asks = SameQuestion(client)
        for numbers in (range(0), range(5), range(0), range(5, 7)):
            await producer.send(log.records(log.numbers(len(numbers), first=numbers.start)))
            said = [await asks.end_offsets(partitions) for _ in range(3)]
            assert said[1] is said[2]
            assert isinstance(other, AIOKafkaConsumer)
            assert said[2] == await other.end_offsets(partitions)
        assert sum(said[2].values()) > 0


@pytest.mark.parametrize("by", ["its own question", "aiokafka's way"])
async def test_behind_a_connection_that_hangs_the_watch_hears_again(
    by: str, kafka: Kafka, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ends, "_WITHIN", timedelta(seconds=1))
    partitions = [TopicPartition(log.topic.name, number) for number in range(log.topic.partitions)]
    watch, reader = EndsWatch(timedelta(milliseconds=200), timedelta(milliseconds=25)), Log
    async with asking_client(kafka, client_id="test") as client:
        asks = SameQuestion(client)
        await (asks if by == "its own question" else client).end_offsets(partitions)
        hanging = list(client._client._conns.values())
        for connection in hanging:
            monkeypatch.setattr(connection._writer, "write", lambda _: None)
        watch.wait(reader, dict.fromkeys(partitions, 0))
        asking = asyncio.create_task(watch.run(asks))
        try:
            await until(
                lambda: watch.end(partitions[0]) is not None,
                within=timedelta(seconds=20),
                what="an answer over another connection",
            )
        finally:
            asking.cancel()
            await asyncio.wait([asking])
