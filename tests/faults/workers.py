"""Workers with one queue of a service, each a process of its own that ends itself with SIGKILL at a moment that is named."""

import asyncio
import multiprocessing
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Any, NoReturn

from redis.asyncio import Redis

from services.outreach_gateway import handlers as gateway
from services.outreach_gateway.adapters.postgres import PostgresOutreach
from services.outreach_gateway.adapters.redis_servers import OneServer
from services.outreach_gateway.adapters.redis_windows import RedisWindows
from services.outreach_gateway.model import Standing
from services.outreach_gateway.ports.outreach import DUE
from services.signup import jobs
from services.signup.adapters.postgres import PostgresStore
from services.signup.ports.store import INVITATIONS, LANES, SHOWINGS
from services.signup.vault.hashing import SlowHashes
from services.signup.vault.index import BlindIndex
from services.signup.vault.secrets import VaultSecrets
from shared.facts import Known
from shared.messaging.unit import Unit, unit_of_work
from shared.postgres.pool import Pool, open_pool
from shared.runner.loop import Runner
from shared.runner.model import TURN, Again, Job, Queue
from shared.runner.postgres import rows_of
from tests.fakes.clock import NOON, FixedClock
from tests.fakes.keeper import first_epoch, intake_keys
from tests.integration.pool_matching.kit import PostgresKit
from tests.ports.test_outreach_store import POLICY, TICKS, feed
from tests.working import runner_of

SECRETS = VaultSecrets(first_epoch().epochs, BlindIndex(bytes(32)), SlowHashes(bytes(32)))
LAPSES = "lapse"
BATCH = 4
_ENDS_WITHIN = timedelta(seconds=180)
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["tests.faults.workers"])


class Moment(StrEnum):
    """Where a worker is killed."""

    CLAIMED = "its rows are claimed, and nothing is begun"
    AT_WORK = "the first thing that it says is said"
    WRITTEN = "all is written, and the rows are not finished"
    FINISHED = "the rows are finished, and nothing is committed"
    COMMITTED = "it is committed"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a worker works, and when it is there."""

    queue: str
    database: str
    redis: str
    prefix: str
    at: datetime = NOON


def die() -> NoReturn:
    """As the kernel ends a process that takes too much memory."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")


async def worked(place: Place, moment: Moment, *, batch: int = 1) -> int | None:
    """A worker does all that is due and is killed at this moment of that batch; its exit code."""
    process = _processes.Process(target=_main, args=(place, moment, batch), daemon=True)
    process.start()
    await asyncio.to_thread(process.join, _ENDS_WITHIN.total_seconds())
    return process.exitcode


def _main(place: Place, moment: Moment, batch: int) -> None:
    asyncio.run(_work(place, moment, batch))


async def _work(place: Place, moment: Moment, batch: int) -> None:
    async with await open_pool(place.database, name="worker") as pool, windows_of(place) as windows:
        runner = runner_in(place, pool, windows)
        _breaks(runner, moment, batch)
        await runner.run_once()


@asynccontextmanager
async def windows_of(place: Place) -> AsyncIterator[RedisWindows]:
    """The real ones, as every worker of this place has them."""
    client = Redis.from_url(place.redis)
    try:
        yield RedisWindows(OneServer(client), POLICY, FixedClock(place.at), prefix=place.prefix, at=place.at)
    finally:
        await client.aclose()


def runner_in(place: Place, pool: Pool, windows: RedisWindows) -> Runner[Unit]:
    """A runner with the service's own handler and store."""
    clock = FixedClock(place.at)

    @asynccontextmanager
    async def work() -> AsyncIterator[Unit]:
        async with unit_of_work(pool, at=clock.now(), source="worker") as unit:
            yield unit

    keys = partial(PostgresStore, keys=intake_keys())
    if place.queue == INVITATIONS:
        return runner_of(work, clock, INVITATIONS, jobs.on_invitations, keys, SECRETS, batch=BATCH, lanes=LANES)
    if place.queue == SHOWINGS:
        return runner_of(work, clock, SHOWINGS, jobs.on_showings, keys, batch=BATCH)
    if place.queue == DUE:
        decides = (windows, POLICY, lambda _: Known(Standing.GOOD), 500)
        store = partial(PostgresOutreach, policy=POLICY, feed=feed, ticks=TICKS)
        return runner_of(work, clock, DUE, gateway.on_due, store, *decides, batch=BATCH)
    if place.queue == LAPSES:

        async def lapse(unit: Unit, _: Sequence[Job]) -> Again:
            more = await jobs.lapse(keys(unit))
            return {TURN: unit.at if more else unit.at + timedelta(minutes=1)}

        runner = Runner(work, rows_of, clock)
        runner.add(Queue(LAPSES, lapse, attempts=None, period=timedelta(minutes=1)))
        return runner
    return PostgresKit(pool, place.at).process(clock)


def _breaks(runner: Runner[Unit], moment: Moment, batch: int) -> None:
    (queue,) = runner.queues
    work, leave, flush, begun = runner.work, Unit._leave, Unit.flush, 0

    def die_at(one: Moment) -> None:
        if moment is one and begun == batch:
            die()

    async def handle(unit: Unit, work: Sequence[Job]) -> Again | None:
        nonlocal begun
        begun += 1
        die_at(Moment.CLAIMED)
        again = await queue.handle(unit, work)
        die_at(Moment.WRITTEN)
        return again

    def say(unit: Unit, *records: Any) -> None:
        leave(unit, *records)
        die_at(Moment.AT_WORK)

    async def end(unit: Unit) -> None:
        await flush(unit)
        die_at(Moment.FINISHED)

    @asynccontextmanager
    async def dying_work() -> AsyncIterator[Unit]:
        before = begun
        async with work() as unit:
            yield unit
        if begun > before:
            die_at(Moment.COMMITTED)

    runner.work = runner._batches.work = dying_work
    Unit._leave, Unit.flush = say, end  # type: ignore[method-assign,assignment]  # in this process alone
    runner._queues[queue.name] = replace(queue, handle=handle)
