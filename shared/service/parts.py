"""What a service is made of, as its `app.py` declares it."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar, TypeVarTuple

import structlog

from shared.beats import next_beat
from shared.feed.feed import Feed
from shared.messaging.errors import is_transient
from shared.messaging.follower import Follower, Positions
from shared.messaging.holding import Holding
from shared.messaging.reconciled import Reconciled
from shared.messaging.unit import Unit
from shared.postgres.notices import Notices
from shared.roles import Role
from shared.runner.loop import Runner
from shared.runner.model import Again, Queue, turn_after
from shared.runner.model import Job as Work
from shared.service.wiring import Wiring

S = TypeVar("S")
Ts = TypeVarTuple("Ts")
_LEASE = timedelta(seconds=45)
"""Of periodic work: longer than a statement may take, and so long at most nobody does it after its process was killed."""
Check = Callable[[], Awaitable[None]]
"""Raises when the thing it checks does not work."""
Job = Callable[[], Awaitable[None]]
"""Runs as long as the process does; ends only by being cancelled."""
Resource = Callable[[], AbstractAsyncContextManager[object]]
Stored = Callable[[], Awaitable[Positions]]
"""How far a follower had come, as it was kept."""

_FEED_KEPT_EVERY = timedelta(hours=1)
_FEED_WATCHED_EVERY = timedelta(seconds=10)
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Timer:
    """What a process does again and again by itself."""

    name: str
    period: timedelta
    turn: Callable[[], Awaitable[object]]


@dataclass(slots=True)
class Parts:
    """The declarations of a service, for `Process` to run."""

    wiring: Wiring
    runner: Runner[Unit]
    notices: Notices
    role: Role = Role.ALL
    migrations: Path | None = None
    followers: list[tuple[Follower, Stored | None]] = field(default_factory=list)
    reconciled: list[Reconciled] = field(default_factory=list)
    replayed: list[Reconciled] = field(default_factory=list)
    """What is done to rows that a dump brought back, before anything else is."""
    jobs: list[tuple[str, Job]] = field(default_factory=list)
    resources: list[Resource] = field(default_factory=list)
    timers: list[Timer] = field(default_factory=list)
    """What `every` was told, as far as it is done in this process."""
    feeds: list[Feed] = field(default_factory=list)
    checks: dict[str, Check] = field(default_factory=dict)

    def feed(self, feed: Feed) -> None:
        """All that a feed takes."""
        self.feeds.append(feed)
        if self.has(Role.WORKER):
            self.notices.on(f"feed {feed.name}", feed.sequencer.wake)
        else:
            feed.written = partial(self.notices.tell, [f"feed {feed.name}"])
        self.job(f"sequencer of {feed.name}", feed.sequencer.run, by=Role.WORKER)
        self.job(f"tailer of {feed.name}", feed.tailer.run, by=Role.EDGE)
        self.every(_FEED_KEPT_EVERY, f"days of {feed.name}", feed.keep, by=Role.WORKER)
        self.every(_FEED_WATCHED_EVERY, f"figures of {feed.name}", feed.watch, by=Role.WORKER)

    def every(
        self,
        period: timedelta,
        name: str,
        run: Callable[[*Ts], Awaitable[object]],
        *given: *Ts,
        by: Role | None = None,
    ) -> None:
        """`run(*given)` again and again; a transient error is retried at the next turn."""
        holding = Holding(name)
        if self.has(by):
            self.timers.append(Timer(name, period, partial(run, *given)))

        async def turns() -> None:
            while True:
                try:
                    await run(*given)
                    holding.over()
                except Exception as error:
                    if not is_transient(error):
                        raise
                    holding.note(error)
                    _log.warning("job_waits", job=name, error=type(error).__name__)
                await next_beat(period)

        self.job(name, turns, by=by)

    def queue(
        self,
        name: str,
        handle: Callable[[S, Sequence[Work], *Ts], Awaitable[Again | None]],
        store: Callable[[Unit], S],
        *given: *Ts,
        batch: int,
        lanes: tuple[int, ...],
    ) -> None:
        """Work of this name, for the runner."""

        async def on_work(unit: Unit, work: Sequence[Work]) -> Again | None:
            return await handle(store(unit), work, *given)

        self.works(Queue(name, on_work, batch=batch, lanes=lanes))

    def periodic(
        self,
        period: timedelta,
        name: str,
        step: Callable[[S, *Ts], Awaitable[bool]],
        store: Callable[[Unit], S],
        *given: *Ts,
        is_hurried: bool = False,
    ) -> None:
        """Work that comes again, for the runner."""

        async def on_turn(unit: Unit, work: Sequence[Work]) -> Again:
            more = await step(store(unit), *given)
            return {one.key: unit.at if more else turn_after(unit.at, period) for one in work}

        self.works(Queue(name, on_turn, attempts=None, period=period, is_hurried=is_hurried, lease=_LEASE))

    def works(self, queue: Queue[Unit]) -> None:
        """One more queue for the runner, which is woken for it by other processes too."""
        self.runner.add(queue)
        self.notices.on(_work(queue.name), partial(self.runner.wake, [queue.name]))

    def scheduled(self, queues: Collection[str]) -> None:
        """Work of these queues was committed here: our runner is woken, or, where none runs, those of other processes."""
        self.runner.wake(queues)
        if not self.has(Role.WORKER):
            self.tell(queues)

    def tell(self, queues: Iterable[str]) -> None:
        """Other processes are told that there is work in these queues."""
        self.notices.tell(map(_work, queues))

    def job(self, name: str, run: Job, *, by: Role | None) -> None:
        """Something that runs as long as the process does, in every role or by one."""
        if self.has(by):
            self.jobs.append((name, run))

    def has(self, by: Role | None) -> bool:
        """Whether what is done by this role, or by each, is done in this process."""
        return by is None or self.role.has(by)


def _work(queue: str) -> str:
    return f"work {queue}"
