"""Creating topics and checking that they are as they are described."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaConnectionError, KafkaError, TopicAlreadyExistsError, for_code

from shared.contracts.topics import ALL_TOPICS, COMPACTED_WITHIN, DEAD_LETTER_SUFFIX, Topic
from shared.messaging.errors import FatalError
from shared.messaging.kafka import Kafka
from shared.messaging.refusal import refusal

_LIVES_ON_WITH_TWO = 3
"""From so many replicas on, one broker may be away while every acknowledged record is still on two others."""
_LARGEST_DEAD_LETTER = 2 * 1024 * 1024
"""Bytes: a dead letter is its record and the headers that say why, so it may be larger than any record."""


class TopicsDifferError(FatalError):
    """Topics are missing or differ from their description; the message says which and what to do."""


async def create_missing(kafka: Kafka, topics: Sequence[Topic] = ALL_TOPICS, *, replication: int = 1) -> list[str]:
    """Creates what is not there and returns those names; again is harmless."""
    async with Admin(kafka) as admin:
        there = set(await admin.list_topics())
        missing = [topic for topic in topics if topic.name not in there]
        if not missing:
            return []
        answer = await admin.create_topics([_new(topic, replication) for topic in missing])
        for name, code, *_ in answer.topic_errors:
            error = for_code(code)
            if code and error is not TopicAlreadyExistsError:
                raise TopicsDifferError(f"Kafka would not create the topic {name}: {error.__name__}")
        return [topic.name for topic in missing]


async def check(kafka: Kafka, topics: Sequence[Topic] = ALL_TOPICS) -> None:
    """TopicsDifferError unless every topic is there with its number of partitions."""
    found = await differences(kafka, topics)
    if missing := sorted(name for name, partitions in found.items() if partitions is None):
        hidden = "" if kafka.login is None else f", or {kafka.login.user} may not see them"
        raise TopicsDifferError(
            f"topics are missing{hidden}: {', '.join(missing)}. Create them with `fairpool topics create`"
            f"{' --users' if hidden else ''}."
        )
    wrong = [
        f"{topic.name} has {found[topic.name]} partitions, not {topic.partitions}"
        for topic in topics
        if topic.name in found
    ]
    if wrong:
        raise TopicsDifferError(
            "; ".join(wrong) + ". Keys would move: recreate the topic, or change shared/contracts/topics.py."
        )


async def differences(kafka: Kafka, topics: Sequence[Topic]) -> dict[str, int | None]:
    """Those that have another number of partitions, with it; None for those that are not there."""
    async with Admin(kafka) as admin:
        # names first: Tansu creates any topic that a metadata request names
        there = set(await admin.list_topics())
        present = [topic for topic in topics if topic.name in there]
        described = await admin.describe_topics([topic.name for topic in present]) if present else []
    counts: dict[str, int | None] = {item["topic"]: len(item["partitions"]) for item in described}
    return {topic.name: counts.get(topic.name) for topic in topics if counts.get(topic.name) != topic.partitions}


async def wait_for_kafka(kafka: Kafka, *, seconds: float) -> None:
    """Returns as soon as a broker answers; raises the last KafkaError when none did in time, KafkaRefusesError at once."""
    give_up = asyncio.get_running_loop().time() + seconds
    while True:
        try:
            async with Admin(kafka) as admin:
                await admin.list_topics()
            return
        except KafkaError:
            if asyncio.get_running_loop().time() > give_up:
                raise
            await asyncio.sleep(0.5)


class Admin:
    """A client for one `async with`; closed also when it could not start. KafkaRefusesError where Kafka lets nobody in."""

    def __init__(self, kafka: Kafka) -> None:
        self._kafka = kafka
        self._client = AIOKafkaAdminClient(**kafka.for_aiokafka())

    async def __aenter__(self) -> AIOKafkaAdminClient:
        try:
            await self._client.start()
        except KafkaConnectionError as error:
            await self._client.close()
            raise await refusal(self._kafka) or error from None
        except BaseException:
            await self._client.close()
            raise
        return self._client

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()


def settings_of(topic: Topic, replication: int) -> dict[str, str]:
    """The settings of Kafka's that the description asks for, where so many brokers hold a replica."""
    settings: dict[str, str] = {"cleanup.policy": topic.clean_up}
    if topic.kept is not None:
        settings["retention.ms"] = _milliseconds(topic.kept)
    else:
        settings["max.compaction.lag.ms"] = _milliseconds(COMPACTED_WITHIN)
    if topic.name.endswith(DEAD_LETTER_SUFFIX):
        settings["max.message.bytes"] = str(_LARGEST_DEAD_LETTER)
    if replication >= _LIVES_ON_WITH_TWO:
        settings["min.insync.replicas"] = "2"
    return settings


def _milliseconds(time: timedelta) -> str:
    return str(int(time.total_seconds() * 1000))


def _new(topic: Topic, replication: int) -> NewTopic:
    return NewTopic(topic.name, topic.partitions, replication, topic_configs=settings_of(topic, replication))
