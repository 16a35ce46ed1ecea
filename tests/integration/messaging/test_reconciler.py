"""Reading a compacted topic back: what Kafka lacks is republished, and nothing else."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import MappingProxyType
from typing import ClassVar

import asyncpg
import pytest
from aiokafka import TopicPartition

from shared.contracts.base import State
from shared.contracts.registry import EVENTS
from shared.contracts.topics import Topic
from shared.messaging import envelope, passes, topics
from shared.messaging.envelope import Outgoing, Record, encode
from shared.messaging.kafka import Kafka
from shared.messaging.producer import Producer
from shared.messaging.reading import KafkaIsQuietError, read_to_the_end
from shared.messaging.reconciled import Behind, Reconciled
from shared.messaging.reconciler import BEGINS, EVERY
from shared.messaging.unit import Unit
from shared.metrics import READ_BACK_FAILURES, TOPIC_AHEAD
from shared.postgres.pool import Pool
from tests.conftest import unique
from tests.integration.messaging.kit import AT
from tests.integration.messaging.read_backs import ReadBacks

_ROWS = "SELECT key FROM facts WHERE key > $1 ORDER BY key LIMIT $2"
_BEHIND = """
    SELECT facts.key, facts.version FROM pg_temp.read_back JOIN facts ON read_back.key = facts.key
    WHERE facts.version > read_back.version ORDER BY facts.key FOR UPDATE OF facts
"""
_ORPHANED = """
    SELECT read_back.key FROM pg_temp.read_back LEFT JOIN facts ON read_back.key = facts.key
    WHERE read_back.version > 0 AND facts.key IS NULL ORDER BY read_back.key
"""
_AHEAD = """
    SELECT count(*) FROM pg_temp.read_back LEFT JOIN facts ON read_back.key = facts.key
    WHERE read_back.highest > coalesce(facts.version, 0)
