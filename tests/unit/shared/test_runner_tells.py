"""Whoever has as much in hand as fits tells other processes that there is more; of work that comes by the clock nobody has to hear."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from shared.runner.loop import Runner
from shared.runner.model import Again, Job, Queue, Wanted
from tests.fakes.clock import NOON, FixedClock
from tests.fakes.work import FakeWork
from tests.waiting import until

PERIOD = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("batch", "period", "told"),
    [(1, None, [["letters"]] * 3), (2, None, [["letters"]]), (4, None, []), (1, PERIOD, [])],
    ids=["one at a time", "two at a time", "all at once", "periodic"],
)
async def test_a_full_batch_is_told_to_others(batch: int, period: timedelta | None, told: list[list[str]]) -> None:
    clock, rows, done, heard = FixedClock(), FakeWork(), list[str](), list[list[str]]()

    async def handle(_: object, jobs: Sequence[Job]) -> Again:
        done.extend(job.key for job in jobs)
        return {job.key: NOON + PERIOD for job in jobs if period}

    runner: Runner[Any] = Runner(rows.transaction, lambda unit: unit, clock, tell=lambda names: heard.append([*names]))
    runner.add(Queue("letters", handle, batch=batch, period=period))
    keys = ["turn"] if period else ["a", "b", "c"]
    await rows.schedule([Wanted("letters", key, NOON) for key in keys])
    running = asyncio.create_task(runner.run())
    try:
        await until(lambda: sorted(done) == keys and not any(row.run_at <= NOON for row in rows.table.values()))
    finally:
        running.cancel()
        await asyncio.wait([running])
    assert heard == told
