"""Work that was scheduled, done as the runner does it."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import TypeVar, TypeVarTuple

from shared.clock import Clock
from shared.messaging.unit import Unit
from shared.runner.loop import Runner
from shared.runner.model import Again, Job, Queue
from shared.runner.postgres import rows_of

S = TypeVar("S")
Ts = TypeVarTuple("Ts")


def runner_of(
    work: Callable[[], AbstractAsyncContextManager[Unit]],
    clock: Clock,
    name: str,
    handle: Callable[[S, Sequence[Job], *Ts], Awaitable[Again | None]],
    store: Callable[[Unit], S],
    *given: *Ts,
    batch: int = 100,
    lanes: tuple[int, ...] = (0,),
    attempts: int | None = 8,
) -> Runner[Unit]:
    """A runner of this queue alone; `run_once` does what is due."""

    async def on_work(unit: Unit, jobs: Sequence[Job]) -> Again | None:
        return await handle(store(unit), jobs, *given)

    runner = Runner(work, rows_of, clock)
    runner.add(Queue(name, on_work, batch=batch, lanes=lanes, attempts=attempts))
    return runner


def jobs_for(*keys: str, at: datetime) -> list[Job]:
    """As they are claimed for the first time."""
    return [Job(key, at, 1) for key in keys]
