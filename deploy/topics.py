"""Kafka's topics beside their descriptions, and bringing them there as far as the broker lets one."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal

from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import IncompatibleBrokerVersion, KafkaConnectionError, for_code

from shared.contracts.topics import ALL_TOPICS, Topic
from shared.messaging.errors import FatalError
from shared.messaging.topics import Admin, create_missing, settings_of

_SET_FOR_THIS_TOPIC = 1  # the config source DYNAMIC_TOPIC_CONFIG of DescribeConfigs
NOT_TOLD = "This broker does not tell its topics' settings: only names and partitions were compared."
NOT_ALTERED = "This broker can't alter a topic's settings: make the topic anew, or use another broker."
_ALTERED_WITHIN = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is otherwise than described."""

    topic: str
    what: Literal["missing", "partitions", "setting"]
    name: str
    """The setting's name, else the same word as `what`."""
    expected: str
    found: str


@dataclass(frozen=True, slots=True)
class Checked:
    """What a look at the broker found."""

    differences: tuple[Difference, ...]
    beyond: str | None = None
    """What this broker can't do, in plain words."""


async def check(kafka: Sequence[str], topics: Sequence[Topic] = ALL_TOPICS) -> Checked:
    """Names and partitions, and settings where the broker tells them; changes nothing."""
    async with Admin(kafka) as admin:
        there = set(await admin.list_topics())  # by name: Tansu creates any topic that a request for metadata names
        present = [topic for topic in topics if topic.name in there]
        described = await admin.describe_topics([topic.name for topic in present]) if present else []
    settings = await _settings(kafka, present)
    counts = {item["topic"]: len(item["partitions"]) for item in described}
    found = [
        Difference(topic.name, "missing", "missing", "there", "not there") for topic in topics if topic not in present
    ]
    found += [
        Difference(topic.name, "partitions", "partitions", str(topic.partitions), str(counts.get(topic.name, 0)))
        for topic in present
        if counts.get(topic.name) != topic.partitions
    ]
    for topic in present if settings is not None else ():
        has = settings[topic.name] if settings is not None else {}
        found += [
            Difference(topic.name, "setting", name, value, has[name][0] if name in has else "unknown")
            for name, value in settings_of(topic).items()
            if name not in has or has[name][0] != value
        ]
    return Checked(tuple(found), NOT_TOLD if settings is None else None)


async def reconcile(kafka: Sequence[str], *, replication: int = 1, topics: Sequence[Topic] = ALL_TOPICS) -> Checked:
    """Creates what is missing and alters settings; what is different afterwards is beyond the broker, or beyond us.

    Partitions are never added: a key's records would go on elsewhere, and their order with it.
    """
    before = await check(kafka, topics)
    await create_missing(kafka, topics, replication=replication)
    wrong = {item.topic for item in before.differences if item.what == "setting"}
    if wrong and not await _alter(kafka, [topic for topic in topics if topic.name in wrong]):
        return replace(await check(kafka, topics), beyond=NOT_ALTERED)
    give_up = asyncio.get_running_loop().time() + _ALTERED_WITHIN.total_seconds()
    while True:  # a broker shows an altered setting a moment after it has said yes
        after = await check(kafka, topics)
        if not any(item.what == "setting" for item in after.differences):
            return after
        if asyncio.get_running_loop().time() > give_up:
            return after
        await asyncio.sleep(0.2)


async def _settings(
    kafka: Sequence[str], topics: Sequence[Topic]
) -> Mapping[str, Mapping[str, tuple[str, bool]]] | None:
    """By topic and name, the value and whether it was set for this topic; None when the broker does not tell."""
    resources = [ConfigResource(ConfigResourceType.TOPIC, topic.name) for topic in topics]
    if not resources:
        return {}
    try:
        async with Admin(kafka) as admin:
            answers = await admin.describe_configs(resources)
    except (IncompatibleBrokerVersion, KafkaConnectionError):
        # Tansu closes the connection at this question. Whether it was that, or Kafka has just gone, the next one says.
        async with Admin(kafka) as admin:
            await admin.list_topics()
        return None
    found: dict[str, dict[str, tuple[str, bool]]] = {}
    for code, _, _, name, entries in (item for answer in answers for item in answer.resources):
        if code:
            raise FatalError(f"Kafka would not tell the settings of {name}: {for_code(code).__name__}")
        found[name] = {key: (value, source == _SET_FOR_THIS_TOPIC) for key, value, _, source, *_ in entries}
    return found


async def _alter(kafka: Sequence[str], topics: Sequence[Topic]) -> bool:
    """Whether the broker can do that; FatalError when it can and would not."""
    settings = await _settings(kafka, topics) or {}
    resources = []
    for topic in topics:
        # The request replaces all that was set for the topic: what an operator set besides stays only if it is said again.
        kept = {name: value for name, (value, own) in settings[topic.name].items() if own}
        resources.append(ConfigResource(ConfigResourceType.TOPIC, topic.name, configs=kept | settings_of(topic)))
    async with Admin(kafka) as admin:
        try:
            answers = await admin.alter_configs(resources)
        except IncompatibleBrokerVersion:
            return False
    for code, message, _, name in (item for answer in answers for item in answer.resources):
        if code:
            raise FatalError(f"Kafka would not alter {name}: {message or for_code(code).__name__}")
    return True
