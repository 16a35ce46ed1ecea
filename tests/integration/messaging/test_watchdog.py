"""What dies in silence in a real Kafka client, and the watchdog that notices."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from shared.contracts.base import Event
from shared.messaging.consumer import Consumer
from shared.messaging.envelope import Received
from shared.messaging.errors import FatalError
from shared.messaging.follower import Follower, Positions
from shared.messaging.producer import Producer
from shared.messaging.progress import Reader
from shared.messaging.unit import Unit
from shared.messaging.watchdog import Watchdog
from shared.postgres.pool import Pool
from tests.integration.messaging.kit import Log, Noted, consumer_of, consuming, effects, make_effects, running
from tests.waiting import until

TURN = timedelta(milliseconds=100)
STUCK_AFTER = timedelta(seconds=1.5)
NOTICED_WITHIN = 180.0


async def barks(*readers: Reader, clients: Sequence[Callable[[], str | None]] = ()) -> str:
    """What the watchdog says; TimeoutError when it says nothing."""
    with pytest.raises(FatalError) as raised:
        async with asyncio.timeout(NOTICED_WITHIN):
            await Watchdog(STUCK_AFTER, readers, clients, every=TURN).run()
    return str(raised.value)


async def is_silent(reader: Reader, *, seconds: float = 2 * STUCK_AFTER.total_seconds()) -> bool:
    """Whether the watchdog says nothing for so long."""
    try:
        async with asyncio.timeout(seconds):
            await Watchdog(STUCK_AFTER, (reader,), every=TURN).run()
    except TimeoutError:
        return True
    raise AssertionError("a watchdog that ends by itself")


async def end(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.wait({task})


async def kill_heartbeat(consumer: AIOKafkaConsumer) -> None:
    await end(consumer._coordinator._heartbeat_task)


async def break_heartbeat(consumer: AIOKafkaConsumer) -> None:
    """What aiokafka does at an error code that it has no case for (#1186)."""
    coordinator = consumer._coordinator

    async def unmapped() -> bool:
        raise KafkaError("Unexpected exception in heartbeat task")

    coordinator._do_heartbeat = unmapped


async def kill_coordination(consumer: AIOKafkaConsumer) -> None:
    await end(consumer._coordinator._coordination_task)


async def kill_fetcher(consumer: AIOKafkaConsumer) -> None:
    fetcher = consumer._fetcher
    await end(fetcher._fetch_task)
    if fetcher._pending_tasks:
        await asyncio.wait(fetcher._pending_tasks)  # the fetch that was under way still brings what it finds


async def kill_metadata(consumer: AIOKafkaConsumer) -> None:
    await end(consumer._client._sync_task)


KILLS = {
    "heartbeat killed": (kill_heartbeat, "heartbeat"),
    "heartbeat broken": (break_heartbeat, "heartbeat"),
    "coordination killed": (kill_coordination, "coordination|consuming"),
    "fetcher killed": (kill_fetcher, "fetcher"),
    "metadata killed": (kill_metadata, "metadata"),
}


@asynccontextmanager
async def at_work(pool: Pool, log: Log, producer: Producer, fatal: list[BaseException]) -> AsyncIterator[Consumer]:
    """A consumer that has joined its group and handled its first records."""
    await make_effects(pool)
    await producer.send(log.records(log.numbers(10)))
    consumer = consumer_of(log, pool, Noted(), on_fatal=fatal.append)
    async with consuming(log, consumer):
        await until(lambda: _handled(pool, 10))
        try:
            yield consumer
        finally:
            await _let_go(consumer)


async def _handled(pool: Pool, count: int) -> bool:
    return len(await effects(pool)) >= count


async def _let_go(consumer: Consumer) -> None:
    """What was broken must not break the stop, which is not this file's business."""
    client = consumer._subscriber.consumer
    for task in (client._coordinator._heartbeat_task, client._fetcher._fetch_task):
        if task is not None and task.done() and not task.cancelled():
            task.exception()
    client._coordinator._heartbeat_task = None


@pytest.mark.parametrize("kill", KILLS)
async def test_a_dead_task_of_a_consumer_ends_the_process(pool: Pool, log: Log, producer: Producer, kill: str) -> None:
    fatal: list[BaseException] = []
    break_it, named = KILLS[kill]
    async with at_work(pool, log, producer, fatal) as consumer:
        await break_it(consumer._subscriber.consumer)
        said = await barks(consumer)
    assert any(name in said for name in named.split("|")), said


async def test_without_the_watchdog_nobody_notices_a_dead_fetcher(pool: Pool, log: Log, producer: Producer) -> None:
    fatal: list[BaseException] = []
    async with at_work(pool, log, producer, fatal) as consumer:
        await kill_fetcher(consumer._subscriber.consumer)
        await producer.send(log.records(log.numbers(10, first=10)))
        other = Noted()
        async with consuming(log, consumer_of(log, pool, other, group="test.other")):
            await until(lambda: set(other.seen) >= set(range(20)), what="another reader has them")
        assert (fatal, consumer.progress.in_hand, await effects(pool)) == ([], 0, sorted([*range(10), *other.seen]))


async def test_a_consume_loop_that_is_gone_ends_the_process(pool: Pool, log: Log, producer: Producer) -> None:
    async with at_work(pool, log, producer, []) as consumer:
        for task in consumer._subscriber.tasks:
            await end(task)
        assert "consuming" in await barks(consumer)


async def test_a_fetcher_that_lives_and_fetches_nothing_is_stuck(pool: Pool, log: Log, producer: Producer) -> None:
    async with at_work(pool, log, producer, []) as consumer:
        assert await is_silent(consumer)
        fetcher = consumer._subscriber.consumer._fetcher
        await kill_fetcher(consumer._subscriber.consumer)
        fetcher._fetch_task = asyncio.ensure_future(asyncio.Event().wait())
        await producer.send(log.records(log.numbers(50, first=10)))
        said = await barks(consumer)
    assert "is stuck" in said and "records wait and none is taken" in said


async def test_a_slow_handler_is_not_stuck(pool: Pool, narrow_log: Log, producer: Producer) -> None:
    go_on = asyncio.Event()

    async def slow(unit: Unit, received: Sequence[Received[Event]]) -> None:
        await go_on.wait()

    consumer = consumer_of(narrow_log, pool, slow, deduplicate=False)
    async with consuming(narrow_log, consumer):
        await producer.send(narrow_log.records(narrow_log.numbers(600)))
        await until(lambda: consumer.progress.in_hand)
        assert await is_silent(consumer)
        go_on.set()
        await until(lambda: not consumer.progress.in_hand)


async def test_a_handler_that_waits_for_a_transient_error_is_not_stuck(
    pool: Pool, narrow_log: Log, producer: Producer
) -> None:
    async def away(unit: Unit, received: Sequence[Received[Event]]) -> None:
        if not back.is_set():
            raise OSError("the database is away")

    back = asyncio.Event()
    consumer = consumer_of(narrow_log, pool, away, deduplicate=False)
    async with consuming(narrow_log, consumer):
        await producer.send(narrow_log.records(narrow_log.numbers(600)))
        await until(lambda: consumer.progress.in_hand)
        assert await is_silent(consumer)
        back.set()
        await until(lambda: not consumer.progress.in_hand)


async def test_a_dead_sender_of_the_producer_ends_the_process(log: Log, producer: Producer) -> None:
    await producer.send(log.records(log.numbers(1)))
    assert producer.dead() is None
    assert producer._client is not None
    await end(producer._client.producer._sender.sender_task)
    assert await barks(clients=(producer.dead,)) == "a Kafka client's sender task has died"


async def test_a_dead_task_of_a_follower_ends_the_process(narrow_log: Log, producer: Producer) -> None:
    seen: list[int] = []

    async def apply(received: Sequence[Received[Event]], positions: Positions) -> None:
        seen.extend(range(len(received)))

    follower = Follower(narrow_log.kafka, narrow_log.topic, apply, client_id="test")
    await follower.start()
    async with running(follower.run()):
        await producer.send(narrow_log.records(narrow_log.numbers(5)))
        await until(lambda: len(seen) == 5)
        assert await is_silent(follower)
        await end(follower._consumer._fetcher._fetch_task)
        assert "fetcher" in await barks(follower)
    await follower.stop()


async def test_a_follower_that_no_longer_reads_is_stuck(narrow_log: Log, producer: Producer) -> None:
    async def apply(received: Sequence[Received[Event]], positions: Positions) -> None: ...

    follower = Follower(narrow_log.kafka, narrow_log.topic, apply, client_id="test")
    await follower.start()
    async with running(follower.run()):
        assert await follower.caught_up(within=timedelta(seconds=60))
    await producer.send(narrow_log.records(narrow_log.numbers(5)))
    assert "5 records wait and none is taken" in await barks(follower)
    await follower.stop()
