"""Kafka's users on a broker set up as docker-compose.yml sets it up: what the processes may do is enough, and no more."""

import asyncio
import json
import os
import subprocess
import sys
import warnings
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from functools import partial

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import NewTopic
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
    for_code,
)
from typer.testing import CliRunner

from deploy import access, dead_letters
from deploy.access import Compared
from deploy.acls import USERS, Acl, acls
from deploy.checks.collect import read_topics
from deploy.cli import app
from deploy.local.broker import Broker
from deploy.local.errors import StackError
from deploy.local.secrets import kafka_password_of
from shared.contracts.topics import (
    CANDIDATE_KEYS,
    CANDIDATE_PROFILES,
    CONSENT_STATE,
    MEMBERSHIPS,
    OUTREACH_DECISIONS,
    POOLS,
    TENANTS,
    TOPICS,
    Topic,
)
from shared.messaging import topics
from shared.messaging.envelope import Outgoing, Record
from shared.messaging.errors import FatalError
from shared.messaging.kafka import Kafka
from shared.messaging.producer import Producer
from shared.messaging.refusal import KafkaRefusesError
from shared.messaging.signatures import HEADER
from tests.deploy.guarded import Guarded, guarded, wrong_password
from tests.e2e.scene import signed_as
from tests.stack import Stack
from tests.waiting import until

run = CliRunner()
pytestmark = pytest.mark.slow
SOON = timedelta(seconds=150)
SERVICES = ("signup", "consent", "pool_matching", "outreach_gateway", "courier")
KEPT_BY = {CANDIDATE_PROFILES: "signup", CANDIDATE_KEYS: "signup", CONSENT_STATE: "consent", MEMBERSHIPS: "pool_matching", POOLS: "pool_matching"}  # fmt: skip
"""What its owner reads back and says again."""


@pytest.fixture(scope="module")
async def broker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Guarded]:
    try:
        async with guarded(tmp_path_factory.mktemp("kafka")) as running:
            await running.fill()
            yield running
    except StackError as error:
        warnings.warn(f"NOT TESTED on a Kafka with users: {error}", stacklevel=1)  # as in test_apache
        pytest.skip(str(error))


@pytest.fixture
def as_admin(broker: Guarded, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in broker.environment().items():
        monkeypatch.setenv(name, value)
    return monkeypatch


async def _write(kafka: Kafka, topic: str, value: bytes = b"{}") -> None:
    producer = AIOKafkaProducer(**kafka.for_aiokafka(), enable_idempotence=True, acks="all")
    await producer.start()
    try:
        await producer.send_and_wait(topic, value, key=b"nobody")
    finally:
        await producer.stop()


async def _read(kafka: Kafka, topic: str) -> None:
    async with topics.Admin(kafka) as admin:  # a consumer waits for a topic that it does not see
        [described] = await admin.describe_topics([topic])
    if described["error_code"]:
        raise for_code(described["error_code"])
    consumer = AIOKafkaConsumer(**kafka.for_aiokafka(), auto_offset_reset="earliest", enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, 0)])
        await consumer.getmany(timeout_ms=5_000)
    finally:
        await consumer.stop()


async def _join(kafka: Kafka, group: str, topic: str) -> None:
    consumer = AIOKafkaConsumer(topic, **kafka.for_aiokafka(), group_id=group, enable_auto_commit=False)
    try:
        await consumer.start()
        await consumer.getmany(timeout_ms=5_000)
    finally:
        await consumer.stop()


async def _create(kafka: Kafka, name: str) -> None:
    async with topics.Admin(kafka) as admin:
        answer = await admin.create_topics([NewTopic(name, 1, 1)])
    for _, code, *_ in answer.topic_errors:
        if code:
            raise for_code(code)


@pytest.mark.parametrize(
    ("user", "topic"),
    [
        ("consent", TENANTS),
        ("courier", TENANTS),
        ("consent", OUTREACH_DECISIONS),
        ("pool_matching", CONSENT_STATE),
        ("outreach_gateway", CONSENT_STATE),
        ("signup", CONSENT_STATE),
        ("outreach_gateway", MEMBERSHIPS),
    ],
    ids=lambda one: one if isinstance(one, str) else one.name,
)
async def test_nobody_writes_what_another_owns(broker: Guarded, user: str, topic: Topic) -> None:
    with pytest.raises(TopicAuthorizationFailedError):
        await _write(broker.user(user), topic.name)


