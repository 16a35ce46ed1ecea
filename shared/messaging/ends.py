"""One question for all readers of a process, where a broker holds each fetch to its end: how far do the partitions go?"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol
from weakref import WeakKeyDictionary

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from shared.backoff import Backoff
from shared.beats import beat_after
from shared.messaging.kafka import Kafka
from shared.messaging.stopping import stop_within

Ends = dict[TopicPartition, int]
Positions = Mapping[TopicPartition, int]
_SHARE = 8
"""Of the time since a record came last, how much of it the next may wait for its question."""
_AT_ONCE = 0.001
_WITHIN = timedelta(seconds=5)
_CLOSED_WITHIN = 0.8
"""Of that, how long a connection may hang before it is closed: else it would be asked again and again, and never closed."""
_BELIEVED_AFTER = 5.0
"""Seconds for which nothing but lower ends of a partition were said: its topic was made anew."""
_log = structlog.get_logger(__name__)


class AsksEnds(Protocol):
    """A client of Kafka's that can be asked (`asking.py`)."""

    async def end_offsets(self, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The offset that the next record of each gets, or less."""


@dataclass(slots=True)
class _Waiting:
    """A reader that has all there was, and from where on it wants more."""

    positions: Positions
    told: asyncio.Future[None]


@dataclass(slots=True)
class EndsWatch:
    """Asks for the ends of whatever its readers wait for, and wakes those for whom there is more.

    A reader that lets a fetch be held asks five times a second, or forty while records come, and each reader for itself: on a broker
    that holds a fetch also when it has records (Tansu), that is nearly all that an idle process does. Here a process asks once for all
    of its readers. A topic is asked for anew after an eighth of the time since a record came on it last: at least `busy` and at most
    `idle` apart. So what is busy is asked for often and alone, which costs the less the fewer partitions it has; all on which nothing
    comes are one question.
    What it says may be too low, or too old; a reader fetches from time to time without (`fetches.py`).
    """

    idle: timedelta
    busy: timedelta
    clock: Callable[[], float] = lambda: asyncio.get_running_loop().time()
    _ends: Ends = field(default_factory=dict)
    _lower_since: dict[TopicPartition, float] = field(default_factory=dict)
    _waiting: WeakKeyDictionary[object, _Waiting] = field(default_factory=WeakKeyDictionary)
    _came_at: dict[str, float] = field(default_factory=dict)
    """By topic, when a record came on it last."""
    _asked_at: dict[str, float] = field(default_factory=dict)
    _wanted: dict[str, list[TopicPartition]] | None = None
    """By topic, in their order, the partitions that somebody waits for; None where that is to be put together anew."""
    _readers: int = 0
    """How many waited when it was put together."""
    _someone: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when something else began to be waited for."""

    def end(self, partition: TopicPartition) -> int | None:
        """The end that was last seen; None where nobody has said."""
        return self._ends.get(partition)

    def wait(self, reader: object, positions: Positions) -> asyncio.Future[None]:
        """Done once there is more than these positions. One for each reader: the one before is forgotten."""
        told = asyncio.get_running_loop().create_future()
        before = self._waiting.get(reader)
        self._waiting[reader] = _Waiting(positions, told)
        if before is None or before.told.done() or before.positions.keys() != positions.keys():
            self._wanted = None
            self._someone.set()
        return told

    def note(self, ends: Mapping[TopicPartition, int]) -> None:
        """These are the ends, whoever asked: who waits for less is woken."""
        for tp, end in ends.items():
            self._believe(tp, end)
        for waiting in list(self._waiting.values()):
            if waiting.told.done():
                continue
            more = {tp.topic for tp, at in waiting.positions.items() if self._ends.get(tp, 0) > at}
            if more:
                self._came_at.update(dict.fromkeys(more, self.clock()))
                waiting.told.set_result(None)
                self._wanted = None

    def _believe(self, partition: TopicPartition, end: int) -> None:
        """One that is lower than what was said is too old, unless it is all that is said from then on."""
        if end < self._ends.get(partition, 0):
            since = self._lower_since.setdefault(partition, self.clock())
            if self.clock() - since < _BELIEVED_AFTER:
                return
        self._lower_since.pop(partition, None)
        self._ends[partition] = end

    def apart(self, topic: str) -> timedelta:
        """How long from one question for this topic to the next."""
        since = self.clock() - self._came_at.get(topic, float("-inf"))
        if since >= _SHARE * self.idle.total_seconds():
            return self.idle
        return max(self.busy, timedelta(seconds=since / _SHARE))

    def pause(self) -> timedelta | None:
        """How long until the next question; None where nobody waits."""
        return min((timedelta(seconds=self._due_in(topic)) for topic in self._all_wanted()), default=None)

    async def ask(self, client: AsksEnds) -> None:
        """One question for all that is waited for and due; raises what Kafka says, or TimeoutError.

        What is asked for no sooner than `idle` comes along once one of it is due, so that it stays one question.
        """
        wanted = self._all_wanted()
        due = {topic for topic in wanted if self._due_in(topic) == 0}
        if any(self.apart(topic) == self.idle for topic in due):
            due |= {topic for topic in wanted if self.apart(topic) == self.idle}
        if not due:
            return
        self._asked_at.update(dict.fromkeys(due, self.clock()))
        async with asyncio.timeout(_WITHIN.total_seconds()):
            self.note(await client.end_offsets([tp for topic in sorted(due) for tp in wanted[topic]]))

    async def run(self, client: AsksEnds) -> None:
        """Asks until cancelled. While Kafka is away nobody is told, and readers find that out for themselves."""
        backoff = Backoff()
        while True:
            self._someone.clear()
            pause = self.pause()
            if pause is None or pause > timedelta(0):
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(None if pause is None else pause.total_seconds()):
                        await self._someone.wait()
                continue
            try:
                await self.ask(client)
                await asyncio.sleep(0)
                backoff.reset()
            except (KafkaError, TimeoutError, OSError) as error:
                _log.warning("ends_wait", error=type(error).__name__)
                await backoff.wait()

    def _all_wanted(self) -> Mapping[str, list[TopicPartition]]:
        if self._wanted is None or self._readers != len(self._waiting):
            self._wanted, self._readers = {}, len(self._waiting)
            for tp in sorted({tp for one in self._waiting.values() if not one.told.done() for tp in one.positions}):
                self._wanted.setdefault(tp.topic, []).append(tp)
        return self._wanted

    def _due_in(self, topic: str) -> float:
        """Seconds from now; 0 where that is less than a millisecond. What is idle comes with all that this process does by the clock."""
        asked_at, apart = self._asked_at.get(topic, float("-inf")), self.apart(topic)
        if asked_at == float("-inf"):
            return 0.0
        due_at = beat_after(asked_at, apart) if apart == self.idle else asked_at + apart.total_seconds()
        due_in = due_at - self.clock()
        return due_in if due_in > _AT_ONCE else 0.0


def watch_for(kafka: Kafka) -> EndsWatch | None:
    """A watch where the broker holds each fetch to its end; None where a record ends it."""
    if not kafka.holds_fetches or kafka.busy_fetch_wait is None:
        return None
    return EndsWatch(kafka.fetch_wait, kafka.busy_fetch_wait)


@contextlib.asynccontextmanager
async def asking_client(kafka: Kafka, *, client_id: str) -> AsyncIterator[AIOKafkaConsumer]:
    """The client that a watch asks with, on a connection of its own: a broker answers one's requests in their order."""
    closed_after = round(_CLOSED_WITHIN * _WITHIN / timedelta(milliseconds=1))
    client = AIOKafkaConsumer(**kafka.for_aiokafka(), client_id=client_id, request_timeout_ms=closed_after)
    await client.start()
    try:
        yield client
    finally:
        await stop_within(_WITHIN, client.stop())
