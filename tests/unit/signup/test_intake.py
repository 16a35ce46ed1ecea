"""Requests that come while others are written are never left behind."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from services.signup.adapters.intake import _WRITERS, PostgresIntake
from services.signup.model.people import Told
from services.signup.model.reports import Report, Taken
from tests.fakes.clock import NOON
from tests.waiting import others_run, until


class GatedIntake(PostgresIntake):
    """Writes nothing, and only once the gate is open."""

    def __init__(self, gate: asyncio.Event) -> None:
        nothing: Any = None
        super().__init__(nothing, nothing, nothing, nothing, publish_within=timedelta(0))
        self.gate = gate
        self.written = 0

    async def _write(self, requests: Sequence[Sequence[Report]]) -> list[Taken]:
        await self.gate.wait()
        self.written += len(requests)
        return [Taken(len(request), 0) for request in requests]


async def test_a_request_that_comes_while_the_last_writer_ends_is_answered() -> None:
    gate = asyncio.Event()
    intake = GatedIntake(gate)
    report = Report(b"d", "acme", "1", "emp_one", "hired", NOON, Told())

    async def late() -> Taken:
        await gate.wait()
        return await intake.take([report])

    requests = []
    for _ in range(_WRITERS):  # as many as there are writers, each of which takes one
        requests.append(asyncio.create_task(intake.take([report])))
        await others_run()
    requests.append(asyncio.create_task(late()))
    await others_run()
    gate.set()
    await until(lambda: all(request.done() for request in requests), within=timedelta(seconds=10))
    assert [request.result() for request in requests] == [Taken(1, 0)] * (_WRITERS + 1)


async def test_for_whoever_has_left_nothing_is_written() -> None:
    gate = asyncio.Event()
    intake = GatedIntake(gate)
    report = Report(b"d", "acme", "1", "emp_one", "hired", NOON, Told())
    at_work = []
    for _ in range(_WRITERS):  # as many as there are writers, each of which takes one
        at_work.append(asyncio.create_task(intake.take([report])))
        await others_run()
    left, stays = (asyncio.create_task(intake.take([report])) for _ in range(2))
    await others_run()
    left.cancel()
    gate.set()
    await asyncio.gather(*at_work, stays)
    await until(lambda: left.done())
    assert intake.written == _WRITERS + 1
