"""A topic of one's own with an event that belongs on it, and ways to write and read it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from types import MappingProxyType

import pytest

from shared.contracts.registry import EVENTS
from shared.contracts.topics import Topic
from shared.messaging import envelope, topics
from shared.messaging.kafka import Kafka
from shared.messaging.producer import Producer
from tests.conftest import unique
from tests.integration.messaging.kit import Log, numbered_on
from tests.stack import Servers


@pytest.fixture
async def log(kafka: Kafka, monkeypatch: pytest.MonkeyPatch) -> Log:
    """A topic with three partitions and its dead letters."""
    return await _log(kafka, monkeypatch, partitions=3)


@pytest.fixture
async def narrow_log(kafka: Kafka, monkeypatch: pytest.MonkeyPatch) -> Log:
    """A topic with one partition: what is written together is fetched together."""
    return await _log(kafka, monkeypatch, partitions=1)


async def _log(kafka: Kafka, monkeypatch: pytest.MonkeyPatch, *, partitions: int) -> Log:
    name = unique("numbers").replace("_", "-")
    # Kept for a time: a compacted topic takes no record without a key.
    topic = Topic(name, "key", "test", ("test",), "numbers", kept=timedelta(days=1), partitions=partitions)
    kind = numbered_on(topic)
    await topics.create_missing(kafka, (topic, topic.dead_letters))
    monkeypatch.setattr(envelope, "EVENTS", MappingProxyType({**EVENTS, kind.TYPE: kind}))
    return Log(kafka, topic, kind)


@pytest.fixture
async def producer(servers: Servers) -> AsyncIterator[Producer]:
    """The process's own producer, started."""
    made = Producer(Kafka.plain(servers.kafka), idempotence=servers.idempotence, client_id="test")
    await made.start()
    yield made
    await made.stop()
