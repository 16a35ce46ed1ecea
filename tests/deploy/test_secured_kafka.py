"""Apache Kafka with TLS, passwords and three replicas: Fairpool's clients, its processes and its command line."""

import asyncio
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from faststream.kafka import KafkaBroker
from typer.testing import CliRunner

from deploy import topics as operated
from deploy.cli import app
from deploy.local.errors import StackError
from shared.contracts.topics import Topic
from shared.messaging import envelope, topics
from shared.messaging.follower import Follower
from shared.messaging.kafka import Kafka, Login, Mechanism
from shared.messaging.producer import Producer
from shared.messaging.refusal import KafkaRefusesError
from tests.certificates import Authority
from tests.conftest import unique
from tests.deploy import secured
from tests.deploy.secured import PASSWORD, USER, Cluster
from tests.integration.messaging.kit import Log, numbered_on
from tests.signing import OPERATOR, environment_of
from tests.waiting import until

run = CliRunner()
pytestmark = pytest.mark.slow
SOON = timedelta(seconds=150)


@pytest.fixture(scope="module")
async def cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    try:
        async with secured.cluster(tmp_path_factory.mktemp("kafka")) as running:
            yield running
    except StackError as error:
        warnings.warn(f"NOT TESTED on a Kafka with TLS and passwords: {error}", stacklevel=1)  # as in test_apache
        pytest.skip(str(error))


def _topic(*, partitions: int = 2, days: int | None = 3) -> Topic:
    kept = None if days is None else timedelta(days=days)
    return Topic(unique("a").replace("_", "-"), "key", "test", ("test",), "a test", partitions=partitions, kept=kept)


async def _write(log: Log, count: int) -> None:
    producer = Producer(log.kafka, idempotence=True, client_id="test")
    await producer.start()
    try:
        await producer.send(log.records(log.numbers(count)))
    finally:
        await producer.stop()


async def _group_reads(log: Log, count: int) -> bool:
    """Whether a consumer group, on a broker made as `shared.service` makes it, gets so many records."""
    broker = KafkaBroker(
        log.kafka.servers, security=log.kafka.for_faststream(), apply_types=False, logger=None, enable_idempotence=False
    )
    seen: list[object] = []

    @broker.subscriber(
        log.topic.name, group_id="test.secured", auto_offset_reset="earliest", decoder=lambda message: message
    )
    async def take(message: object) -> None:
        seen.append(message)

    async with broker:
        await broker.start()
        await until(lambda: len(seen) >= count, within=SOON)
    return len(seen) == count


async def _follower_reads(log: Log, count: int) -> bool:
    seen: list[object] = []

    async def apply(received: object, _: object) -> None:
        assert isinstance(received, list)
        seen.extend(received)

    follower = Follower(log.kafka, log.topic, apply, client_id="test")
    await follower.start()
    reading = asyncio.create_task(follower.run())
    try:
        assert await follower.caught_up(within=SOON)
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await follower.stop()
    return len(seen) == count


