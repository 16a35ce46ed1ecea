"""Topics are made once and checked without being made by the check."""

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from shared.contracts.topics import Topic
from shared.messaging.kafka import Kafka
from shared.messaging.topics import TopicsDifferError, check, create_missing, wait_for_kafka
from tests.conftest import unique


def _topic(name: str, *, partitions: int = 2) -> Topic:
    return Topic(name, "key", "test", ("test",), "a test", partitions=partitions)


async def _there(kafka: Kafka) -> set[str]:
    admin = AIOKafkaAdminClient(**kafka.for_aiokafka())
    await admin.start()
    try:
        return set(await admin.list_topics())
    finally:
        await admin.close()


async def test_topics_are_created_once_and_again_is_harmless(kafka: Kafka) -> None:
    first, second = _topic(unique("a")), _topic(unique("b"))
    assert await create_missing(kafka, (first,)) == [first.name]
    assert await create_missing(kafka, (first, second)) == [second.name]
    assert await create_missing(kafka, (first, second)) == []
    await check(kafka, (first, second))


async def test_a_check_names_every_missing_topic_and_creates_none(kafka: Kafka) -> None:
    there, one, other = _topic(unique("a")), _topic(unique("b")), _topic(unique("c"))
    await create_missing(kafka, (there,))
    with pytest.raises(TopicsDifferError) as raised:
        await check(kafka, (there, other, one))
    assert f"{one.name}, {other.name}" in str(raised.value)
    assert there.name not in str(raised.value)
    assert "fairpool topics create" in str(raised.value)
    assert not {one.name, other.name} & await _there(kafka)


async def test_a_check_names_a_topic_with_other_partitions(kafka: Kafka) -> None:
    name = unique("a")
    await create_missing(kafka, (_topic(name, partitions=2),))
    with pytest.raises(TopicsDifferError, match=f"{name} has 2 partitions, not 3"):
        await check(kafka, (_topic(name, partitions=3),))


async def test_kafka_is_waited_for_until_it_answers(kafka: Kafka) -> None:
    await wait_for_kafka(kafka, seconds=5)
