"""`fairpool dlq` on real servers: what is listed and shown, that a replay takes effect once, and what is remembered."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from types import MappingProxyType

import pytest
from typer.testing import CliRunner, Result

from deploy import dead_letters
from deploy.checks import collect
from deploy.cli import app
from deploy.commands import dlq
from shared.contracts.registry import EVENTS
from shared.contracts.topics import Topic
from shared.messaging import envelope, topics
from shared.messaging.dead_letters import dead_letter, settled
from shared.messaging.envelope import Outgoing, Record
from shared.messaging.errors import FatalError
from shared.messaging.kafka import Kafka
from shared.messaging.producer import Producer
from shared.messaging.relay import Relay
from shared.postgres.pool import Pool
from tests.conftest import unique
from tests.integration.messaging.kit import (
    AT,
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
async def log(kafka: Kafka, monkeypatch: pytest.MonkeyPatch) -> Log:
    """A topic of this test's own that the commands know, with one partition."""
    topic = Topic(unique("letters").replace("_", "-"), "key", "test", ("test",), "numbers", partitions=1)
    kind = numbered_on(topic)
    await topics.create_missing(kafka, (topic, topic.dead_letters))
    monkeypatch.setattr(envelope, "EVENTS", MappingProxyType({**EVENTS, kind.TYPE: kind}))
    monkeypatch.setattr(dlq, "TOPICS", (topic,))
    monkeypatch.setenv("FAIRPOOL_KAFKA", ",".join(kafka.servers))
    return Log(kafka, topic, kind)


@asynccontextmanager
async def producing(servers: Servers) -> AsyncIterator[Producer]:
    producer = Producer(Kafka.plain(servers.kafka), idempotence=servers.idempotence, client_id="test")
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


async def listed(*arguments: str) -> list[dict[str, object]]:
    """What `dlq list` says in JSON."""
    found: list[dict[str, object]] = json.loads((await call("list", *arguments, "--json")).stdout)
    return found


async def counts() -> tuple[object, ...]:
    """Of the one topic: how many wait, were replayed, are done."""
    [pile] = await listed()
    return pile["waiting"], pile["replayed"], pile["done"]


async def handled_anew(pool: Pool, log: Log, servers: Servers, handle: Noted) -> None:
    """A process reads the whole topic again, and what it sets aside is on the dead-letter topic."""
    async with producing(servers) as producer:
        await consumer_of(log, pool, handle).process(await log.read())
        await relay_everything(pool, Relay(pool, producer))


async def lay_aside(log: Log, servers: Servers, numbers: Iterable[int], reason: str = "failed: ValueError") -> None:
    """Letters as a reader writes them, of events that are no longer on the topic."""
    async with producing(servers) as producer:
        sent = log.records([log.kind(name="k", number=number) for number in numbers])
        gone = [Record(log.topic.name, 0, place, item.key, item.value, item.headers) for place, item in enumerate(sent)]
        await producer.send([dead_letter(record, reason=reason, group="test.numbers", at=AT) for record in gone])


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

        await _replay_three_times(log)
        # the topic has one partition: when this one has taken effect, whatever was sent back before has as well
        await producer.send(log.records(log.numbers(1, first=10)))
        await until(lambda: _is_in_effect(pool, 10))
    assert await effects(pool) == list(range(11))

    await consumer_of(log, pool, Noted()).process(await log.read())
    assert await effects(pool) == list(range(11)), "nor when a new process reads everything again"


async def _replay_three_times(log: Log) -> None:
    dry = json.loads((await call("replay", "--dry-run", "--json")).stdout)
    assert (dry["dry_run"], dry["replayed"]) == (True, {log.topic.name: 1})
    assert (len(await log.read()), await counts()) == (10, (1, 0, 0))

    done = await call("replay", "--reason", "failed:")
    assert (done.exit_code, done.stdout) == (0, f"sent back 1 to {log.topic.name}\n")
    done = await call("replay", "--reason", "failed:")
    assert done.stdout == "left out 1 that were replayed before (--again sends them once more)\nno dead letters wait\n"
    done = await call("replay", "--again")
    assert done.stdout == f"sent back 1 to {log.topic.name}\n"

    sent = [record for record in await log.read() if dict(record.headers)["ce_id"] == b"e-3"]
    assert len(sent) == 3, "at first, and the two that were sent back"
    assert {(record.key, record.value, record.headers) for record in sent} == {
        (sent[0].key, sent[0].value, sent[0].headers)
    }, "the same bytes, headers and id as at first"


