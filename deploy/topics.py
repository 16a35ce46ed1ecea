"""Kafka's topics beside their descriptions, and bringing them there as far as the broker lets one."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Literal

from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import IncompatibleBrokerVersion, KafkaConnectionError, for_code

from shared.contracts.topics import ALL_TOPICS, Topic
from shared.messaging.errors import FatalError
from shared.messaging.kafka import Kafka
from shared.messaging.topics import Admin, create_missing, settings_of

_SET_FOR_THIS_TOPIC = 1  # the config source DYNAMIC_TOPIC_CONFIG of DescribeConfigs
NOT_TOLD = "This broker does not tell its topics' settings: only names and partitions were compared."
NOT_ALTERED = (
    "This broker can't alter a topic's settings: make the topic anew (docs/watching.md, A topic that is not as described), "
    "or use another broker."
)
_ALTERED_WITHIN = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is otherwise than described."""

    topic: str
    what: Literal["missing", "partitions", "replication", "setting"]
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


async def check(kafka: Kafka, topics: Sequence[Topic] = ALL_TOPICS, *, replication: int | None = None) -> Checked:
    """Names, partitions and, if given, replicas, and settings where the broker tells them; changes nothing."""
    async with Admin(kafka) as admin:
        there = set(await admin.list_topics())  # by name: Tansu creates any topic that a request for metadata names
        present = [topic for topic in topics if topic.name in there]
        described = await admin.describe_topics([topic.name for topic in present]) if present else []
    settings = await _settings(kafka, present)
    counts = {item["topic"]: len(item["partitions"]) for item in described}
    replicas = _replicas(described)
    found = [
        Difference(topic.name, "missing", "missing", "there", "not there") for topic in topics if topic not in present
    ]
    found += [
        Difference(topic.name, "partitions", "partitions", str(topic.partitions), str(counts.get(topic.name, 0)))
        for topic in present
        if counts.get(topic.name) != topic.partitions
    ]
    found += [
        Difference(topic.name, "replication", "replication", str(replication), str(replicas.get(topic.name, 0)))
        for topic in present
        if replication is not None and replicas.get(topic.name, 0) != replication
    ]
    for topic in present if settings is not None else ():
        has = settings[topic.name] if settings is not None else {}
        found += [
            Difference(topic.name, "setting", name, value, has[name][0] if name in has else "unknown")
            for name, value in settings_of(topic, replicas.get(topic.name, 0)).items()
            if name not in has or has[name][0] != value
        ]
    return Checked(tuple(found), NOT_TOLD if settings is None else None)


async def reconcile(
    kafka: Kafka,
    *,
    replication: int | None = None,
    topics: Sequence[Topic] = ALL_TOPICS,
    mended: Callable[[Difference], None] = lambda _: None,
) -> Checked:
    """Creates what is missing and alters settings, and tells each difference that it `mended`; what is different afterwards
    is beyond the broker, or beyond us.

    Partitions are never added: a key's records would go on elsewhere, and their order with it. Replicas are never moved:
    how fast, and from where to where, is for whoever runs the brokers to say.
    """
    before = await check(kafka, topics)
    made = await create_missing(kafka, topics, replication=replication or 1)
    for item in before.differences:
        if item.what == "missing" and item.topic in made:
            mended(item)
    wrong = {item.topic for item in before.differences if item.what == "setting"}
    if wrong and not await _alter(kafka, [topic for topic in topics if topic.name in wrong]):
        return replace(await check(kafka, topics, replication=replication), beyond=NOT_ALTERED)
    give_up = asyncio.get_running_loop().time() + _ALTERED_WITHIN.total_seconds()
    while True:  # a broker shows an altered setting a moment after it has said yes
        after = await check(kafka, topics, replication=replication)
        is_over = asyncio.get_running_loop().time() > give_up
        if is_over or not any(item.what == "setting" for item in after.differences):
            break
        await asyncio.sleep(0.2)
    still = {(item.topic, item.name) for item in after.differences}
    for item in before.differences:
        if item.what == "setting" and (item.topic, item.name) not in still:
            mended(item)
    return after


def _replicas(described: Sequence[Mapping[str, Any]]) -> Mapping[str, int]:
    """By topic, on how many brokers each partition is, on the fewest where they differ."""
    return {
        item["topic"]: min((len(partition["replicas"]) for partition in item["partitions"]), default=0)
        for item in described
    }


async def _settings(kafka: Kafka, topics: Sequence[Topic]) -> Mapping[str, Mapping[str, tuple[str, bool]]] | None:
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


async def _alter(kafka: Kafka, topics: Sequence[Topic]) -> bool:
    """Whether the broker can do that; FatalError when it can and would not."""
    settings = await _settings(kafka, topics) or {}
    resources = []
    async with Admin(kafka) as admin:
        replicas = _replicas(await admin.describe_topics([topic.name for topic in topics]))
    for topic in topics:
        # The request replaces all that was set for the topic: what an operator set besides stays only if it is given again.
        kept = {name: value for name, (value, own) in settings[topic.name].items() if own}
        resources.append(
            ConfigResource(
                ConfigResourceType.TOPIC, topic.name, configs=kept | settings_of(topic, replicas.get(topic.name, 0))
            )
        )
    async with Admin(kafka) as admin:
        try:
            answers = await admin.alter_configs(resources)
        except IncompatibleBrokerVersion:
            return False
    for code, message, _, name in (item for answer in answers for item in answer.resources):
        if code:
            raise FatalError(f"Kafka would not alter {name}: {message or for_code(code).__name__}")
    return True
