"""The outbox relay: everything arrives, in order for each key, whoever is killed."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Self, cast

import pytest
from prometheus_client import REGISTRY

from shared.messaging import producer as producer_module
from shared.messaging import relay as relay_module
from shared.messaging import unit as unit_module
from shared.messaging.envelope import Outgoing, Received, decode
from shared.messaging.errors import FatalError
from shared.messaging.kafka import Kafka
from shared.messaging.producer import NotAcknowledgedError, Producer
from shared.messaging.published import Published
from shared.messaging.relay import _LOCK_SPACE, Relay
from shared.messaging.unit import SHARDS, SQL, Unit, unit_of_work
from shared.postgres import pool as postgres_pool
from shared.postgres.pool import Pool
from tests.integration.messaging.kit import (
    AT,
    Log,
    Noted,
    Numbered,
    consumer_of,
    consuming,
    effects,
    make_effects,
    relay_everything,
    running,
)
from tests.waiting import until


async def _publish(pool: Pool, log: Log, events: Sequence[Numbered]) -> None:
    async with unit_of_work(pool, at=AT, source="test") as unit:
        for event in events:
            unit.publish(event, id=f"e-{event.number}")


async def _outbox(pool: Pool) -> int:
    return int(await pool.fetchval("SELECT count(*) FROM outbox"))


def _figure(what: str) -> float:
    return REGISTRY.get_sample_value(f"fairpool_outbox_seconds_{what}") or 0.0


async def _arrived(log: Log) -> list[Numbered]:
    found = [decode(record, None) for record in await log.read()]
    return [item.event for item in found if isinstance(item, Received) and isinstance(item.event, Numbered)]


class DiesAfterSending(Producer):
    """Kafka has acknowledged, and the process dies before it can commit."""

    async def send(self, records: Sequence[Outgoing]) -> None:
        await super().send(records)
        if records:
            raise FatalError("killed here")


class Slow(Producer):
    """Kafka takes its time, in which another relay could overtake: so long as several looks at the database."""

    pool: Pool

    async def send(self, records: Sequence[Outgoing]) -> None:
        for _ in range(10):
            await _outbox(self.pool)
        await super().send(records)


async def test_what_is_committed_arrives_with_headers_key_and_value(pool: Pool, log: Log, producer: Producer) -> None:
    odd = Outgoing(
        log.topic.name, b"\x00\xffkey", b"\x00\xffvalue", (("zero", b"\x00\xff"), ("none", None), ("ä", b""))
    )
    empty = Outgoing(log.topic.name, None, b"", ())
    async with unit_of_work(pool, at=AT, source="test") as unit:
        unit.write(odd)
        unit.write(empty)
    before = _figure("count")
    await relay_everything(pool, Relay(pool, producer))
    found = {(record.key, record.value or None, record.headers) for record in await log.read()}
    assert found == {(odd.key, odd.value, odd.headers), (None, None, ())}
    assert _figure("count") == before + 2, "each tells how long it took from its transaction to Kafka"
    assert _figure("sum") > 0


async def test_what_is_rolled_back_never_leaves(pool: Pool, log: Log, producer: Producer) -> None:
    with pytest.raises(RuntimeError, match="changed my mind"):
        async with unit_of_work(pool, at=AT, source="test") as unit:
            unit.publish(*log.numbers(3))
            await unit.flush()
            raise RuntimeError("changed my mind")
    await _publish(pool, log, log.numbers(1, first=10))
    await relay_everything(pool, Relay(pool, producer))
    assert [event.number for event in await _arrived(log)] == [10]


async def test_two_relays_at_once_keep_the_order_of_each_key_and_send_nothing_twice(
    pool: Pool, log: Log, kafka: Kafka, producer: Producer
) -> None:
    slow = Slow(kafka, idempotence=False, client_id="slow")
    slow.pool = pool
    await slow.start()
    relays = Relay(pool, producer), Relay(pool, slow)
    try:
        async with running(relays[0].run()), running(relays[1].run()):
            for first in range(0, 3000, 75):
                await _publish(pool, log, log.numbers(75, keys=25, first=first))
                relays[first // 75 % 2].wake(range(SHARDS))
            await until(lambda: _is_empty(pool))
    finally:
        await slow.stop()
    by_key: dict[str, list[int]] = {}
    for event in await _arrived(log):
        by_key.setdefault(event.name, []).append(event.number)
    assert by_key == {f"k{key}": list(range(key, 3000, 25)) for key in range(25)}


async def _is_empty(pool: Pool) -> bool:
    return await _outbox(pool) == 0


async def test_a_process_that_is_frozen_with_the_shards_in_hand_loses_them_to_others(
    pool: Pool, log: Log, producer: Producer, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await pool.fetchval("SHOW idle_in_transaction_session_timeout") == "40s"
    monkeypatch.setitem(postgres_pool._OF_THE_SESSION, "idle_in_transaction_session_timeout", "300ms")
    frozen = await postgres_pool.open_pool(database, name="frozen")
    try:
        async with frozen.acquire() as connection:
            await connection.execute("BEGIN")
            assert len(await connection.fetch(SQL["take_from_outbox"], _LOCK_SPACE, range(SHARDS), 1, "", [])) == SHARDS
            await _publish(pool, log, log.numbers(5))
            async with running(Relay(pool, producer).run()):
                await until(lambda: _is_empty(pool), what="another process relays")
    finally:
        frozen.terminate()
    assert len(await _arrived(log)) == 5


async def test_a_transaction_that_writes_in_many_steps_does_not_keep_all_of_it_and_all_arrives(
    pool: Pool, log: Log, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unit_module, "_KEPT_FOR_THE_RELAY", 3)
    async with unit_of_work(pool, at=AT, source="test") as unit:
        for first in (0, 2, 4):
            unit.publish(*log.numbers(2, first=first))
            await unit.flush()
    assert unit.written is not None and len(unit.written.records) <= 3
    assert len(unit.outbox_ids) == 6, "which rows they are is known all the same"
    relay = Relay(pool, producer)
    relay.committed(unit)
    await relay_everything(pool, relay)
    assert sorted(event.number for event in await _arrived(log)) == list(range(6))


async def test_a_row_that_commits_after_a_later_one_is_not_missed(pool: Pool, log: Log, producer: Producer) -> None:
    early, late, later = (log.kind(name=f"k{number}", number=number) for number in range(3))
    async with running(Relay(pool, producer).run()), pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        unit = Unit(connection, AT, "test")
        unit.publish(early)
        await unit.flush()
        await _publish(pool, log, [late, later])
        await until(lambda: _is_empty(pool))
        await transaction.commit()
        await until(lambda: _is_empty(pool))
    assert sorted(event.number for event in await _arrived(log)) == [0, 1, 2]


async def test_a_relay_killed_after_the_acknowledgement_sends_again_and_the_inbox_drops_it(
    pool: Pool, log: Log, kafka: Kafka, producer: Producer
) -> None:
    await make_effects(pool)
    await _publish(pool, log, log.numbers(200))
    dying = DiesAfterSending(kafka, idempotence=False, client_id="dying")
    await dying.start()
    with pytest.raises(ExceptionGroup) as raised:
        await Relay(pool, dying).run()
    assert raised.group_contains(FatalError)
    await dying.stop()
    first = len(await _arrived(log))
    assert first > 0
    assert await _outbox(pool) == 200

    await relay_everything(pool, Relay(pool, producer))
    assert len(await _arrived(log)) == 200 + first
    handler = Noted()
    async with consuming(log, consumer_of(log, pool, handler)):
        await until(lambda: _all_there(pool, 200))
    assert await effects(pool) == list(range(200))


async def _all_there(pool: Pool, count: int) -> bool:
    return len(set(await effects(pool))) >= count


async def test_a_caller_can_ask_whether_kafka_has_its_rows(pool: Pool, log: Log, producer: Producer) -> None:
    async with unit_of_work(pool, at=AT, source="test") as unit:
        unit.publish(*log.numbers(3))
    relay = Relay(pool, producer)
    assert len(unit.outbox_ids) == 3
    assert not await relay.has_published(unit.outbox_ids, within=timedelta(milliseconds=50))
    async with running(relay.run()):
        assert await relay.has_published(unit.outbox_ids, within=timedelta(seconds=60))
    assert len(await _arrived(log)) == 3


class Stuck(Producer):
    """Kafka takes nothing until it is let."""

    def __init__(self) -> None:
        self.goes_on = asyncio.Event()
        self.has_rows = asyncio.Event()

    async def send(self, records: Sequence[Outgoing]) -> None:
        if records:
            self.has_rows.set()
            await self.goes_on.wait()


class Looks:
    """A pool, and the rows that each statement asked the outbox for."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.asked: list[set[int]] = []

    async def fetch(self, query: str, rows: Sequence[int]) -> list[Any]:
        self.asked.append(set(rows))
        return list(await self._pool.fetch(query, rows))