@pytest.mark.parametrize("way", ["TLS", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_everything_that_speaks_to_kafka_gets_in_by_this_way(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    mechanism: Mechanism | None = next((one for one in ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512") if one == way), None)
    kafka = cluster.tls if mechanism is None else cluster.login(mechanism)
    topic = _topic()
    assert await topics.create_missing(kafka, (topic,), replication=3) == [topic.name]
    await topics.check(kafka, (topic,))
    log = Log(kafka, topic, numbered_on(topic))
    monkeypatch.setattr(envelope, "EVENTS", {log.kind.TYPE: log.kind})
    await _write(log, 50)
    assert len(await log.read()) == 50
    assert await _follower_reads(log, 50)
    assert await _group_reads(log, 50)


def _wrong(cluster: Cluster, folder: Path) -> dict[str, tuple[Kafka, str]]:
    right = cluster.login("SCRAM-SHA-512")
    other = Authority.at(folder / "other.pem").file
    return {
        "password": (cluster.login("SCRAM-SHA-512", "wrong-" + PASSWORD), "does not know this user with this password"),
        "password by PLAIN": (
            cluster.login("PLAIN", "wrong-" + PASSWORD),
            "does not know this user with this password",
        ),
        "authority": (replace(right, ca=other), "has a certificate that is not trusted"),
        "system's authorities": (replace(cluster.tls, ca=None), "has a certificate that is not trusted"),
        "host": (
            replace(right, servers=tuple(server.replace("127.0.0.1", "localhost") for server in right.servers)),
            "has a certificate that is not trusted (Hostname mismatch",
        ),
        "login": (replace(cluster.plain, login=Login("PLAIN", USER, PASSWORD)), "wants no login"),
    }


@pytest.mark.parametrize(
    "what", ["password", "password by PLAIN", "authority", "system's authorities", "host", "login"]
)
async def test_who_is_not_let_in_learns_at_once_why_and_which_setting_to_look_at(
    cluster: Cluster, tmp_path: Path, what: str
) -> None:
    kafka, why = _wrong(cluster, tmp_path)[what]
    with pytest.raises(KafkaRefusesError, match=r"Look at FAIRPOOL_KAFKA_") as refused:
        await topics.wait_for_kafka(kafka, seconds=60)
    assert why in str(refused.value)
    assert PASSWORD not in str(refused.value)
    assert USER not in str(refused.value)


def _environment(kafka: Kafka) -> dict[str, str]:
    assert kafka.login is not None
    return {
        "FAIRPOOL_KAFKA": ",".join(kafka.servers),
        "FAIRPOOL_KAFKA_SECURITY": kafka.protocol,
        "FAIRPOOL_KAFKA_MECHANISM": kafka.login.mechanism,
        "FAIRPOOL_KAFKA_USER": kafka.login.user,
        "FAIRPOOL_KAFKA_PASSWORD": kafka.login.password,
        "FAIRPOOL_KAFKA_CA": str(kafka.ca),
    }


async def test_a_process_with_a_wrong_password_ends_at_once_and_says_so_without_it(cluster: Cluster) -> None:
    told = _environment(cluster.login("SCRAM-SHA-256", "wrong-" + PASSWORD)) | {
        "FAIRPOOL_HTTP_PORT": "0",
        "FAIRPOOL_CONSENT_DATABASE": "postgresql://nobody@127.0.0.1:9/none",
        "FAIRPOOL_SIGNUP_URL": "http://127.0.0.1:1",
        "FAIRPOOL_CONSENT_URL": "http://127.0.0.1:2",
        "FAIRPOOL_LINK_VERIFY_KEY": "A" * 43,
        "FAIRPOOL_LINK_SUBJECT_KEY": "A" * 86,
        **environment_of("consent"),
    }
    ended = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-m", "services.consent"], env=os.environ | told, capture_output=True, text=True,
        timeout=180, check=False,
    )  # fmt: skip
    assert ended.returncode == 1
    assert "does not know this user with this password" in ended.stdout
    assert PASSWORD not in ended.stdout + ended.stderr


async def test_the_commands_take_the_same_settings(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (_environment(cluster.login("SCRAM-SHA-512")) | OPERATOR).items():
        monkeypatch.setenv(name, value)
    for command, said in (
        ("topics create --replication 3", "created tenants"),
        ("topics check --replication 3", "every topic is as described"),
        ("tenants add emp_riverside --kind operator --name Riverside", "fp_emp_riverside_"),
        ("tenants list", "Riverside"),
        ("dlq list", "ats-events"),
    ):
        done = await asyncio.to_thread(run.invoke, app, command.split())
        assert (done.exit_code, said in done.stdout) == (0, True), f"{command}: {done.output}"
    monkeypatch.setenv("FAIRPOOL_KAFKA_PASSWORD", "wrong-" + PASSWORD)
    for command in ("topics check", "tenants list", "dlq list"):
        done = await asyncio.to_thread(run.invoke, app, command.split())
        assert done.exit_code != 0
        assert "does not know this user with this password" in " ".join(done.output.split())
        assert PASSWORD not in done.output


async def test_three_copies_mean_that_two_must_have_a_record(cluster: Cluster) -> None:
    three, one = _topic(), _topic()
    await topics.create_missing(cluster.plain, (three,), replication=3)
    await topics.create_missing(cluster.plain, (one,), replication=1)
    assert await _checked(cluster, three, one) == operated.Checked(())
    settings = await operated._settings(cluster.plain, (three, one))
    assert settings is not None
    assert settings[three.name]["min.insync.replicas"] == ("2", True)
    assert settings[one.name]["min.insync.replicas"] == ("1", False)


async def test_a_topic_that_lacks_it_is_named_and_mended(cluster: Cluster) -> None:
    topic = _topic()
    async with topics.Admin(cluster.plain) as admin:
        await admin.create_topics([topics._new(topic, 3)])
    async with topics.Admin(cluster.plain) as admin:
        without = {name: value for name, value in topics.settings_of(topic, 3).items() if name != "min.insync.replicas"}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic.name, configs=without)])
    await until(lambda: _differs(cluster, topic), within=SOON)
    [difference] = (await _checked(cluster, topic)).differences
    assert (difference.name, difference.expected, difference.found) == ("min.insync.replicas", "2", "1")
    assert await operated.reconcile(cluster.plain, topics=(topic,)) == operated.Checked(())


async def _differs(cluster: Cluster, topic: Topic) -> bool:
    return bool((await _checked(cluster, topic)).differences)


async def _checked(cluster: Cluster, *wanted: Topic) -> operated.Checked:
    """What is said of topics that were just made: the broker that is asked may not have heard of them."""

    async def found() -> operated.Checked | None:
        checked = await operated.check(cluster.plain, wanted)
        return None if any(one.what == "partitions" for one in checked.differences) else checked

    return await until(found, within=SOON, what="each broker knows the topics")


async def test_another_number_of_copies_than_asked_for_is_named_and_left_alone(cluster: Cluster) -> None:
    topic = _topic()
    await topics.create_missing(cluster.plain, (topic,), replication=1)
    assert await _checked(cluster, topic) == operated.Checked(()), "nobody said how many there should be"
    [difference] = (await operated.reconcile(cluster.plain, replication=3, topics=(topic,))).differences
    assert (difference.what, difference.expected, difference.found) == ("replication", "3", "1")


async def test_what_was_acknowledged_is_there_when_a_broker_is_lost(cluster: Cluster) -> None:
    topic = _topic(partitions=3)
    kafka = cluster.login("SCRAM-SHA-512")
    await topics.create_missing(kafka, (topic,), replication=3)
    log = Log(kafka, topic, numbered_on(topic))
    await _write(log, 30)
    cluster.running[3].send(signal.SIGKILL)  # the last test: nobody starts it again
    await _write(log, 30)
    assert len(await log.read()) == 60
