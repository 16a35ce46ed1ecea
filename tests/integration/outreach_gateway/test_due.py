"""What is due of a person is decided by whichever process claims it; a person whom nobody can decide for holds up no other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest

from services.outreach_gateway import handlers, jobs
from services.outreach_gateway.adapters.kept import SQL
from services.outreach_gateway.adapters.postgres import PostgresOutreach
from services.outreach_gateway.model import SHARDS, Consent, Memberships, Standing, shard_of
from services.outreach_gateway.ports.outreach import DUE
from services.outreach_gateway.ports.windows import Epoch, WindowsHeldError
from shared.facts import Known
from shared.messaging.unit import Unit, unit_of_work
from shared.postgres.pool import Pool
from shared.runner.loop import Runner
from tests.databases import MIGRATIONS_OF
from tests.fakes.clock import NOON, FixedClock
from tests.fakes.outreach_gateway import FakeWindows
from tests.ports.test_outreach_store import LAST_DAY, POLICY, TICKS, feed
from tests.working import runner_of

PEOPLE = [str(UUID(int=100 + number)) for number in range(12)]
LOST = PEOPLE[5]
"""Their zone is one that no tzdata knows."""


@pytest.fixture
def migrations() -> tuple[Path, ...]:
    return MIGRATIONS_OF["outreach_gateway"]


class Gateway:
    """Rows, and processes that decide."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.clock = FixedClock()
        self.windows = FakeWindows(POLICY, epoch=Epoch("none"))

    @asynccontextmanager
    async def work(self) -> AsyncIterator[Unit]:
        async with unit_of_work(self.pool, at=self.clock.now(), source="outreach_gateway") as unit:
            yield unit

    def process(self) -> Runner[Unit]:
        decides = (self.windows, POLICY, lambda _: Known(Standing.GOOD), 500)
        store = partial(PostgresOutreach, policy=POLICY, feed=feed, ticks=TICKS)
        return runner_of(self.work, self.clock, DUE, handlers.on_due, store, *decides, batch=4)

    async def find_missed(self) -> None:
        async with self.work() as unit:
            await jobs.find_missed_due(PostgresOutreach(unit, POLICY, feed, TICKS))

    async def submitted(self) -> None:
        async with self.work() as unit:
            store = PostgresOutreach(unit, POLICY, feed, TICKS)
            zone = "America/Denver"
            await store.keep_consents(
                [Consent(one, 1, contact=True, time_zone="Mars/Olympus" if one == LOST else zone) for one in PEOPLE]
            )
            await store.keep_memberships({one: (1, Memberships(frozenset({"emp_a"}))) for one in PEOPLE})
            for number, one in enumerate(PEOPLE):
                await unit.connection.execute(
                    SQL["submit"],
                    f"o{number}",
                    "emp_a",
                    one,
                    "m_x",
                    b"d",
                    "sealed",
                    NOON,
                    NOON.replace(year=2027),
                    NOON,
                    None,
                    None,
                    None,
                    LAST_DAY,
                    NOON.replace(year=2027),
                    False,
                    "29-1141",
                    "CO",
                    "job",
                )

    async def states(self) -> dict[str, str]:
        return {
            row["candidate"]: row["state"]
            for row in await self.pool.fetch("SELECT candidate::text, state FROM outreach")
        }


async def test_a_person_for_whom_nothing_can_be_decided_holds_up_no_other_on_two_processes(pool: Pool) -> None:
    gateway = Gateway(pool)
    await gateway.submitted()
    await gateway.find_missed()
    one, two = gateway.process(), gateway.process()
    for _ in range(8):
        await asyncio.gather(one.run_once(), two.run_once())
        gateway.clock.advance(timedelta(minutes=10))
    states = await gateway.states()
    assert states.pop(LOST) == "submitted"
    assert set(states.values()) == {"admitted"}
    aside = await pool.fetch("SELECT key, reason FROM work WHERE set_aside_at IS NOT NULL")
    assert [tuple(row) for row in aside] == [(LOST, "failed: ZoneInfoNotFoundError")]
    await gateway.find_missed()
    assert await one.run_once() == 0, "what was set aside is not found again"


async def test_what_is_submitted_is_decided_also_when_its_record_never_comes(pool: Pool) -> None:
    gateway = Gateway(pool)
    await gateway.submitted()
    assert await gateway.process().run_once() == 0
    await gateway.find_missed()
    await gateway.find_missed()
    assert await gateway.process().run_once() >= len(PEOPLE) - 1


async def test_who_waits_for_their_windows_comes_again_and_holds_up_nobody(pool: Pool) -> None:
    gateway = Gateway(pool)
    await gateway.submitted()
    await pool.execute("DELETE FROM outreach WHERE candidate::text = $1", LOST)
    await gateway.find_missed()
    waits = {PEOPLE[0], PEOPLE[1]}
    gateway.windows.held = frozenset(map(shard_of, waits))
    process = gateway.process()
    await process.run_once()
    assert {one for one, state in (await gateway.states()).items() if state == "submitted"} == waits
    gateway.windows.held = frozenset()
    gateway.clock.advance(timedelta(seconds=1))
    await process.run_once()
    assert set((await gateway.states()).values()) == {"admitted"}


async def test_while_all_windows_are_held_the_queue_holds_and_no_attempt_counts(pool: Pool) -> None:
    gateway = Gateway(pool)
    await gateway.submitted()
    await gateway.find_missed()
    gateway.windows.held = frozenset(range(SHARDS))
    process = gateway.process()
    for _ in range(10):
        with pytest.raises(WindowsHeldError):
            await process.run_once()
    assert await pool.fetchval("SELECT max(attempts) FROM work") == 0