@pytest.mark.parametrize(
    ("user", "topic"),
    [
        ("signup", "outreach-decisions"),
        ("consent", "ats-events"),
        ("pool_matching", "ats-events"),
        ("pool_matching", "outreach-requests"),
        ("outreach_gateway", "candidate-profiles"),
        ("courier", "candidate-profiles"),
        ("consent", "consent-state-dlq"),
        ("operator", "consent-state"),
    ],
)
async def test_nobody_reads_what_is_not_for_it(broker: Guarded, user: str, topic: str) -> None:
    with pytest.raises(TopicAuthorizationFailedError):
        await _read(broker.user(user), topic)


async def test_nobody_takes_a_place_in_a_group_of_another(broker: Guarded) -> None:
    with pytest.raises(GroupAuthorizationFailedError):
        await _join(broker.user("consent"), "signup.tenants", TENANTS.name)


@pytest.mark.parametrize("user", SERVICES)
async def test_no_process_makes_topics_or_says_what_users_may_do(broker: Guarded, user: str) -> None:
    with pytest.raises((TopicAuthorizationFailedError, ClusterAuthorizationFailedError)):
        await _create(broker.user(user), "made-by-nobody")
    with pytest.raises(FatalError, match="takes a user that may alter the cluster"):
        await access.set_passwords(broker.user(user), {"consent": "another"})


async def test_an_operator_makes_topics_and_not_users(broker: Guarded) -> None:
    await _create(broker.user("operator"), "made-by-an-operator")
    with pytest.raises(FatalError, match="takes a user that may alter the cluster"):
        await access.add_missing(broker.user("operator"), acls(), USERS)


@pytest.mark.parametrize("user", USERS)
async def test_a_wrong_password_is_said_at_once_and_in_plain_words(broker: Guarded, user: str) -> None:
    with pytest.raises(KafkaRefusesError, match=r"does not know this user with this password. Look at FAIRPOOL_KAFKA_"):
        await topics.wait_for_kafka(wrong_password(broker.user(user)), seconds=60)


async def test_again_is_harmless_and_another_password_takes_the_old_one_s_place(broker: Guarded) -> None:
    await broker.fill()
    assert await access.compare(broker.admin, acls(), USERS) == Compared((), ())
    old = broker.user("pool_matching")
    await access.set_passwords(broker.admin, {"pool_matching": "another-one"})

    async def is_refused() -> bool:
        try:
            await topics.wait_for_kafka(old, seconds=0)
        except KafkaRefusesError:
            return True
        return False

    await until(is_refused, within=SOON, what="the old password is of no use")
    await broker.fill()


async def test_what_differs_is_shown_and_what_is_too_much_is_taken_away(
    broker: Guarded, as_admin: pytest.MonkeyPatch
) -> None:
    more = Acl("consent", "topic", TENANTS.name, "Write")
    await access.add_missing(broker.admin, (*acls(), more), USERS)
    for command, code, said in (
        ("topics acls --check", 1, "consent has besides: Allow Write topic tenants from *"),
        ("topics create --users", 0, "every topic was there"),
        ("topics acls --remove-extra", 0, "each user may do what it needs, and no more"),
        ("topics acls --check", 0, "each user may do what it needs, and no more"),
    ):
        done = await asyncio.to_thread(run.invoke, app, command.split())
        assert (done.exit_code, said in done.stdout) == (code, True), f"{command}: {done.output}"
    one, *others = acls()
    entry = access.Extra(one.user, "", access._entry(one))
    await access.take_away(broker.admin, [entry], others, USERS)
    assert await access.compare(broker.admin, acls(), USERS) == Compared((one,), ())
    done = await asyncio.to_thread(run.invoke, app, ["topics", "acls", "--check"])
    assert (done.exit_code, f"{one.user} may not {one.operation}" in done.stdout) == (1, True)
    await broker.fill()


