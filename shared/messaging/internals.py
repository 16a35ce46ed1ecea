"""What aiokafka 0.14 keeps to itself and a watchdog has to see; the version is pinned for this file's sake.

A name that is gone after an upgrade raises AttributeError at the watchdog's first look, which ends the process.
"""

import asyncio
from collections.abc import Mapping
from datetime import timedelta

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import KafkaError

from shared.messaging.progress import Standing

_ENDS_WITHIN = timedelta(seconds=5)

Ends = dict[TopicPartition, int]


def dead_task_of_consumer(consumer: AIOKafkaConsumer) -> str | None:
    """The background task that has ended, without which nothing is consumed and nothing is said (aiokafka #1186)."""
    coordinator = consumer._coordinator
    if consumer._client._sync_task.done():
        return "metadata"
    if consumer._fetcher._fetch_task.done():
        return "fetcher"
    if not isinstance(coordinator, GroupCoordinator):
        return "position" if coordinator._reset_committed_task.done() else None
    if coordinator._coordination_task.done():
        return "coordination"
    # A heartbeat also ends when the group has to be joined anew; then the coordination task starts another.
    heartbeat = coordinator._heartbeat_task
    if heartbeat is not None and heartbeat.done() and not coordinator._rejoin_needed_fut.done():
        return "heartbeat"
    refresh = coordinator._commit_refresh_task
    if refresh is not None and refresh.done() and not refresh.cancelled() and refresh.exception() is not None:
        return "offsets"
    return None


def dead_task_of_producer(producer: AIOKafkaProducer) -> str | None:
    """The background task that has ended, without which a send waits for ever."""
    if producer.client._sync_task.done():
        return "metadata"
    return "sender" if producer._sender.sender_task.done() else None


async def note_ends(consumer: AIOKafkaConsumer, ends: Ends) -> None:
    """Asks Kafka for the ends of the assigned partitions, whatever the fetcher does, and notes what it says.

    Tansu's answer is too low when the last batch holds several records, never too high.
    """
    partitions = list(consumer.assignment())
    for gone in ends.keys() - set(partitions):
        del ends[gone]
    if not partitions:
        return
    try:
        async with asyncio.timeout(_ENDS_WITHIN.total_seconds()):
            ends.update(await consumer.end_offsets(partitions))
    except (KafkaError, TimeoutError, OSError):
        pass  # Kafka is away, or the partitions have moved on: what was known before is still true


def standing_of(
    consumer: AIOKafkaConsumer, ends: Ends, done: Mapping[TopicPartition, int] | None = None
) -> Standing | None:
    """Where the consumer stands by its own knowledge and the noted ends; `done` where positions run ahead of the work."""
    subscription = consumer._subscription.subscription
    assignment = subscription.assignment if subscription is not None else None
    if assignment is None or not assignment.active:
        return None
    positions: dict[tuple[str, int], int] = {}
    lags: dict[str, int] = {}
    for partition in assignment.tps:
        state = assignment.state_value(partition)
        if not state.has_valid_position:
            return None
        position = state.position if done is None else done.get(partition, state.position)
        end = max(state.highwater or 0, ends.get(partition, 0))
        positions[partition.topic, partition.partition] = position
        lags[partition.topic] = lags.get(partition.topic, 0) + max(0, end - position)
    return Standing(positions, lags)
