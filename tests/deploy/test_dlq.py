"""`fairpool dlq` on real servers: what is listed and shown, and that a replay takes effect once."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from types import MappingProxyType

import pytest
from typer.testing import CliRunner, Result

from deploy import dead_letters
from deploy.cli import app
from deploy.commands import dlq
from shared.contracts.registry import EVENTS
from shared.contracts.topics import Topic
from shared.messaging import envelope, topics
from shared.messaging.envelope import Outgoing
from shared.messaging.producer import Producer
from shared.messaging.relay import Relay
from shared.postgres.pool import Pool
from tests.conftest import unique
from tests.integration.messaging.kit import (
    Log,
    Noted,
    consumer_of,
    consuming,
    effects,
    make_effects,
    numbered_on,
    relay_everything,
)
from tests.stack import Servers
from tests.waiting import until

run = CliRunner()
FOREIGN = (("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), ("raw", b"\x00\xff"))


@pytest.fixture
async def log(kafka: list[str], monkeypatch: pytest.MonkeyPatch) -> Log:
    """A topic of this test's own that the commands know, with one partition."""
    topic = Topic(unique("letters").replace("_", "-"), "key", "test", ("test",), "numbers", partitions=1)
    kind = numbered_on(topic)
    await topics.create_missing(kafka, (topic, topic.dead_letters))
    monkeypatch.setattr(envelope, "EVENTS", MappingProxyType({**EVENTS, kind.TYPE: kind}))
    monkeypatch.setattr(dlq, "TOPICS", (topic,))
    monkeypatch.setenv("FAIRPOOL_KAFKA", ",".join(kafka))
    return Log(kafka, topic, kind)


@asynccontextmanager
async def producing(servers: Servers) -> AsyncIterator[Producer]:
    producer = Producer([servers.kafka], idempotence=servers.idempotence, client_id="test")
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def call(*arguments: str) -> Result:
    return await asyncio.to_thread(run.invoke, app, ["dlq", *arguments])


def refusing(bad: int) -> Noted:
    """The handler of a bad release, which fails for this number."""

    def refuse(numbers: Sequence[int]) -> None:
        if bad in numbers:
            raise ValueError("a bad release")

    return Noted(before=refuse)


async def set_aside(pool: Pool, log: Log, servers: Servers, bad: int, junk: Sequence[Outgoing] = ()) -> None:
    """Ten events of which one fails, and records that are no events, from the topic into the dead letters."""
    async with producing(servers) as producer:
        await producer.send([*log.records(log.numbers(10)), *junk])
        # handed over as they were read: joining a group takes Tansu 5 s, and these tests are about what comes after
        await consumer_of(log, pool, refusing(bad)).process(await log.read())
        assert await _has_set_aside(pool, 1 + len(junk))
        await relay_everything(pool, Relay(pool, producer))


async def _has_set_aside(pool: Pool, letters: int) -> bool:
    in_outbox = await pool.fetchval("SELECT count(*) FROM outbox")
    return bool(in_outbox == letters and len(await effects(pool)) == 9)


async def test_a_replayed_letter_takes_effect_once_however_often_it_is_replayed(
    pool: Pool, log: Log, servers: Servers
) -> None:
    await make_effects(pool)
    release = refusing(3)
    async with producing(servers) as producer, consuming(log, consumer_of(log, pool, release)):
        await producer.send(log.records(log.numbers(10)))
        await until(lambda: _has_set_aside(pool, 1))
        await relay_everything(pool, Relay(pool, producer))
        release.before = lambda numbers: None  # mended

        await _replay_twice(log)
        # the topic has one partition: when this one has taken effect, whatever was sent back before has as well
        await producer.send(log.records(log.numbers(1, first=10)))
        await until(lambda: _is_in_effect(pool, 10))
    assert await effects(pool) == list(range(11))

    await consumer_of(log, pool, Noted()).process(await log.read())
    assert await effects(pool) == list(range(11)), "nor when a new process reads everything again"


async def _replay_twice(log: Log) -> None:
    [letter] = [letter async for letter in dead_letters.each(log.kafka, (log.topic,))]
    assert letter.original is not None
    dry = await call("replay", "--dry-run", "--json")
    assert json.loads(dry.stdout) == {"dry_run": True, "replayed": {log.topic.name: 1}, "left_out": 0}
    assert len(await log.read()) == 10
    for _ in range(2):
        done = await call("replay", "--reason", "failed:")
        assert (done.exit_code, done.stdout) == (0, f"sent back 1 to {log.topic.name}\n")

    sent = [record for record in await log.read() if dict(record.headers)["ce_id"] == b"e-3"]
    assert len(sent) == 3
    assert {(record.key, record.value, record.headers) for record in sent} == {
        (sent[0].key, sent[0].value, sent[0].headers)
    }, "the same bytes, headers and id as at first"


async def _is_in_effect(pool: Pool, number: int) -> bool:
    return number in await effects(pool)


async def test_letters_are_listed_by_topic_and_shown_one_by_one_as_they_came(
    pool: Pool, log: Log, servers: Servers
) -> None:
    await make_effects(pool)
    junk = [Outgoing(log.topic.name, b"k1", b"\x00\xff{not json", FOREIGN)]
    await set_aside(pool, log, servers, bad=3, junk=junk)

    found = await dead_letters.piles(log.kafka, (log.topic,))
    [pile] = found
    assert (pile.topic, pile.count) == (log.topic.name, 2)
    assert dict(pile.reasons) == {
        "failed: ValueError": 1,
        "unknown_type: no event of this type belongs on this topic": 1,
    }
    listed = json.loads((await call("list", "--topic", log.topic.name, "--json")).stdout)
    assert {item["reason"].split(":")[0]: item["bytes"] for item in listed}["unknown_type"] == 11
    [offset] = [item["offset"] for item in listed if item["reason"].startswith("unknown_type")]

    shown = json.loads((await call("show", log.topic.name, str(offset), "--json")).stdout)
    assert shown["payload"] == "hex 00ff7b6e6f74206a736f6e"
    assert shown["from"] == f"{log.topic.name}/0/10"
    assert shown["headers"] == [
        {"name": "traceparent", "value": (FOREIGN[0][1]).decode()},
        {"name": "raw", "value": "hex 00ff"},
    ]
    assert f"{log.topic.name}  2 " in (await call("list")).stdout
    assert (await call("show", log.topic.name, "99")).exit_code == 1


async def test_a_limit_takes_the_oldest_and_what_others_put_there_is_left_out(
    pool: Pool, log: Log, servers: Servers
) -> None:
    await make_effects(pool)
    async with producing(servers) as producer:
        await producer.send([Outgoing(log.topic.dead_letters.name, b"k", b"x", (("fairpool_topic", b"tenants"),))])
    await set_aside(pool, log, servers, bad=3)
    done = json.loads((await call("replay", "--json")).stdout)
    assert done == {"dry_run": False, "replayed": {log.topic.name: 1}, "left_out": 1}
    done = json.loads((await call("replay", "--limit", "1", "--dry-run", "--json")).stdout)
    assert done["replayed"] == {log.topic.name: 1}


async def test_an_unknown_topic_and_an_empty_one_are_said_plainly(log: Log) -> None:
    done = await call("list", "--topic", "nothing")
    assert (done.exit_code, "expected a topic that `fairpool topics list` names" in done.stderr) == (1, True)
    assert (await call("replay")).stdout == "no dead letters\n"