"""
_ON_THE_PAGE = "SELECT key FROM pg_temp.read_back ORDER BY key"


class Fact(State):
    """The state of a row."""

    KEY: ClassVar[str] = "name"

    name: str


@dataclass
class Owner:
    """A service with one table, `facts`, and the topic that shows it."""

    kafka: Kafka
    topic: Topic
    kind: type[Fact]
    pool: Pool
    producer: Producer
    before: Callable[[Sequence[str]], None] = lambda page: None
    """Called with the keys of each page; may raise."""
    at_once: int = 500
    pages: list[list[str]] = field(default_factory=list)
    """Of rows, as they were looked at."""

    def __post_init__(self) -> None:
        self.process = self.another()

    def another(self, *reconciled: Reconciled) -> ReadBacks:
        """One more process of the service."""
        return ReadBacks(self.kafka, self.pool, reconciled or [self.reconciled], self.at_once)

    def looks_at(self, keys: int) -> None:
        """So many at once."""
        self.at_once = keys
        self.process = self.another()

    @property
    def reconciled(self) -> Reconciled:
        """What such a service says of its topic."""
        return Reconciled(self.topic, Behind(self.rows_after, self.states, self.ahead), self.orphaned)

    async def rows_after(self, unit: Unit, after: str, limit: int) -> list[str]:
        return [row["key"] for row in await unit.connection.fetch(_ROWS, after, limit)]

    async def states(self, unit: Unit) -> list[Fact]:
        page = [row["key"] for row in await unit.connection.fetch(_ON_THE_PAGE)]
        self.pages.append(page)
        self.before(page)
        rows = await unit.connection.fetch(_BEHIND)
        return [self.kind(name=row["key"], version=row["version"]) for row in rows]

    async def orphaned(self, unit: Unit) -> list[str]:
        self.before([row["key"] for row in await unit.connection.fetch(_ON_THE_PAGE)])
        return [row["key"] for row in await unit.connection.fetch(_ORPHANED)]

    async def ahead(self, unit: Unit) -> int:
        return int(await unit.connection.fetchval(_AHEAD))

    async def has_rows(self, versions: dict[str, int]) -> None:
        await self.pool.executemany("INSERT INTO facts (key, version) VALUES ($1, $2)", versions.items())

    async def was_said(self, *said: tuple[str, int | None]) -> None:
        """On the topic, in this order; None is a tombstone."""
        await self.producer.send(
            [
                Outgoing(self.topic.name, key.encode(), None, ())
                if version is None
                else encode(self.kind(name=key, version=version), source="test", at=AT)
                for key, version in said
            ]
        )

    async def leaving(self) -> list[tuple[str, int | None]]:
        """The outbox."""
        rows = await self.pool.fetch("SELECT key, value FROM outbox ORDER BY id")
        return [
            (row["key"].decode(), None if row["value"] is None else json.loads(row["value"])["version"]) for row in rows
        ]


@pytest.fixture
async def owner(kafka: Kafka, pool: Pool, producer: Producer, monkeypatch: pytest.MonkeyPatch) -> Owner:
    topic = Topic(unique("facts").replace("_", "-"), "key", "test", ("test",), "facts", partitions=3)
    kind: type[Fact] = type(
        "FactHere", (Fact,), {"TYPE": f"test.{topic.name}.v1", "TOPIC": topic, "__module__": __name__}
    )
    await topics.create_missing(kafka, [topic])
    monkeypatch.setattr(envelope, "EVENTS", MappingProxyType({**EVENTS, kind.TYPE: kind}))
    monkeypatch.setattr(envelope, "COMPACTED", envelope.COMPACTED | {topic.name})
    await pool.execute('CREATE TABLE facts (key text COLLATE "C" PRIMARY KEY, version bigint NOT NULL)')
    return Owner(kafka, topic, kind, pool, producer)


async def one_by_one(
    kafka: Kafka, topics: Sequence[Topic], *, client_id: str, start: Mapping[TopicPartition, int]
) -> AsyncGenerator[list[Record], None]:
    """As `read_to_the_end`, a record a fetch."""
    async for records in read_to_the_end(kafka, topics, client_id=client_id, start=start):
        for record in records:
            yield [record]


@pytest.mark.parametrize("read", [read_to_the_end, one_by_one])
async def test_what_kafka_does_not_have_last_is_republished_and_nothing_else(
    owner: Owner, read: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passes, "read_to_the_end", read)
    await owner.has_rows({"current": 3, "overtaken": 2, "removed": 1, "unsaid": 4, "young": 0})
    await owner.was_said(("overtaken", 2), ("current", 2), ("removed", 1), ("current", 3), ("overtaken", 1))
    await owner.was_said(("removed", None))
    assert await owner.process.run() == 3
    assert await owner.leaving() == [("overtaken", 2), ("removed", 1), ("unsaid", 4)]


async def test_a_key_without_a_row_gets_a_tombstone_once(owner: Owner) -> None:
    await owner.was_said(("gone", 1), ("buried", 1), ("buried", None))
    assert await owner.process.run() == 1
    assert await owner.leaving() == [("gone", None)]


async def test_a_last_record_that_nobody_can_read_is_followed_by_the_state(owner: Owner) -> None:
    await owner.has_rows({"hidden": 1})
    await owner.was_said(("hidden", 1))
    await owner.producer.send(
        [Outgoing(owner.topic.name, b"hidden", b"no event", ()), Outgoing(owner.topic.name, b"\xff", b"", ())]
    )
    await owner.process.run()
    assert await owner.leaving() == [("hidden", 1)]


async def test_a_topic_that_is_ahead_of_its_rows_is_told_by_every_process_until_it_is_not(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner.looks_at(2)
    monkeypatch.setattr(owner, "orphaned", _none)
    told = TOPIC_AHEAD.labels(owner.topic.name)._value
    await owner.has_rows({"behind": 3, "level": 2, "newer": 2})
    await owner.was_said(("behind", 2), ("level", 2), ("newer", 5), ("rowless", 1), ("buried", 1), ("buried", None))
    first, other = owner.process, owner.another()
    await first.run()
    await first.tell()
    assert told.get() == 2
    told.set(0)
    await other.tell()
    assert told.get() == 2, "a process that made no pass tells what the last one found"
    await owner.has_rows({"rowless": 1})
    await owner.pool.execute("UPDATE facts SET version = 6 WHERE key = 'newer'")
    await first.ask()
    await other.run()
    told.set(2)
    await first.tell()
    assert told.get() == 0


async def test_a_topic_is_ahead_also_where_the_highest_version_does_not_come_last(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readers keep the highest: what somebody else wrote holds there, though a record of the owner's came after it."""
    monkeypatch.setattr(owner, "orphaned", _none)
    told = TOPIC_AHEAD.labels(owner.topic.name)._value
    await owner.has_rows({"hidden": 2, "level": 2})
    await owner.was_said(("hidden", 9), ("hidden", 2), ("level", 1), ("level", 2), ("buried", 7), ("buried", None))
    await owner.process.run()
    await owner.process.tell()
    assert told.get() == 1


async def _none(_: Unit) -> list[str]:
    return []


async def test_a_topic_that_was_lost_is_republished_whole(owner: Owner) -> None:
    owner.looks_at(10)
    rows = {f"key-{number:03}": 1 for number in range(35)}
    await owner.has_rows(rows)
    assert await owner.process.run() == 35
    assert await owner.leaving() == list(rows.items())


async def test_it_is_read_once_in_an_hour_and_again_when_somebody_asks(owner: Owner) -> None:
    await owner.has_rows({"unsaid": 1})
    assert [await owner.process.run(), await owner.another().run()] == [1, 0]
    await owner.process.ask()
    assert [await owner.another().run(), await owner.process.run()] == [1, 0]
    owner.process.clock.advance(EVERY)
    assert await owner.process.run() == 1