async def _is_in_effect(pool: Pool, number: int) -> bool:
    return number in await effects(pool)


async def test_a_record_that_fails_at_every_replay_is_one_waiting_letter(
    pool: Pool, log: Log, servers: Servers
) -> None:
    await make_effects(pool)
    await set_aside(pool, log, servers, bad=3)
    for replays in range(1, 4):
        assert (await call("replay")).stdout.startswith(f"sent back 1 to {log.topic.name}\n")
        await handled_anew(pool, log, servers, refusing(3))
        assert await counts() == (1, replays, 0)
    await call("replay")
    await handled_anew(pool, log, servers, Noted())
    assert (await effects(pool), await counts()) == (list(range(10)), (0, 4, 0))


async def test_a_replay_cut_short_before_its_note_sends_again_and_the_reader_drops_the_repetition(
    pool: Pool, log: Log, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_effects(pool)
    await set_aside(pool, log, servers, bad=3)
    send = Producer.send

    async def all_but_notes(self: Producer, records: Sequence[Outgoing]) -> None:
        if any(record.topic == log.topic.dead_letters.name for record in records):
            raise FatalError("the link to Kafka was cut")
        await send(self, records)

    with monkeypatch.context() as cut:
        cut.setattr(Producer, "send", all_but_notes)
        failed = await call("replay")
    assert failed.exit_code == 1
    assert "the link to Kafka was cut; 0 were sent back and noted before" in failed.stderr
    await handled_anew(pool, log, servers, Noted())
    assert (await effects(pool), await counts()) == (list(range(10)), (1, 0, 0)), "it was sent, and nobody noted it"

    assert (await call("replay")).stdout == f"sent back 1 to {log.topic.name}\n"
    await handled_anew(pool, log, servers, Noted())
    assert (len(await log.read()), await effects(pool)) == (12, list(range(10)))
    assert await counts() == (0, 1, 0)


async def test_two_operators_at_once_send_a_letter_twice_and_it_takes_effect_once(
    pool: Pool, log: Log, servers: Servers
) -> None:
    await make_effects(pool)
    await set_aside(pool, log, servers, bad=3)
    letters = await dead_letters.read(log.kafka, (log.topic,))
    await asyncio.gather(*(dead_letters.send_back(log.kafka, letters, (log.topic,)) for _ in range(2)))
    await handled_anew(pool, log, servers, Noted())
    assert (len(await log.read()), await effects(pool), await counts()) == (12, list(range(10)), (0, 1, 0))


async def test_letters_are_listed_by_topic_and_shown_one_by_one_as_they_came(
    pool: Pool, log: Log, servers: Servers
) -> None:
    await make_effects(pool)
    junk = [Outgoing(log.topic.name, b"k1", b"\x00\xff{not json", FOREIGN)]
    await set_aside(pool, log, servers, bad=3, junk=junk)

    [pile] = await listed()
    assert (pile["topic"], pile["waiting"], pile["reasons"]) == (
        log.topic.name,
        2,
        {"failed: ValueError": 1, "unknown_type: no event of this type belongs on this topic": 1},
    )
    found = await listed("--topic", log.topic.name)
    [offset] = [item["offset"] for item in found if str(item["reason"]).startswith("unknown_type")]
    assert [item["bytes"] for item in found if item["offset"] == offset] == [11]

    shown = json.loads((await call("show", log.topic.name, str(offset), "--json")).stdout)
    assert shown["payload"] == "hex 00ff7b6e6f74206a736f6e"
    assert shown["from"] == f"{log.topic.name}/0/10"
    assert shown["headers"] == [
        {"name": "traceparent", "value": (FOREIGN[0][1]).decode()},
        {"name": "raw", "value": "hex 00ff"},
    ]
    assert f"{log.topic.name}  2        0         0 " in (await call("list")).stdout
    assert (await call("show", log.topic.name, "99")).exit_code == 1


async def test_what_was_replayed_or_marked_done_is_told_apart_from_what_waits(log: Log, servers: Servers) -> None:
    await lay_aside(log, servers, range(3))
    await lay_aside(log, servers, range(3, 5), "invalid: at: missing")
    await call("replay", "--topic", log.topic.name, "--offset", "1")
    said = await call("done", "--topic", log.topic.name, "--reason", "invalid")
    assert said.stdout.startswith(f"marked 2 of {log.topic.name} as done; nothing was sent\n")

    [pile] = await listed()
    assert await counts() == (2, 1, 2)
    assert (pile["reasons"], pile["oldest_waiting"]) == ({"failed: ValueError": 2}, "2026-11-22T10:00:00Z")
    assert [item["offset"] for item in await listed("--topic", log.topic.name)] == [0, 2]
    everything = await listed("--topic", log.topic.name, "--all")
    assert [item["state"] for item in everything] == ["waiting", "replayed", "waiting", "done", "done"]
    assert "3 more were replayed or marked done: --all lists them" in (await call("list", "--reason", "")).stdout
    assert "replayed at 20" in (await call("show", log.topic.name, "1")).stdout
    shown = json.loads((await call("show", log.topic.name, "3", "--json")).stdout)
    assert (shown["state"], shown["settled_at"][:2]) == ("done", "20")
    assert (await call("show", log.topic.name, "5")).exit_code == 1, "a note is no letter"


async def test_a_letter_is_sent_by_its_offset_alone_and_when_it_is_dealt_with_only_on_demand(
    log: Log, servers: Servers
) -> None:
    await lay_aside(log, servers, range(4))
    of_topic = ("--topic", log.topic.name)
    await call("replay", *of_topic, "--offset", "2", "--offset", "0", "--offset", "2")
    await call("done", *of_topic, "--offset", "1")
    assert await _sent(log) == ["e-0", "e-2"], "each once, oldest first"

    for offset, word in (("2", "was replayed at 20"), ("1", "was marked done at 20"), ("9", "at offset 9, found none")):
        for command in ("replay", "done"):
            refused = await call(command, *of_topic, "--offset", "3", "--offset", offset)
            assert (refused.exit_code, word in refused.stderr) == (1, True), refused.stderr
    assert (await _sent(log), await counts()) == (["e-0", "e-2"], (1, 2, 1)), "one that is wrong, and nothing is done"

    await call("replay", "--again", "--limit", "1")
    await call("replay", *of_topic, "--offset", "1", "--again")
    assert await _sent(log) == ["e-0", "e-2", "e-0", "e-1"]
    await call("replay", "--again")
    assert await _sent(log) == ["e-0", "e-2", "e-0", "e-1", "e-0", "e-1", "e-2", "e-3"]


async def _sent(log: Log) -> list[str]:
    return [(dict(record.headers)["ce_id"] or b"").decode() for record in await log.read()]


async def test_letters_marked_done_are_left_out_also_when_others_are_sent_again(log: Log, servers: Servers) -> None:
    await lay_aside(log, servers, range(2))
    await call("done", "--topic", log.topic.name, "--offset", "0")
    said = await call("replay", "--again")
    assert said.stdout == (
        f"sent back 1 to {log.topic.name}\nleft out 1 that are marked done (--offset N --again sends one)\n"
    )
    assert await _sent(log) == ["e-1"]


async def test_a_limit_takes_the_oldest_and_what_others_put_there_is_left_out_until_it_is_marked_done(
    log: Log, servers: Servers
) -> None:
    async with producing(servers) as producer:
        await producer.send([Outgoing(log.topic.dead_letters.name, b"k", b"x", (("fairpool_topic", b"tenants"),))])
    await lay_aside(log, servers, range(3))
    done = json.loads((await call("replay", "--limit", "2", "--json")).stdout)
    assert done == {
        "dry_run": False,
        "replayed": {log.topic.name: 2},
        "left_out": {"replayed": 0, "done": 0, "foreign": 1, "shortened": 0, "unsigned": 0},
    }
    assert await _sent(log) == ["e-0", "e-1"]
    refused = await call("replay", "--topic", log.topic.name, "--offset", "0")
    assert (refused.exit_code, "it does not say where it is from" in refused.stderr) == (1, True)
    assert (await call("done", "--topic", log.topic.name, "--offset", "0")).exit_code == 0
    assert await counts() == (1, 2, 1)


async def test_a_letter_that_is_not_whole_says_so_and_is_not_sent_back(log: Log, servers: Servers) -> None:
    large = Record(log.topic.name, 0, 5, b"k", b"a" * 3_000_000, FOREIGN)
    async with producing(servers) as producer:
        await producer.send([dead_letter(large, reason="unknown_type: x", group="test.numbers", at=AT)])
    await lay_aside(log, servers, range(1))
    name = log.topic.name
    shown = json.loads((await call("show", name, "0", "--json")).stdout)
    assert (shown["from"], shown["reason"]) == (f"{name}/0/5", "unknown_type: x")
    assert (shown["bytes"], shown["left_out"], shown["headers"][1]["name"]) == (3_000_000, "value", "raw")
    assert shown["sha256"] == hashlib.sha256(large.value or b"").hexdigest()
    assert "sha256" in (await call("show", name, "0")).stdout
    assert "sha256" not in (await call("show", name, "1")).stdout
    assert (await call("replay")).stdout == (
        f"sent back 1 to {name}\nleft out 1 that were too large to be kept whole (`fairpool dlq show` says more)\n"
    )
    refused = await call("replay", "--topic", name, "--offset", "0")
    assert (refused.exit_code, f"ask whoever wrote {name}/0/5 to send it again" in refused.stderr) == (1, True)
    assert (await call("done", "--topic", name, "--offset", "0")).exit_code == 0
    assert await counts() == (0, 1, 1)


async def test_a_pile_of_many_fetches_is_sent_back_whole_and_once(log: Log, servers: Servers) -> None:
    await lay_aside(log, servers, range(3000))
    assert (await call("replay")).stdout == f"sent back 3000 to {log.topic.name}\n"
    assert await _sent(log) == [f"e-{number}" for number in range(3000)]
    assert await counts() == (0, 3000, 0)


async def test_a_note_is_no_event_and_says_only_where_the_letter_is(log: Log, servers: Servers) -> None:
    await lay_aside(log, servers, range(1))
    await call("replay")
    [letter, note] = await log.read(log.topic.dead_letters)
    assert collect.events([note]) == ([], []), "the checks take it neither for an event nor for something unreadable"
    found = settled(note)
    assert found is not None
    assert collect.scannable(note) == b"\0".join(
        (letter.position.encode(), b"fairpool_letter", b"replayed", b"fairpool_at", found.at.encode(), b"")
    )


async def test_what_cannot_be_meant_is_said_plainly(log: Log) -> None:
    for arguments, said in (
        (("list", "--topic", "nothing"), "expected a topic that `fairpool topics list` names"),
        (("replay", "--offset", "1"), "expected --topic with --offset"),
        (("replay", "--topic", log.topic.name, "--offset", "1", "--limit", "1"), "expected --offset alone"),
        (("done", "--topic", log.topic.name), "expected --offset or --reason"),
    ):
        done = await call(*arguments)
        assert (done.exit_code, said in done.stderr) == (1, True), done.stderr
    assert (await call("replay")).stdout == "no dead letters\n"
    assert (await call("done", "--topic", log.topic.name, "--reason", "failed:")).stdout == "no dead letters wait\n"
