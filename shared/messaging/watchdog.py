"""The watchdog: sees what dies or stands still without saying so, and ends the process, so that it is started again."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from aiokafka.errors import KafkaConnectionError

from shared.beats import next_beat
from shared.messaging.errors import FatalError
from shared.messaging.holding import Holding
from shared.messaging.progress import Reader, Standing
from shared.metrics import LAG_RECORDS

HANDLED_WITHIN = timedelta(minutes=5)
"""A batch in hand may take as long as Kafka lets a member be silent (max.poll.interval.ms): slow is not stuck."""
JOINED_WITHIN = timedelta(minutes=2)
"""A group waits for its slowest member up to a minute (`rebalance_timeout_ms`), and a second round may follow."""
_ENDS_EVERY = timedelta(seconds=10)


@dataclass(slots=True)
class _Watch:
    """One reader, and how long it has stood still."""

    reader: Reader
    mark: object = None
    topics: set[str] = field(default_factory=set)
    still_for: float = 0.0


@dataclass(slots=True)
class Watchdog:
    """Looks at all readers and clients every two seconds; `run` raises FatalError, which names what is wrong.

    A reader is stuck when Kafka has records for it and it has not moved for `stuck_after`. A retry is a
    move: how long that may go on is `retry_for`'s business. Only time in which the event loop turned counts, and only
    while Kafka answers somebody else: when it is away, another process would be no better off.
    """

    stuck_after: timedelta
    readers: Sequence[Reader]
    clients: Sequence[Callable[[], str | None]] = ()
    """Each gives the name of a client's dead task, or None."""
    kafka_answers: Callable[[], Awaitable[bool]] | None = None
    """Asked before a reader is called stuck, over a connection of its own."""
    every: timedelta = timedelta(seconds=2)
    clock: Callable[[], float] = time.monotonic
    _watches: list[_Watch] = field(init=False)
    _holding: Holding = field(default_factory=lambda: Holding("readers"))

    def __post_init__(self) -> None:
        self._watches = [_Watch(reader) for reader in self.readers]

    async def run(self) -> None:
        """Watches until cancelled; FatalError when something has died or is stuck."""
        looked_at, asked_at = self.clock(), 0.0
        while True:
            await next_beat(self.every)
            self._find_the_dead()
            now = self.clock()
            # A process that was stopped or starved has not stood still by its own doing.
            passed = min(now - looked_at, 2 * self.every.total_seconds())
            looked_at = now
            if now - asked_at > _ENDS_EVERY.total_seconds():
                asked_at = now
                await asyncio.gather(*(watch.reader.look_ahead() for watch in self._watches))
            for watch in self._watches:
                self._look(watch, passed)
            await self._find_the_stuck()

    def _find_the_dead(self) -> None:
        for client in self.clients:
            if (dead := client()) is not None:
                raise FatalError(f"a Kafka client's {dead} task has died")
        for watch in self._watches:
            if (dead := watch.reader.dead()) is not None:
                raise FatalError(f"{watch.reader.name}: the {dead} task of its Kafka client has died")

    def _look(self, watch: _Watch, passed: float) -> None:
        reader, standing = watch.reader, watch.reader.standing()
        if standing is not None:
            watch.topics |= standing.lags.keys()
            for topic in watch.topics:  # one whose partitions are all with others now has no lag here
                LAG_RECORDS.labels(reader.name, topic).set(standing.lags.get(topic, 0))
        mark = (reader.progress.steps, standing.positions if standing is not None else None)
        waits = reader.progress.in_hand or standing is None or any(standing.lags.values())
        watch.still_for = watch.still_for + passed if waits and mark == watch.mark else 0.0
        watch.mark = mark

    async def _find_the_stuck(self) -> None:
        stuck = [watch for watch in self._watches if watch.still_for > self._patience(watch.reader).total_seconds()]
        if not stuck:
            return self._holding.over()
        if self.kafka_answers is not None and not await self.kafka_answers():
            for watch in stuck:
                watch.still_for = 0.0
            return self._holding.note(KafkaConnectionError())
        reader, still_for = stuck[0].reader, stuck[0].still_for
        raise FatalError(f"{reader.name} is stuck: {_what(reader, reader.standing())}, for {still_for:.0f} s")

    def _patience(self, reader: Reader) -> timedelta:
        if reader.progress.in_hand:
            return max(self.stuck_after, HANDLED_WITHIN)
        return self.stuck_after if reader.standing() is not None else max(self.stuck_after, JOINED_WITHIN)


def _what(reader: Reader, standing: Standing | None) -> str:
    if reader.progress.in_hand:
        return f"a batch of {reader.progress.in_hand} records is in hand and does not end"
    if standing is None:
        return "it has no partitions or no position"
    return f"{sum(standing.lags.values())} records wait and none is taken"