async def test_a_process_that_starts_reads_nothing_before_its_time(owner: Owner) -> None:
    await owner.has_rows({"unsaid": 1})
    fresh = owner.another()
    await fresh.begin()
    assert await fresh.do() == 0
    fresh.clock.advance(EVERY)
    await fresh.begin()
    assert await fresh.do() == 1


async def test_after_a_relay_had_trouble_it_is_read_within_minutes_and_not_over_and_over(owner: Owner) -> None:
    await owner.has_rows({"unsaid": 1})
    await owner.process.run()
    read = len(owner.pages)
    for _ in range(50):
        await owner.process.doubt()
        await owner.process.now()
        owner.process.clock.advance(timedelta(seconds=15))
    assert len(owner.pages) - read == 2, "in twelve minutes"


async def test_what_is_asked_for_while_a_pass_is_under_way_is_read_once_more(owner: Owner) -> None:
    await owner.has_rows({"unsaid": 1})

    async def rows_after(unit: Unit, after: str, limit: int) -> list[str]:
        if not asked:
            asked.append(True)
            await process.ask()
            await process.runner.run_once(BEGINS)
        return await owner.rows_after(unit, after, limit)

    asked: list[bool] = []
    process = owner.another(Reconciled(owner.topic, Behind(rows_after, owner.states, owner.ahead)))
    assert await process.run() == 2


async def test_of_two_processes_that_look_at_once_one_reads(owner: Owner) -> None:
    await owner.has_rows({"unsaid": 1})
    await owner.process.ask()
    await asyncio.gather(owner.process.do(), owner.another().do())
    assert await owner.leaving() == [("unsaid", 1)]


async def test_after_a_crash_of_postgresql_a_pass_begins_anew(owner: Owner) -> None:
    owner.looks_at(5)
    rows = {f"key-{number:02}": 1 for number in range(12)}
    await owner.has_rows(rows)
    await owner.was_said(*rows.items(), ("gone", 1))

    def dies(page: Sequence[str]) -> None:
        if "key-07" in page:
            raise Killed

    owner.before = dies
    with pytest.raises(Killed):
        await owner.process.run()
    owner.before = lambda page: None
    await owner.pool.execute("TRUNCATE read_back_seen")  # it is unlogged
    await owner.process.lease_is_over()
    await owner.another().do()
    assert await owner.leaving() == [("gone", None)], "nothing of what the topic has is taken for missing"


class Killed(BaseException):
    """No process catches it, and none cleans up."""


@pytest.mark.parametrize("killed_at", ["key-04", "key-20", "key-34"])
async def test_a_pass_whose_process_was_killed_goes_on_where_it_was_in_another(owner: Owner, killed_at: str) -> None:
    owner.looks_at(5)
    rows = {f"key-{number:02}": 1 for number in range(35)}
    await owner.has_rows(rows)
    await owner.was_said(("gone", 1))

    def dies(page: Sequence[str]) -> None:
        if killed_at in page:
            raise Killed

    owner.before = dies
    with pytest.raises(Killed):
        await owner.process.run()
    done = len(owner.pages)
    owner.before = lambda page: None
    assert await owner.another().do() == 0, "its lease goes on"
    await owner.process.lease_is_over()
    await owner.another().do()
    assert owner.pages[done][-1] >= killed_at, "what was done is not done again"
    assert await owner.leaving() == [*rows.items(), ("gone", None)]
    assert await owner.another().run() == 0, "the pass is over"


