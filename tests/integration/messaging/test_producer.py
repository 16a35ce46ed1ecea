"""What a producer does when Kafka does not answer: it holds, and what it gave up never comes late."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.client import AIOKafkaClient
from aiokafka.producer.sender import Sender

from shared.messaging import producer as module
from shared.messaging.envelope import Outgoing, Received, decode
from shared.messaging.errors import is_transient
from shared.messaging.producer import NotAcknowledgedError, Producer
from tests.integration.messaging.kit import Log, Numbered
from tests.waiting import others_run, until


@contextmanager
def kafka_away() -> Iterator[None]:
    """Nobody in this process reaches a broker."""

    async def nobody(*_: object, **__: object) -> None:
        return None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AIOKafkaClient, "_get_conn", nobody)
        yield


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A producer that waits for a second."""
    monkeypatch.setattr(module, "_DELIVER_WITHIN", timedelta(seconds=1))


async def numbers_on(log: Log) -> list[int]:
    found = [decode(record, None) for record in await log.read()]
    return [item.event.number for item in found if isinstance(item, Received) and isinstance(item.event, Numbered)]


def client_of(producer: Producer) -> AIOKafkaProducer:
    assert producer._client is not None
    return producer._client.producer


async def test_what_is_sent_together_is_a_few_requests_however_many_they_are(
    narrow_log: Log, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests: list[int] = []
    send = Sender._send_produce_req

    async def counted(self: Sender, node: int, batches: dict[object, object]) -> None:
        requests.append(len(batches))
        await send(self, node, batches)

    monkeypatch.setattr(Sender, "_send_produce_req", counted)
    words = b"words" * 300
    sent = [words + str(number).encode() for number in range(500)]
    await producer.send([Outgoing(narrow_log.topic.name, b"k", value, ()) for value in sent])
    assert [record.value for record in await narrow_log.read()] == sent, (
        "each once, in the order in which they were sent"
    )
    assert 1 <= len(requests) <= 4, "750 kB of one partition, in batches of 256 KiB at most"


async def test_what_was_given_up_never_arrives_after_what_was_sent_since(
    narrow_log: Log, producer: Producer, impatient: None
) -> None:
    first, second = narrow_log.records(narrow_log.numbers(2))
    old = client_of(producer)
    with kafka_away(), pytest.raises(NotAcknowledgedError) as raised:
        await producer.send([first])
    assert is_transient(raised.value), "whoever sends holds its batch and tries again"
    await producer.send([second])
    await until(lambda: old._sender.sender_task.done(), what="the old client has no sender any more")
    assert await numbers_on(narrow_log) == [1]
    assert producer.given_up == 1
    assert client_of(producer) is not old


async def test_whoever_waits_for_a_client_that_another_gave_up_is_told_at_once(
    narrow_log: Log, producer: Producer
) -> None:
    first, second = narrow_log.records(narrow_log.numbers(2))
    with kafka_away():
        waiting = [asyncio.create_task(producer.send([record])) for record in (first, second)]
        await others_run()
        async with asyncio.timeout(180):
            waiting[0].cancel()
            done = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(done[0], asyncio.CancelledError)
    assert isinstance(done[1], NotAcknowledgedError)
    assert await numbers_on(narrow_log) == []


async def test_a_record_that_kafka_would_not_take_stops_no_other(narrow_log: Log, producer: Producer) -> None:
    good, other = narrow_log.records(narrow_log.numbers(2))
    too_large = Outgoing(good.topic, good.key, b"x" * 3 * 1024 * 1024, ())
    with pytest.raises(NotAcknowledgedError, match="MessageSizeTooLargeError"):
        await producer.send([good, too_large])
    await producer.send([other])
    assert 1 in await numbers_on(narrow_log)


async def test_a_producer_that_is_stopped_while_kafka_is_away_leaves_nothing_that_sends(
    narrow_log: Log, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_STOP_WITHIN", timedelta(milliseconds=100))
    old = client_of(producer)
    with kafka_away():
        sending = asyncio.create_task(producer.send(narrow_log.records(narrow_log.numbers(1))))
        await others_run()
        await producer.stop()
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    await until(lambda: old._sender.sender_task.done(), what="its sender has ended")
    assert await numbers_on(narrow_log) == []