async def test_users_without_passwords_are_named(broker: Guarded, as_admin: pytest.MonkeyPatch) -> None:
    as_admin.delenv(kafka_password_of("courier"))
    done = await asyncio.to_thread(run.invoke, app, ["topics", "create", "--users"])
    assert done.exit_code != 0
    assert "FAIRPOOL_KAFKA_COURIER_PASSWORD" in " ".join(done.output.split())


@pytest.fixture
def stack(as_admin: pytest.MonkeyPatch) -> Iterator[Stack]:
    """Every process as its own user; the stack's topics and tenants come from the administrator."""
    with Stack(Broker.EMBEDDED) as running:
        yield running


@pytest.mark.timeout(420)
async def test_each_process_lives_its_whole_story_as_its_own_user(broker: Guarded, stack: Stack) -> None:
    assert stack.dev.kafka == broker.server
    played = await asyncio.to_thread(_demo, stack)
    assert played.returncode == 0, played.stdout + played.stderr
    await _read_back(broker, stack)
    await _set_aside(broker)
    refused = [line for name in SERVICES for line in stack.log(name).splitlines() if "uthorization" in line]
    assert refused == []


def _demo(stack: Stack) -> "subprocess.CompletedProcess[str]":
    arguments = [sys.executable, "-m", "deploy", "demo", "--people", "20", "--home", str(stack.home.root)]
    return subprocess.run(arguments, capture_output=True, text=True, check=False, env=os.environ, timeout=240)


async def _read_back(broker: Guarded, stack: Stack) -> None:
    """An old version comes last on what owners keep, and each owner says its own again."""
    newest: dict[Topic, Record] = {}
    for topic in KEPT_BY:
        with_version = [
            one for one in await read_topics(broker.admin, [topic]) if json.loads(one.value or b"{}").get("version")
        ]
        newest[topic] = with_version[-1]
        record = await _last(broker, topic, newest[topic].key)
        newest[topic] = record
        said = json.loads(record.value or b"")
        said["version"] -= 1
        own = tuple(pair for pair in record.headers if pair[0] != HEADER)
        signer = signed_as(topic.signers[0], stack.home)
        producer = Producer(broker.user(KEPT_BY[topic]), idempotence=True, client_id="test", signer=signer)
        await producer.start()
        await producer.send([Outgoing(record.topic, record.key, json.dumps(said).encode(), own)])
        await producer.stop()
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {stack.dev.operator.key}"}) as client:
        for service in SERVICES[:4]:
            answer = await client.post(f"{getattr(stack.dev.services, service)}/v1/read-back")
            assert answer.status_code == 202, answer.text

    async def is_newest(topic: Topic) -> bool:
        found = await _last(broker, topic, newest[topic].key)  # what is sealed in it is sealed anew each time
        return _version(found) == _version(newest[topic])

    for topic in KEPT_BY:
        await until(partial(is_newest, topic), within=SOON, what=f"{topic.name} shows the row's version last")


def _version(record: Record) -> int:
    return int(json.loads(record.value or b"")["version"])


async def _last(broker: Guarded, topic: Topic, key: bytes | None) -> Record:
    return [record for record in await read_topics(broker.admin, [topic]) if record.key == key][-1]


async def _set_aside(broker: Guarded) -> None:
    """What nobody can read is set aside by each group that reads it, and an operator sees it."""
    groups = {group for topic in TOPICS for group in _groups(topic)}
    for topic in {topic for topic in TOPICS if _groups(topic)}:
        await _write(broker.admin, topic.name, b"what is this")

    async def are_all_there() -> bool:
        letters = await dead_letters.read(broker.user("operator"))
        return {letter.group for letter in letters} >= groups

    await until(are_all_there, within=SOON, what=f"dead letters of {len(groups)} groups")


def _groups(topic: Topic) -> set[str]:
    """The consumer groups that read it; a follower has none."""
    followed = {("courier", CONSENT_STATE)} | {
        (name, TENANTS) for name in ("courier", "pool_matching", "outreach_gateway")
    }
    merged = {("pool_matching", one): "pool_matching.candidates" for one in (CONSENT_STATE, CANDIDATE_PROFILES)}
    readers = [name for name in topic.readers if (name, topic) not in followed]
    return {merged.get((name, topic), f"{name}.{topic.name}") for name in readers}
