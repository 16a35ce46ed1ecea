"""Apache Kafka under the real supervisor: it keeps its topics, and says what it needs."""

import os
import shutil
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from deploy.local import broker, launch, ports
from deploy.local.broker import Broker
from deploy.local.errors import OtherBrokerError, StackError
from deploy.local.home import Home
from deploy.local.kafka import apache, jars
from deploy.local.kafka.java import java, maven
from deploy.local.stack import Options
from shared.contracts.topics import Topic
from shared.messaging import topics
from shared.messaging.envelope import Outgoing
from shared.messaging.producer import Producer
from tests.stack import Servers
from tests.waiting import until

KEPT = Topic("kept-words", "key", "test", ("test",), "words", partitions=2)
FAKE_JAVA = """#!/bin/sh
echo 'openjdk version "11.0.2" 2019-01-15' >&2
"""
FAILING_MAVEN = """#!/bin/sh
echo '[ERROR] Could not transfer artifact: unknown host'
exit 1
"""


@pytest.fixture(scope="module")
async def _jars(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skips, with the reason, what needs Apache Kafka where it can't be had."""
    try:
        java()
        await jars.fetched(tmp_path_factory.mktemp("maven") / "mvn.log", lambda _: None)
    except StackError as error:
        pytest.skip(f"NOT TESTED on Apache Kafka: {error}")


@pytest.fixture
def servers(_jars: None) -> Iterator[Servers]:
    with Servers(Broker.APACHE) as started:
        yield started


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.make()
    return made


def _program(folder: Path, name: str, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)


async def _write(servers: Servers, text: str) -> None:
    producer = Producer([servers.kafka], idempotence=servers.idempotence, client_id="test")
    await producer.start()
    await producer.send([Outgoing(KEPT.name, b"key", text.encode(), ())])
    await producer.stop()


async def _written(servers: Servers) -> list[str]:
    log = apache.folder(servers.home) / "log"
    segments = b"".join(path.read_bytes() for path in sorted(log.glob(f"{KEPT.name}-*/*.log")))
    return [word for word in ("before", "between", "after") if word.encode() in segments]


async def test_a_killed_broker_comes_back_with_its_topics_and_records(servers: Servers) -> None:
    await topics.create_missing([servers.kafka], (KEPT,))
    await _write(servers, "before")
    servers.kill("kafka", signal.SIGKILL)
    await until(lambda: servers.part("kafka").restarts == 1 and servers.is_ready("kafka"), within=timedelta(seconds=60))
    assert await topics.create_missing([servers.kafka], (KEPT,)) == []
    await topics.check([servers.kafka], (KEPT,))
    await _write(servers, "after")


async def test_log_and_tables_are_kept_between_two_starts_and_maven_is_not_asked_again(
    servers: Servers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pass
