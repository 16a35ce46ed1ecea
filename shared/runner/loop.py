"""The one loop for work that is no record: it looks what is due, and works off each queue batch by batch."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Generic, TypeVar

import structlog

from shared.backoff import Backoff, spread
from shared.beats import next_beat, until_beat
from shared.clock import Clock
from shared.messaging.errors import is_transient
from shared.messaging.holding import Holding
from shared.runner import metrics
from shared.runner.batches import Batches, OpenWork
from shared.runner.model import Queue
from shared.runner.ports import WorkRows

U = TypeVar("U")
POLL = timedelta(seconds=5)
"""At most so long until work is seen that nobody told us of: its process died before it could, or the notice was lost."""
_APART = timedelta(milliseconds=200)
"""Between two looks, however often something is told."""
_LOOKS_EVERY = timedelta(seconds=10)
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Runner(Generic[U]):
    """Works off the queues of one service, batch by batch, beside any number of other processes that do.

    It sleeps until the next work comes due, or until it is told of a commit (`wake`), of its own process or of another.
    """

    work: OpenWork[U]
    rows: Callable[[U], WorkRows]
    clock: Clock
    stop_within: timedelta = timedelta(seconds=10)
    look: OpenWork[U] | None = None
    """Opens what only reads: `work`, unless something cheaper is given."""
    tell: Callable[[Iterable[str]], None] = lambda _: None
    """Tells other processes of queues that hold more than this one takes at a time."""
    _queues: dict[str, Queue[U]] = field(default_factory=dict)
    _wakes: dict[str, asyncio.Event] = field(default_factory=dict)
    _batches: Batches[U] = field(init=False)
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _looks: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._batches = Batches(self.work, self.rows, self.clock)
        self.clock.when_moved(self._looks.set)

    def add(self, queue: Queue[U]) -> None:
        """One more queue; ValueError where the name is taken."""
        if queue.name in self._queues:
            raise ValueError(f"two queues are named {queue.name}")
        self._queues[queue.name] = queue
        self._wakes[queue.name] = asyncio.Event()
        metrics.begin([queue.name])

    @property
    def queues(self) -> Sequence[Queue[U]]:
        """What it works off."""
        return tuple(self._queues.values())

    def wake(self, queues: Iterable[str]) -> None:
        """Something was committed in these queues: look there now, and when the next of it comes due."""
        for name in queues:
            if name in self._wakes:
                self._wakes[name].set()
                self._looks.set()

    async def run_once(self, *names: str) -> int:
        """Does all that is due now in these queues (all, where none is named), and a turn of what is periodic; how many jobs.

        Raises what is transient.
        """
        taken = 0
        await self._begin(names or self._queues)
        for queue in [self._queues[name] for name in names] or list(self._queues.values()):
            while some := await self._batches.turn(queue):
                taken += some
        return taken

    async def run(self) -> None:
        """Works until cancelled; a batch that is in hand then is brought to its end."""
        work = asyncio.create_task(self._run(), name="runner")
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            self._stop.set()
            self.wake(self._queues)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(work, self.stop_within.total_seconds())
            raise

    async def _begin(self, names: Iterable[str]) -> None:
        """Periodic work has its row, and a turn now, unless one is under way."""
        periodic = sorted(name for name in names if self._queues[name].period is not None)
        if periodic:
            async with self.work() as unit:
                await self.rows(unit).begin(periodic, at=self.clock.now())

    async def _run(self) -> None:
        await self._until_begun()
        async with asyncio.TaskGroup() as group:
            aside = [group.create_task(self._poll()), group.create_task(self._watch())]
            loops = [group.create_task(self._work_off(queue)) for queue in self._queues.values()]
            await asyncio.gather(*loops)
            for task in aside:
                task.cancel()

    async def _until_begun(self) -> None:
        backoff = Backoff()
        while not self._stop.is_set():
            try:
                await self._begin(self._queues)
            except Exception as error:
                if not is_transient(error):
                    raise
                await self._pause(backoff.next())
            else:
                return

    async def _work_off(self, queue: Queue[U]) -> None:
        backoff, holding = Backoff(), Holding(queue.name)
        while not self._stop.is_set():
            self._wakes[queue.name].clear()
            try:
                taken = await self._batches.turn(queue)
            except Exception as error:
                if not is_transient(error):
                    raise
                holding.note(error)
                _log.warning("work_waits", queue=queue.name, error=type(error).__name__)
                await self._pause(backoff.next())
                continue
            backoff.reset()
            holding.over()
            rests = self._batches.rests(queue)
            if taken and rests is None:
                self._looks.set()  # some of it may come again
            if taken >= queue.batch and queue.period is None:
                self.tell([queue.name])
            if (not taken or rests is not None) and not self._stop.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(None if rests is None else rests.total_seconds()):
                        await self._wakes[queue.name].wait()

    async def _pause(self, pause: timedelta) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), pause.total_seconds())

    async def _poll(self) -> None:
        while True:
            self._looks.clear()
            try:
                rests = await self.wake_due()
            except Exception as error:
                if not is_transient(error):
                    raise
                rests = _APART
            apart = min(rests, spread(_APART))
            await asyncio.sleep(apart.total_seconds())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min((rests - apart).total_seconds(), until_beat(POLL))):
                    await self._looks.wait()

    async def wake_due(self) -> timedelta:
        """One look for all queues, which wakes those that have something due; how long until there is more, 5 s at most."""
        async with self._open_look() as unit:
            found = await self.rows(unit).next(list(self._queues), self._lanes())
        now = self.clock.now()
        for name, at in found.items():
            if at <= now:
                self._wakes[name].set()
        return min([POLL, *(at - now for at in found.values() if at > now)])

    def _open_look(self) -> AbstractAsyncContextManager[U]:
        return (self.look or self.work)()

    def _lanes(self) -> Sequence[int]:
        return sorted({lane for queue in self._queues.values() for lane in queue.lanes})

    async def _watch(self) -> None:
        names = list(self._queues)
        while True:
            try:
                async with self._open_look() as unit:
                    depths = await self.rows(unit).depths(names, self._lanes(), at=self.clock.now())
                for name, depth in depths.items():
                    metrics.DUE.labels(name).set(depth.due)
                    metrics.OLDEST_SECONDS.labels(name).set(depth.oldest.total_seconds())
                    metrics.SET_ASIDE.labels(name).set(depth.set_aside)
            except Exception as error:
                if not is_transient(error):
                    raise
            await next_beat(_LOOKS_EVERY)
