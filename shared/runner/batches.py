"""One batch of a queue: claimed, done, finished; what fails in it is found, spaced and at last set aside."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Generic, TypeVar

import structlog
from opentelemetry.trace import SpanContext

from shared import tracing
from shared.backoff import spread
from shared.clock import Clock
from shared.lifetime import call_off
from shared.messaging.errors import FatalError, is_slow, is_transient
from shared.runner import metrics
from shared.runner.model import TURN, Job, LeaseLostError, Queue, Wanted, turn_after
from shared.runner.ports import WorkRows

U = TypeVar("U")
OpenWork = Callable[[], AbstractAsyncContextManager[U]]
"""Opens a unit of work, which commits when the block ends."""

FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=1), timedelta(minutes=10)
"""Between the attempts at a row that fails: eight of them take about two minutes."""
_SUSPECT_AFTER = 3
"""Attempts of which nobody lived to tell: from then on a row is done alone, so that it takes no other with it."""
_EVERY_FOURTH = 4
"""Turn of a queue, that begins with another lane than the first: no lane waits for ever."""
_NOT_BEFORE = timedelta(milliseconds=5)
"""After the moment that is slept for, since an event loop counts from where its turn began."""
_RENEWED = 3
"""Times in a lease: two that fail cost nothing."""
_RENEWED_AT_MOST = 30 * _RENEWED
"""A handler that hangs, in a process that lives, gives its rows up after thirty leases: an hour of most queues."""
SLOW_PAUSE = timedelta(minutes=1)
"""How long a row steps aside that takes too long when it is alone."""
_log = structlog.get_logger(__name__)


class _HeldError(Exception):
    """Something outside is away: these jobs go back as they were."""

    def __init__(self, cause: Exception, keys: Sequence[str]) -> None:
        super().__init__()
        self.cause, self.keys = cause, keys


@dataclass(slots=True)
class Batches(Generic[U]):
    """Takes a batch of a queue at a time.

    It is claimed, with a lease, in a transaction of its own; it is handled and finished in one unit of work that
    commits only while the lease is ours; it is renewed as long as the process lives. Killed before that commit, the rows are claimed again when the lease is over;
    after it, they are gone. A batch that fails is halved until the row that fails is alone: that one is tried again with
    growing pauses and after `Queue.attempts` set aside, with its reason, as is one with which processes died so often. What is
    transient counts for nothing: the batch goes back, and the queue holds. Where it takes too long, which a row's own statement
    may be the reason of, batches become smaller until a row is alone, and that one steps aside for a minute and stops nobody.
    """

    work: OpenWork[U]
    rows: Callable[[U], WorkRows]
    clock: Clock
    _turns: dict[str, int] = field(default_factory=dict)
    _slow: dict[str, int] = field(default_factory=dict)
    """By queue, how many turns in a row took too long."""
    _alone: dict[str, str] = field(default_factory=dict)
    """By queue, the key that took too long when it was alone."""
    _owed: dict[str, list[tuple[str, Sequence[str], timedelta | None]]] = field(default_factory=dict)
    """By queue, leases and keys that could not be put back yet, and how long they step aside."""
    _as_others: set[str] = field(default_factory=set)
    """Queues of periodic work whose last turn failed, or took too long."""
    _turn_at: dict[str, datetime] = field(default_factory=dict)
    """By queue of periodic work, when its one row comes again."""

    async def turn(self, queue: Queue[U]) -> int:
        """Claims a batch and works it off; how many jobs were claimed.

        Of periodic work, which has one row, all of that is one transaction, unless others schedule its turn too: the row's lock is its
        lease, and killed in it, nothing was done. Where that fails it is done like other work, which notes why, and spaces it.
        """
        if queue.period is not None and not queue.is_hurried and queue.name not in self._as_others:
            try:
                return await self._periodic(queue, queue.period)
            except FatalError:
                raise
            except Exception as error:
                if is_transient(error) and not is_slow(error):
                    metrics.WORK.labels(queue.name, "held").inc()
                    raise
                self._as_others.add(queue.name)
                if is_transient(error):
                    raise
        self._turn_at.pop(queue.name, None)
        await self._put_back(queue)
        lease = str(uuid.uuid4())
        claimed, jobs = await self._claim(queue, lease)
        try:
            async with self._in_hand(queue, lease, jobs):
                await self._do(queue, lease, jobs)
        except _HeldError as held:
            aside = self._steps_aside(queue, jobs) if is_slow(held.cause) else None
            self._owed.setdefault(queue.name, []).append((lease, held.keys, aside))
            with contextlib.suppress(Exception):  # where the database is away it is tried again before the next claim
                await self._put_back(queue)
            raise held.cause from None
        if claimed:
            self._slow.pop(queue.name, None)
            self._as_others.discard(queue.name)
        return claimed

    @contextlib.asynccontextmanager
    async def _in_hand(self, queue: Queue[U], lease: str, jobs: Sequence[Job]) -> AsyncIterator[None]:
        """While this process lives nobody else takes these, however long they take: a lease is for one that is silent."""
        if not jobs:
            yield
            return
        renewing = asyncio.create_task(self._renew(queue, lease, [job.key for job in jobs]))
        try:
            yield
        finally:
            await call_off(renewing)

    async def _renew(self, queue: Queue[U], lease: str, keys: Sequence[str]) -> None:
        for _ in range(_RENEWED_AT_MOST):
            await asyncio.sleep(queue.lease.total_seconds() / _RENEWED)
            try:
                async with self.work() as unit:
                    await self.rows(unit).renew(queue.name, lease, keys, lasts=queue.lease)
            except Exception as error:  # noqa: BLE001 - a lease that can't be renewed is lost in its time, and what it was for says so
                _log.warning("lease_not_renewed", queue=queue.name, error=type(error).__name__)

    async def _periodic(self, queue: Queue[U], period: timedelta) -> int:
        at = self.clock.now()
        comes = turn_after(at, period)
        async with self.work() as unit:
            rows = self.rows(unit)
            if not await rows.take_turn(queue.name, at=at, until=comes):
                return 0
            said = await queue.handle(unit, [Job(TURN, at, 1)]) or {}
            again = said.get(TURN, comes)
            if again != comes:
                await rows.schedule([Wanted(queue.name, TURN, again, exactly=True)])
        self._turn_at[queue.name] = again
        metrics.WORK.labels(queue.name, "again").inc()
        return 1

    def rests(self, queue: Queue[U]) -> timedelta | None:
        """How long there is nothing to do after the last turn: periodic work has one row, of which is known when it comes again. Who was
        woken in vain goes on resting until then."""
        at, now = self._turn_at.get(queue.name), self.clock.now()
        return at - now + _NOT_BEFORE if at is not None and at > now else None

    def _steps_aside(self, queue: Queue[U], jobs: Sequence[Job]) -> timedelta | None:
        """How long a row waits that is too slow alone for the second time; the next batch is smaller in any case."""
        self._slow[queue.name] = self._slow.get(queue.name, 0) + 1
        if len(jobs) > 1:
            return None
        before, self._alone[queue.name] = self._alone.get(queue.name), jobs[0].key
        return spread(SLOW_PAUSE) if before == jobs[0].key else None

    async def _claim(self, queue: Queue[U], lease: str) -> tuple[int, list[Job]]:
        at = self.clock.now()
        async with self.work() as unit:
            rows = self.rows(unit)
            claimed = await rows.claim(
                queue.name, self._lanes(queue), self._batch(queue), at=at, lease=lease, lasts=queue.lease
            )
            over = [job for job in claimed if queue.attempts is not None and job.attempts > queue.attempts]
            for job in over:
                await rows.fail(queue.name, lease, job.key, "stalled: its process ended", again=None, at=at)
            left = [job for job in claimed if job not in over]
            jobs = _alone(left)
            if len(jobs) < len(left):
                await rows.put_back(queue.name, lease, [job.key for job in left if job not in jobs])
        for job in over:
            self._note_set_aside(queue, "stalled: its process ended", job)
        return len(claimed), jobs

    def _batch(self, queue: Queue[U]) -> int:
        """Half of it for each turn that took too long since the last one that was done."""
        return max(1, queue.batch >> min(self._slow.get(queue.name, 0), 30))

    def _lanes(self, queue: Queue[U]) -> tuple[int, ...]:
        turn = self._turns[queue.name] = self._turns.get(queue.name, 0) + 1
        first = (turn // _EVERY_FOURTH) % len(queue.lanes) if turn % _EVERY_FOURTH == 0 else 0
        return (*queue.lanes[first:], *queue.lanes[:first])

    async def _do(self, queue: Queue[U], lease: str, jobs: Sequence[Job]) -> None:
        """Every job is done, spaced or set aside when this returns; _HeldError with those that are not."""
        if not jobs:
            return
        try:
            await self._in_one_unit(queue, lease, jobs)
        except FatalError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a handler raises, the row that it raises for goes its way out
            failed = error
        else:
            return
        if is_transient(failed):
            metrics.WORK.labels(queue.name, "held").inc(len(jobs))
            raise _HeldError(failed, [job.key for job in jobs]) from failed
        if len(jobs) == 1 or (isinstance(failed, LeaseLostError) and not failed.ours):
            await self._failed(queue, lease, jobs[0], failed)
            return
        middle = len(jobs) // 2
        try:
            await self._do(queue, lease, jobs[:middle])
        except _HeldError as held:
            raise _HeldError(held.cause, [*held.keys, *(job.key for job in jobs[middle:])]) from None
        await self._do(queue, lease, jobs[middle:])

    async def _in_one_unit(self, queue: Queue[U], lease: str, jobs: Sequence[Job]) -> None:
        causes = [cause for job in jobs if (cause := tracing.read(job.traceparent)) is not None]
        with _span(queue.name, causes, len(jobs)):
            handle = queue.handle if queue.prepare is None else await queue.prepare(jobs)
            async with self.work() as unit:
                again = await handle(unit, jobs) or {}
                outcome = {job.key: again.get(job.key) for job in jobs}
                if (ours := await self.rows(unit).finish(queue.name, lease, outcome)) != len(jobs):
                    raise LeaseLostError(ours)
        if queue.period is not None:
            for at in filter(None, outcome.values()):
                self._turn_at[queue.name] = at
        later = sum(at is not None for at in outcome.values())
        metrics.WORK.labels(queue.name, "done").inc(len(jobs) - later)
        metrics.WORK.labels(queue.name, "again").inc(later)

    async def _failed(self, queue: Queue[U], lease: str, job: Job, error: Exception) -> None:
        if isinstance(error, LeaseLostError):
            metrics.WORK.labels(queue.name, "lease_lost").inc()
            _log.warning("lease_lost", queue=queue.name)
            return
        is_over = queue.attempts is not None and job.attempts >= queue.attempts
        reason = f"failed: {type(error).__name__}"
        _log.error("work_failed", queue=queue.name, attempt=job.attempts, exc_info=error)
        metrics.WORK.labels(queue.name, "failed").inc()
        at = self.clock.now()
        try:
            async with self.work() as unit:
                again = None if is_over else at + pause_after(job.attempts)
                await self.rows(unit).fail(queue.name, lease, job.key, reason, again=again, at=at)
        except Exception as other:
            if not is_transient(other):
                raise
            raise _HeldError(other, []) from other
        if is_over:
            self._note_set_aside(queue, reason, job)

    def _note_set_aside(self, queue: Queue[U], reason: str, job: Job) -> None:
        metrics.WORK.labels(queue.name, "set_aside").inc()
        _log.warning("work_set_aside", queue=queue.name, reason=reason, attempts=job.attempts)

    async def _put_back(self, queue: Queue[U]) -> None:
        owed = self._owed.get(queue.name)
        while owed:
            async with self.work() as unit:
                lease, keys, aside = owed[0]
                until = None if aside is None else self.clock.now() + aside
                await self.rows(unit).put_back(queue.name, lease, keys, until=until)
            owed.pop(0)


def pause_after(attempts: int) -> timedelta:
    """How long a row that failed so often waits: it doubles up to ten minutes, and the upper half is chance."""
    return spread(min(FIRST_PAUSE * 2 ** min(attempts - 1, 16), LONGEST_PAUSE))


def _alone(jobs: list[Job]) -> list[Job]:
    """All of them, or the first suspect by itself."""
    suspects = [job for job in jobs if job.attempts > _SUSPECT_AFTER]
    return suspects[:1] or jobs


@contextlib.contextmanager
def _span(queue: str, causes: Sequence[SpanContext], count: int) -> Iterator[None]:
    if not causes:
        yield
        return
    with tracing.span(f"{queue} batch", "consumer", causes=causes, subscription=queue, records=count):
        yield
