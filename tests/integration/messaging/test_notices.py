"""What processes of a service tell one another: heard by the others, never by oneself, and lost ones cost a look."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from shared.messaging.unit import unit_of_work
from shared.postgres.notices import Notices
from shared.postgres.pool import Pool
from shared.runner import loop
from shared.runner.loop import Runner
from shared.runner.model import Job, Queue
from shared.runner.postgres import rows_of
from tests.fakes.clock import NOON, FixedClock
from tests.integration.messaging.kit import running
from tests.waiting import until


@asynccontextmanager
async def _listening(database: str, pool: Pool, *them: Notices) -> AsyncIterator[None]:
    async def all_do() -> bool:
        listening = await pool.fetchval("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'notices-%'")
        return int(listening) == len(them)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one.run(database, name=f"notices-{number}")) for number, one in enumerate(them)]
        await until(all_do)
        yield
        for task in tasks:
            task.cancel()


async def test_what_one_tells_the_others_hear_and_it_does_not_hear_itself(pool: Pool, database: str) -> None:
    told, other = Notices(), Notices()
    heard: dict[str, int] = {"told": 0, "other": 0, "else": 0}

    def note(who: str) -> None:
        heard[who] += 1

    told.on("work letters", lambda: note("told"))
    other.on("work letters", lambda: note("other"))
    other.on("work else", lambda: note("else"))
    async with _listening(database, pool, told, other):
        await until(
            lambda: heard == {"told": 1, "other": 1, "else": 1}, what="each looks once when it begins to listen"
        )
        told.tell(["work letters", "feed of nobody"])
        await until(lambda: heard["other"] == 2)
        other.tell(["work letters"])
        await until(lambda: heard["told"] == 2)
    assert heard == {"told": 2, "other": 2, "else": 1}


async def test_whoever_lost_the_connection_looks_once_when_it_is_back(pool: Pool, database: str) -> None:
    notices, looked = Notices(), list[None]()
    notices.on("work letters", lambda: looked.append(None))
    async with _listening(database, pool, notices):
        await until(lambda: len(looked) == 1)
        await pool.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'notices-%'"
        )
        await until(lambda: len(looked) == 2)
    assert notices.heard == 0


@pytest.mark.parametrize("is_told", [True, False], ids=["told", "the notice is lost"])
async def test_work_that_another_process_committed_is_done_at_once_or_at_the_next_look(
    pool: Pool, database: str, monkeypatch: pytest.MonkeyPatch, is_told: bool
) -> None:
    done, clock = asyncio.Event(), FixedClock(NOON)
    if is_told:
        monkeypatch.setattr(loop, "POLL", loop.POLL * 1000)

    async def handle(_: object, __: list[Job]) -> None:
        done.set()

    runner = Runner(lambda: unit_of_work(pool, at=NOON, source="tests"), rows_of, clock)
    runner.add(Queue("letters", handle))  # type: ignore[arg-type]  # a handler of any unit
    edge, worker = Notices(), Notices()
    worker.on("work letters", lambda: runner.wake(["letters"]))
    async with _listening(database, pool, edge, worker), running(runner.run()):
        async with unit_of_work(pool, at=NOON, source="tests") as unit:
            unit.work.add("letters", ["a"], at=NOON)
        if is_told:
            edge.tell(["work letters"])
        await until(done.is_set)
