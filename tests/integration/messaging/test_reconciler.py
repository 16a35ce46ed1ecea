"""Reading a compacted topic back: what Kafka lacks is republished, and nothing else."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

import pytest

from shared.contracts.base import State
from shared.contracts.registry import EVENTS
from shared.contracts.topics import Topic
from shared.messaging import envelope, reconciler, topics
from shared.messaging.envelope import Outgoing, Record, encode
from shared.messaging.kafka import Kafka
from shared.messaging.producer import Producer
from shared.messaging.reading import read_to_the_end
from shared.messaging.reconciler import Reconciled, Reconciler
from shared.messaging.unit import Unit
from shared.postgres.pool import Pool
from tests.conftest import unique
from tests.fakes.clock import FixedClock
from tests.integration.messaging.kit import AT

_BEHIND = """
    SELECT facts.key, facts.version FROM facts LEFT JOIN pg_temp.read_back ON read_back.key = facts.key
    WHERE facts.key > $1 AND facts.version > coalesce(read_back.version, 0) ORDER BY facts.key LIMIT $2 FOR UPDATE OF facts
"""
_ORPHANED = """
    SELECT read_back.key FROM pg_temp.read_back LEFT JOIN facts ON read_back.key = facts.key
    WHERE read_back.key > $1 AND read_back.version > 0 AND facts.key IS NULL ORDER BY read_back.key LIMIT $2
"""


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

    def __post_init__(self) -> None:
        self.reconciler = self.another()

    def another(self) -> Reconciler:
        """One more process of the service."""
        return Reconciler(self.kafka, [Reconciled(self.topic, self.behind, self.orphaned)], FixedClock(), source="test")

    async def behind(self, unit: Unit, after: str, limit: int) -> list[Fact]:
        rows = await unit.connection.fetch(_BEHIND, after, limit)
        return [self.kind(name=row["key"], version=row["version"]) for row in rows]

    async def orphaned(self, unit: Unit, after: str, limit: int) -> list[str]:
        return [row["key"] for row in await unit.connection.fetch(_ORPHANED, after, limit)]

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


async def one_by_one(kafka: Kafka, topics: Sequence[Topic], *, client_id: str) -> AsyncIterator[list[Record]]:
    """As `read_to_the_end`, a record a fetch."""
    async for records in read_to_the_end(kafka, topics, client_id=client_id):
        for record in records:
            yield [record]


@pytest.mark.parametrize("read", [read_to_the_end, one_by_one])
async def test_what_kafka_does_not_have_last_is_republished_and_nothing_else(
    owner: Owner, read: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciler, "read_to_the_end", read)
    await owner.has_rows({"current": 3, "overtaken": 2, "removed": 1, "unsaid": 4, "young": 0})
    await owner.was_said(("overtaken", 2), ("current", 2), ("removed", 1), ("current", 3), ("overtaken", 1))
    await owner.was_said(("removed", None))
    assert await owner.reconciler.turn(owner.pool) == 3
    assert await owner.leaving() == [("overtaken", 2), ("removed", 1), ("unsaid", 4)]


async def test_a_key_without_a_row_gets_a_tombstone_once(owner: Owner) -> None:
    await owner.was_said(("gone", 1), ("buried", 1), ("buried", None))
    assert await owner.reconciler.turn(owner.pool) == 1
    assert await owner.leaving() == [("gone", None)]


async def test_a_last_record_that_nobody_can_read_is_followed_by_the_state(owner: Owner) -> None:
    await owner.has_rows({"hidden": 1})
    await owner.was_said(("hidden", 1))
    await owner.producer.send(
        [Outgoing(owner.topic.name, b"hidden", b"no event", ()), Outgoing(owner.topic.name, b"\xff", b"", ())]
    )
    await owner.reconciler.turn(owner.pool)
    assert await owner.leaving() == [("hidden", 1)]


async def test_a_topic_that_was_lost_is_republished_whole(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciler, "_AT_ONCE", 10)
    rows = {f"key-{number:03}": 1 for number in range(35)}
    await owner.has_rows(rows)
    assert await owner.reconciler.turn(owner.pool) == 35
    assert await owner.leaving() == list(rows.items())


async def test_it_is_read_once_in_an_hour_and_again_when_somebody_asks(owner: Owner) -> None:
    await owner.has_rows({"unsaid": 1})
    assert [await owner.reconciler.turn(owner.pool), await owner.another().turn(owner.pool)] == [1, 0]
    await owner.reconciler.ask(owner.pool)
    assert [await owner.another().turn(owner.pool), await owner.reconciler.turn(owner.pool)] == [1, 0]
    await owner.pool.execute("UPDATE read_backs SET began_at = began_at - $1::interval", reconciler.EVERY)
    assert await owner.reconciler.turn(owner.pool) == 1


async def test_of_two_processes_that_look_at_once_one_reads(owner: Owner) -> None:
    await owner.has_rows({"unsaid": 1})
    assert sorted(await asyncio.gather(owner.reconciler.turn(owner.pool), owner.another().turn(owner.pool))) == [0, 1]


@pytest.mark.parametrize("moment", ["read", "republished"])
async def test_a_turn_that_was_cut_short_is_taken_again_from_the_beginning(
    owner: Owner, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await owner.has_rows({"unsaid": 1})

    async def dies(*_: object) -> Sequence[Record]:
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(Reconciler, "_read" if moment == "read" else "_write_tombstones", dies)
        with pytest.raises(ConnectionError):
            await owner.reconciler.turn(owner.pool)
    assert await owner.reconciler.turn(owner.pool) == 1
    assert {key for key, _ in await owner.leaving()} == {"unsaid"}
