"""`fairpool topics check` and `reconcile` on a real broker."""

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from aiokafka.admin import NewTopic
from typer.testing import CliRunner

from deploy import topics as operated
from deploy.cli import app
from deploy.local.broker import Broker
from shared.contracts.topics import Topic
from shared.messaging.kafka import Kafka
from shared.messaging.topics import Admin, create_missing
from tests.conftest import unique
from tests.stack import Servers

run = CliRunner()


def _topic(*, partitions: int = 2, days: int | None = 3) -> Topic:
    kept = None if days is None else timedelta(days=days)
    return Topic(unique("a").replace("_", "-"), "key", "test", ("test",), "a test", partitions=partitions, kept=kept)


async def _make(kafka: Kafka, topic: Topic, **settings: str) -> None:
    async with Admin(kafka) as admin:
        await admin.create_topics([NewTopic(topic.name, topic.partitions, 1, topic_configs=settings)])


async def test_what_is_as_described_has_no_difference(kafka: Kafka) -> None:
    topics = (_topic(), _topic(days=None))
    await create_missing(kafka, topics)
    assert await operated.check(kafka, topics) == operated.Checked(())


async def test_a_check_names_what_is_missing_narrow_or_kept_otherwise_and_changes_nothing(kafka: Kafka) -> None:
    missing, narrow, otherwise = _topic(), _topic(partitions=2), _topic(days=3)
    await create_missing(kafka, (narrow,))
    await _make(kafka, otherwise, **{"cleanup.policy": "delete", "retention.ms": "3600000"})
    wide = Topic(narrow.name, "key", "test", ("test",), "a test", partitions=3, kept=narrow.kept)
    for _ in range(2):
        found = await operated.check(kafka, (missing, wide, otherwise))
        assert [(item.topic, item.name, item.expected, item.found) for item in found.differences] == [
            (missing.name, "missing", "there", "not there"),
            (narrow.name, "partitions", "3", "2"),
            (otherwise.name, "retention.ms", "259200000", "3600000"),
        ]


async def test_reconciling_creates_and_alters_what_the_broker_lets_it_and_says_what_is_left(
    servers: Servers, kafka: Kafka
) -> None:
    missing, otherwise = _topic(), _topic(days=None)
    await _make(kafka, otherwise, **{"cleanup.policy": "delete", "segment.ms": "7200000"})
    done: list[operated.Difference] = []
    left = await operated.reconcile(kafka, topics=(missing, otherwise), mended=done.append)
    created = operated.Difference(missing.name, "missing", "missing", "there", "not there")
    if servers.broker is Broker.EMBEDDED:
        assert [(item.topic, item.name) for item in left.differences] == [
            (otherwise.name, "cleanup.policy"),
            (otherwise.name, "max.compaction.lag.ms"),
        ]
        assert left.beyond == operated.NOT_ALTERED
        assert done == [created]
        return
    assert left == operated.Checked(())
    assert [(item.topic, item.name, item.expected) for item in done] == [
        (missing.name, "missing", "there"),
        (otherwise.name, "cleanup.policy", "compact"),
        (otherwise.name, "max.compaction.lag.ms", "604800000"),
    ]
    settings = await operated._settings(kafka, (otherwise,))
    assert settings is not None
    assert settings[otherwise.name]["segment.ms"] == ("7200000", True), "what an operator set besides stays"


async def test_partitions_are_never_changed(kafka: Kafka) -> None:
    narrow = _topic(partitions=2)
    await create_missing(kafka, (narrow,))
    wide = Topic(narrow.name, "key", "test", ("test",), "a test", partitions=3, kept=narrow.kept)
    [difference] = (await operated.reconcile(kafka, topics=(wide,))).differences
    assert (difference.what, difference.found) == ("partitions", "2")


async def test_the_commands_speak_json_and_exit_with_1_for_a_difference(
    kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIRPOOL_KAFKA", ",".join(kafka.servers))
    done = await asyncio.to_thread(run.invoke, app, ["topics", "reconcile", "--json"])
    told = json.loads(done.stdout)
    assert (done.exit_code, told["differences"], told["beyond"]) == (0, [], None)
    assert {item["what"] for item in told["done"]} <= {"missing"}
    done = await asyncio.to_thread(run.invoke, app, ["topics", "check"])
    assert (done.exit_code, done.stdout) == (0, "every topic is as described\n")


async def test_reconciling_tells_each_thing_that_it_did_and_what_to_do_about_the_rest(
    kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def reconcile(_: Kafka, *, mended: Callable[[operated.Difference], None], **__: object) -> operated.Checked:
        mended(operated.Difference("pools", "missing", "missing", "there", "not there"))
        mended(operated.Difference("notices", "setting", "retention.ms", "604800000", "3600000"))
        return operated.Checked((operated.Difference("tenants", "partitions", "partitions", "1", "3"),))

    monkeypatch.setenv("FAIRPOOL_KAFKA", ",".join(kafka.servers))
    monkeypatch.setattr(operated, "reconcile", reconcile)
    done = await asyncio.to_thread(run.invoke, app, ["topics", "reconcile"])
    assert done.exit_code == 1
    assert done.stdout.splitlines() == [
        "created pools",
        "set retention.ms of notices from 3600000 to 604800000",
        "left as it is:",
        "TOPIC    WHAT        EXPECTED  FOUND  WHAT TO DO",
        "tenants  partitions  1         3      make the topic anew (docs/watching.md): keys would move",
    ]