async def test_the_topic_is_read_on_from_where_it_was_read(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    await owner.has_rows({f"key-{number}": 1 for number in range(9)})
    await owner.was_said(*[(f"key-{number}", 1) for number in range(9)])
    read: list[str] = []

    async def until_the_fourth(
        kafka: Kafka, topics: Sequence[Topic], *, client_id: str, start: Mapping[TopicPartition, int]
    ) -> AsyncGenerator[list[Record], None]:
        async for records in one_by_one(kafka, topics, client_id=client_id, start=start):
            if len(read) == 4 and not start:
                raise ConnectionError
            read.extend(record.position for record in records)
            yield records

    monkeypatch.setattr(passes, "read_to_the_end", until_the_fourth)
    assert await owner.process.run() == 0
    assert len(read) == len(set(read)) == 9
    assert await owner.leaving() == []


@pytest.mark.parametrize("error", [TimeoutError, asyncpg.QueryCanceledError])
async def test_a_page_that_takes_too_long_is_taken_in_smaller_ones(owner: Owner, error: type[Exception]) -> None:
    owner.looks_at(16)

    def takes_too_long(page: Sequence[str]) -> None:
        if len(page) > 3:
            raise error

    rows = {f"key-{number:02}": 1 for number in range(35)}
    await owner.has_rows(rows)
    await owner.was_said(*[(f"old-{number:02}", 1) for number in range(20)])
    owner.before = takes_too_long
    assert await owner.process.run() == 55
    assert await owner.leaving() == [*rows.items(), *[(f"old-{number:02}", None) for number in range(20)]]


async def test_a_statement_over_postgresqls_limit_of_time_is_no_end_of_a_pass(owner: Owner) -> None:
    """One statement over a whole table would be over it at every turn, for ever."""

    async def states(unit: Unit) -> list[Fact]:
        if len(await unit.connection.fetch(_ON_THE_PAGE)) > 100:
            await unit.connection.execute("SET LOCAL statement_timeout = '50ms'; SELECT pg_sleep(60)")
        return await owner.states(unit)

    rows = {f"key-{number:03}": 1 for number in range(150)}
    await owner.has_rows(rows)
    slowly = Reconciled(owner.topic, Behind(owner.rows_after, states, owner.ahead))
    assert await owner.another(slowly).run() == 150
    assert await owner.leaving() == list(rows.items())


async def test_a_row_that_can_not_be_handled_is_passed_over_and_counted(owner: Owner) -> None:
    owner.looks_at(10)

    def fails(page: Sequence[str]) -> None:
        if {"key-07", "old-2"} & set(page):
            raise ValueError

    rows = {f"key-{number:02}": 1 for number in range(25)}
    await owner.has_rows(rows)
    await owner.was_said(*[(f"old-{number}", 1) for number in range(4)])
    owner.before = fails
    before = READ_BACK_FAILURES.labels(owner.topic.name)._value.get()
    await owner.process.run()
    del rows["key-07"]
    assert await owner.leaving() == [*rows.items(), ("old-0", None), ("old-1", None), ("old-3", None)]
    assert READ_BACK_FAILURES.labels(owner.topic.name)._value.get() == before + 2
    assert await owner.pool.fetchval("SELECT count(*) FROM read_back_seen") == 0


@pytest.mark.parametrize("error", [ConnectionError, ValueError])
async def test_one_topics_trouble_is_not_the_next_ones(owner: Owner, error: type[Exception]) -> None:
    async def fails(*_: object) -> list[str]:
        raise error

    await owner.has_rows({"unsaid": 1})
    other = replace(owner.topic, name=f"{owner.topic.name}-of-trouble")
    await topics.create_missing(owner.kafka, [other])
    broken = Reconciled(other, Behind(fails, owner.states, owner.ahead))
    process = owner.another(broken, owner.reconciled)
    await process.ask()
    await process.runner.run_once(BEGINS)
    await owner.pool.execute("UPDATE work SET run_at = run_at - interval '1 hour' WHERE key = $1", other.name)
    await process.do(until=owner.leaving)
    assert await owner.leaving() == [("unsaid", 1)]


async def test_a_topic_that_kafka_does_not_give_us_holds_up_no_other(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = replace(owner.topic, name=f"{owner.topic.name}-of-trouble")

    async def gives_one(
        kafka: Kafka, topics: Sequence[Topic], *, client_id: str, start: Mapping[TopicPartition, int]
    ) -> AsyncGenerator[list[Record], None]:
        if topics == [other]:
            raise KafkaIsQuietError
        async for records in read_to_the_end(kafka, topics, client_id=client_id, start=start):
            yield records

    monkeypatch.setattr(passes, "read_to_the_end", gives_one)
    await owner.has_rows({"unsaid": 1})
    process = owner.another(Reconciled(other, Behind(owner.rows_after, owner.states, owner.ahead)), owner.reconciled)
    await process.ask()
    await process.now()
    assert await owner.leaving() == [("unsaid", 1)]


async def test_keys_that_no_table_takes_are_nobodys(owner: Owner) -> None:
    await owner.has_rows({"unsaid": 1})
    await owner.producer.send(
        [Outgoing(owner.topic.name, key, b"no event", ()) for key in (b"with \0 in it", b"long" * 4000, b"")]
    )
    assert await owner.process.run() == 1


async def test_no_connection_is_held_while_the_topic_is_read(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    idle = []

    async def looks(
        kafka: Kafka, topics: Sequence[Topic], *, client_id: str, start: Mapping[TopicPartition, int]
    ) -> AsyncGenerator[list[Record], None]:
        async for records in read_to_the_end(kafka, topics, client_id=client_id, start=start):
            idle.append(owner.pool.get_idle_size() == owner.pool.get_size())
            yield records

    monkeypatch.setattr(passes, "read_to_the_end", looks)
    await owner.was_said(("gone", 1))
    await owner.process.run()
    assert idle
    assert all(idle)