async def _waiting(pool: Pool, log: Log, published: Published, count: int) -> tuple[set[int], list[asyncio.Task[bool]]]:
    """So many who wait, each for a row of its own."""
    async with unit_of_work(pool, at=AT, source="test") as unit:
        unit.publish(*log.numbers(count))
    waits = [asyncio.create_task(published.wait([row], within=timedelta(minutes=1))) for row in unit.outbox_ids]
    return set(unit.outbox_ids), waits


async def test_one_statement_asks_for_all_who_wait_for_rows_that_another_process_has(pool: Pool, log: Log) -> None:
    published, looks = Published(), Looks(pool)
    rows, waits = await _waiting(pool, log, published, 50)
    async with running(published.run(cast(Pool, looks))):
        await until(lambda: len(looks.asked) >= 5)
        assert all(asked == rows for asked in looks.asked)
        await pool.execute("DELETE FROM outbox")
        assert all(await asyncio.gather(*waits))
    assert published.is_idle


async def test_who_waits_for_rows_in_hand_costs_no_statement_and_is_told_by_the_relay(pool: Pool, log: Log) -> None:
    stuck = Stuck()
    relay = Relay(pool, stuck)
    async with running(relay.run()):
        rows, waits = await _waiting(pool, log, relay._published, 50)
        await until(lambda: relay._published.in_hand >= rows)
        looks = Looks(pool)
        assert await relay._published.look(cast(Pool, looks)) == 0
        assert looks.asked == []
        assert not any(wait.done() for wait in waits)
        stuck.goes_on.set()
        assert all(await asyncio.gather(*waits))
        assert await relay.has_published(list(rows), within=timedelta(0)), "it remembers what it sent"


async def test_who_gives_up_waiting_leaves_nothing_behind(pool: Pool, log: Log) -> None:
    published = Published()
    _, waits = await _waiting(pool, log, published, 3)
    await until(lambda: not published.is_idle)
    for wait in waits:
        wait.cancel()
    await asyncio.wait(waits)
    assert published.is_idle
    assert not await published.wait([1], within=timedelta(0))
    assert published.is_idle


async def test_only_the_shards_that_were_written_to_are_looked_at(
    pool: Pool, log: Log, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay, looked = Relay(pool, producer), list[list[int]]()
    monkeypatch.setattr(relay, "look", _nothing)
    relay_some = relay._relay_some

    async def noted(shards: Sequence[int], producer: Producer, most: int) -> dict[int, int]:
        found = await relay_some(shards, producer, most)
        looked.append(list(shards))
        return found

    monkeypatch.setattr(relay, "_relay_some", noted)
    async with running(relay.run()):
        await until(lambda: looked == [list(range(SHARDS))])
        async with unit_of_work(pool, at=AT, source="test") as unit:
            unit.publish(log.kind(name="k1", number=1), log.kind(name="k1", number=2))
        assert len(unit.shards) == 1
        relay.wake(unit.shards)
        await until(lambda: _is_empty(pool))
        await until(lambda: len(looked) > 1)
    assert looked[1:] == [list(unit.shards)]


async def _nothing() -> None:
    """The look for all finds nothing."""


async def test_a_shard_that_another_process_has_does_not_keep_the_others_back(
    pool: Pool, log: Log, producer: Producer
) -> None:
    relay = Relay(pool, producer)
    async with pool.acquire() as other, other.transaction(), running(relay.run()):
        while not await other.fetch(SQL["take_from_outbox"], _LOCK_SPACE, [0], 0, "", []):
            pass  # the relay looks at it, for a moment
        await _publish(pool, log, log.numbers(40, keys=20))
        theirs = await pool.fetchval("SELECT count(*) FROM outbox WHERE shard = 0")
        assert 0 < theirs < 40
        relay.wake(range(SHARDS))
        await until(lambda: _left(pool, theirs), what="all but theirs is sent")
    async with running(relay.run()):
        await until(lambda: _is_empty(pool), what="theirs is sent once they have it no longer")
    assert len(await _arrived(log)) == 40


async def _left(pool: Pool, count: int) -> bool:
    return await _outbox(pool) == count


async def test_what_is_more_than_a_turn_takes_is_sent_without_being_told_of_again(
    pool: Pool, log: Log, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "_POLL", timedelta(hours=1))
    monkeypatch.setattr(relay_module, "_BATCH", 7)
    relay, turns = Relay(pool, producer), list[dict[int, int]]()
    relay_some = relay._relay_some

    async def noted(shards: Sequence[int], producer: Producer, most: int) -> dict[int, int]:
        turns.append(await relay_some(shards, producer, most))
        return turns[-1]

    monkeypatch.setattr(relay, "_relay_some", noted)
    await _publish(pool, log, log.numbers(100, keys=1))
    async with running(relay.run()):
        await until(lambda: _is_empty(pool))
    assert [event.number for event in await _arrived(log)] == list(range(100))
    found = [sum(one.values()) for one in turns if any(one.values())]
    assert found == [7, 28, 28, 28, 9], "of one shard alone as much as of all together"


async def test_the_look_for_all_says_which_shards_have_something_and_counts_no_further_than_it_must(
    pool: Pool, log: Log, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay, woken = Relay(pool, producer), list[list[int]]()
    monkeypatch.setattr(relay_module, "_COUNTED", 5)
    monkeypatch.setattr(relay, "wake", lambda shards: woken.append(sorted(shards)))
    await relay.look()
    assert (REGISTRY.get_sample_value("fairpool_outbox_rows"), woken) == (0, [[]])
    await _publish(pool, log, log.numbers(7, keys=1))
    await pool.execute("UPDATE outbox SET written_at = written_at - interval '1 hour'")
    await relay.look()
    assert REGISTRY.get_sample_value("fairpool_outbox_rows") == 5
    assert (REGISTRY.get_sample_value("fairpool_outbox_age_seconds") or 0) > 3600
    assert woken[1:] == [[await pool.fetchval("SELECT DISTINCT shard FROM outbox")]]


class ReadsBack:
    """A pool that says which rows were read back from the outbox."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.read: set[int] = set()

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Any]:
        async with self._pool.acquire() as self._connection:
            yield self

    def transaction(self) -> Any:
        return self._connection.transaction()

    async def fetch(self, *asked: Any) -> list[Any]:
        found = list(await self._connection.fetch(*asked))
        self.read |= {row["id"] for row in found if row["topic"] is not None}
        return found


async def test_what_this_process_wrote_is_not_read_back_and_goes_in_its_order_with_what_others_wrote(
    pool: Pool, log: Log, producer: Producer
) -> None:
    looked = ReadsBack(pool)
    relay, others = Relay(cast(Pool, looked), producer), set[int]()
    for number in range(20):
        async with unit_of_work(pool, at=AT, source="test") as unit:
            unit.publish(*log.numbers(3, keys=1, first=3 * number))
        if number % 2:
            relay.committed(unit)
        else:
            others |= set(unit.outbox_ids)
    await relay._relay_some(range(SHARDS), producer)
    assert [event.number for event in await _arrived(log)] == list(range(60))
    assert looked.read == others
    assert len(relay._handed) == 0, "nothing of it is kept"


async def test_what_a_process_remembers_of_a_row_is_not_sent_for_the_row_that_a_restored_database_gives_its_id(
    pool: Pool, log: Log, producer: Producer
) -> None:
    relay = Relay(pool, producer)
    async with unit_of_work(pool, at=AT, source="test") as unit:
        unit.publish(*log.numbers(3))
    relay.committed(unit)
    before = unit.outbox_ids
    await pool.execute(f"DELETE FROM outbox; ALTER TABLE outbox ALTER id RESTART WITH {before[0]}")
    async with unit_of_work(pool, at=AT, source="test") as unit:
        unit.publish(*log.numbers(3, first=10))
    assert unit.outbox_ids == before
    await relay._relay_some(range(SHARDS), producer)
    assert sorted(event.number for event in await _arrived(log)) == [10, 11, 12]


class RefusesOne(Producer):
    """Kafka takes nothing of this topic, and says so at the first try, at each other once it is let."""

    def __init__(self, kafka: Kafka, topic: str) -> None:
        super().__init__(kafka, idempotence=False, client_id="refusing")
        self.tries = list[str]()
        self.refused = {topic}
        self.says_so = asyncio.Event()

    async def send(self, records: Sequence[Outgoing]) -> None:
        if self.refused & {record.topic for record in records}:
            self.tries += self.refused
            if len(self.tries) > 1:
                await self.says_so.wait()
            raise NotAcknowledgedError("there is no such topic")
        await super().send(records)


async def test_what_kafka_takes_its_time_to_refuse_keeps_its_own_shard_back_and_no_other(
    pool: Pool, log: Log, kafka: Kafka
) -> None:
    refusing = RefusesOne(kafka, "missing")
    await refusing.start()
    async with unit_of_work(pool, at=AT, source="test") as unit:
        unit.write(Outgoing("missing", b"k0", b"", ()))
    relay = Relay(pool, refusing)
    try:
        async with running(relay.run()):
            await until(lambda: len(refusing.tries) == 2, what="it is tried alone")
            for first in range(0, 200, 20):
                await _publish(pool, log, log.numbers(20, keys=20, first=first))
                relay.wake(range(SHARDS))
                await until(lambda: _only_shard(pool, *unit.shards), what="the others are sent meanwhile")
            assert len(refusing.tries) == 2
            assert _in_use(pool) == 1, "the trial's"
            refusing.refused.clear()
            refusing.says_so.set()
            await pool.execute("DELETE FROM outbox WHERE topic = 'missing'")
            await until(lambda: _is_empty(pool))
    finally:
        await refusing.stop()
    by_key: dict[str, list[int]] = {}
    for event in await _arrived(log):
        by_key.setdefault(event.name, []).append(event.number)
    assert by_key == {f"k{key}": list(range(key, 200, 20)) for key in range(20)}


class DiesAtTheSecondTry(RefusesOne):
    """And what ends it there is none of what a relay waits for."""

    died_of: BaseException

    async def send(self, records: Sequence[Outgoing]) -> None:
        if records and self.tries:
            raise self.died_of
        await super().send(records)


@pytest.mark.parametrize("died_of", [FatalError("here"), asyncio.CancelledError()], ids=["died", "cancelled"])
async def test_a_trial_that_dies_ends_the_relay_aloud(
    pool: Pool, log: Log, kafka: Kafka, died_of: BaseException
) -> None:
    dying = DiesAtTheSecondTry(kafka, "missing")
    dying.died_of = died_of
    await dying.start()
    async with unit_of_work(pool, at=AT, source="test") as unit:
        unit.write(Outgoing("missing", b"k0", b"", ()))
    try:
        with pytest.raises(ExceptionGroup) as raised:
            async with asyncio.timeout(30):
                await Relay(pool, dying).run()
        assert raised.group_contains(FatalError)
    finally:
        await dying.stop()


async def _only_shard(pool: Pool, shard: int) -> bool:
    return {row["shard"] for row in await pool.fetch("SELECT shard FROM outbox")} == {shard}


@asynccontextmanager
async def _silent() -> AsyncIterator[tuple[Kafka, asyncio.Queue[asyncio.StreamWriter]]]:
    """A broker that takes connections, which the queue shows, and never says a word."""
    callers: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()
    server = await asyncio.start_server(lambda _, writer: callers.put_nowait(writer), "127.0.0.1", 0)
    async with server:
        yield Kafka.plain(f"127.0.0.1:{server.sockets[0].getsockname()[1]}"), callers


def _in_use(pool: Pool) -> int:
    return pool.get_size() - pool.get_idle_size()


def _speak_to(kafka: Kafka, producers: Sequence[Producer]) -> None:
    for producer in producers:
        producer._kafka = kafka


async def test_while_kafka_is_away_no_connection_is_held_and_afterwards_all_arrives_in_order(
    pool: Pool, log: Log, kafka: Kafka, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(producer_module, "_DELIVER_WITHIN", timedelta(hours=1))
    both = [producer, producer.another()]
    monkeypatch.setattr(producer, "another", lambda: both[1])
    relay = Relay(pool, producer)
    async with _silent() as (silent, callers), running(relay.run()):
        producer._kafka = Kafka.plain("127.0.0.1:1")
        producer._give_up(producer._client)
        await _publish(pool, log, log.numbers(40))
        await until(lambda: relay.in_doubt)
        _speak_to(silent, both)
        caller = await callers.get()
        await until(lambda: _in_use(pool) == 0, within=timedelta(seconds=20), what="no connection waits for Kafka")
        assert await _outbox(pool) == 40
        _speak_to(kafka, both)
        caller.close()
        while not callers.empty():
            callers.get_nowait().close()
        await until(lambda: _is_empty(pool))
    by_key: dict[str, list[int]] = {}
    for event in await _arrived(log):
        by_key.setdefault(event.name, []).append(event.number)
    assert by_key == {f"k{key}": list(range(key, 40, 5)) for key in range(5)}


class TakesNothing(Producer):
    """Brokers answer, and acknowledge nothing until they are let; who tried once waits from then on."""

    def __init__(self) -> None:
        self.goes_on = asyncio.Event()
        self.tried: set[bytes | None] = set()
        self.at_once = self.most = 0

    def another(self) -> Self:
        return self  # what it counts is counted of both

    async def stop(self) -> None: ...

    async def must_answer(self) -> None:
        """They do."""

    async def send(self, records: Sequence[Outgoing]) -> None:
        if not records:
            return
        if records[0].key not in self.tried:
            self.tried.add(records[0].key)
            raise NotAcknowledgedError("not enough replicas")
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await self.goes_on.wait()
        self.at_once -= 1


async def test_while_brokers_answer_but_take_nothing_one_shard_tries_for_all(pool: Pool, log: Log) -> None:
    unwilling = TakesNothing()
    relay = Relay(pool, unwilling)
    await _publish(pool, log, log.numbers(40, keys=20))
    async with running(relay.run()):
        await until(lambda: unwilling.at_once)
        await until(lambda: _in_use(pool) <= 1, within=timedelta(seconds=20), what="one connection waits for Kafka")
        unwilling.goes_on.set()
        await until(lambda: _is_empty(pool))
    assert len(unwilling.tried) == SHARDS
    assert unwilling.most == 1
    assert not relay._turns.in_doubt


async def test_a_producer_whose_broker_is_gone_ends_in_bounded_time(kafka: Kafka) -> None:
    producer = Producer(kafka, idempotence=False, client_id="unstarted")
    async with asyncio.timeout(180):
        await producer.stop()
    with pytest.raises(RuntimeError, match="has not started"):
        await producer.send([Outgoing("any", None, b"", ())])


async def test_what_fails_on_one_producer_gives_up_nothing_of_another(log: Log, kafka: Kafka) -> None:
    one = Producer(kafka, idempotence=False, client_id="one")
    await one.start()
    another = one.another()
    try:
        await another.must_answer()
        client = one._client
        another._give_up(another._client)
        await one.send([Outgoing(log.topic.name, b"key", b"", ())])
        assert one._client is client and one.given_up == 0
    finally:
        await another.stop()
        await one.stop()
