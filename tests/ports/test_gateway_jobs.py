"""The jobs of employers: one suite on the fake and on PostgreSQL."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from services.outreach_gateway import jobs as work
from services.outreach_gateway.adapters import postgres_jobs
from services.outreach_gateway.adapters.postgres_jobs import PostgresJobs
from services.outreach_gateway.decisions import ENDED_KEPT
from services.outreach_gateway.model import DeclaredJob
from services.outreach_gateway.ports.jobs import Jobs
from shared.messaging.unit import unit_of_work
from shared.postgres.pool import Pool
from tests.databases import MIGRATIONS_OF
from tests.fakes import gateway_jobs
from tests.fakes.clock import NOON
from tests.fakes.gateway_jobs import FakeJobs

Open = Callable[..., AbstractAsyncContextManager[Jobs]]
TODAY = NOON.date()
JOB = DeclaredJob("rn", json.dumps({"title": "Nurse"}), TODAY)


@pytest.fixture
def migrations() -> tuple[Path, ...]:
    return MIGRATIONS_OF["outreach_gateway"]


@pytest.fixture(params=["fake", "postgres"])
def opened(request: pytest.FixtureRequest) -> Open:
    if request.param == "fake":
        kept = FakeJobs()

        @asynccontextmanager
        async def fake(at: datetime = NOON) -> AsyncIterator[Jobs]:
            kept.at = at
            yield kept

        return fake
    pool: Pool = request.getfixturevalue("pool")

    @asynccontextmanager
    async def real(at: datetime = NOON) -> AsyncIterator[Jobs]:
        async with unit_of_work(pool, at=at, source="outreach_gateway") as unit:
            yield PostgresJobs(unit)

    return real


def at_most(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    for module in (postgres_jobs, gateway_jobs):
        monkeypatch.setattr(module, "JOBS_PER_EMPLOYER", number)


async def ids(opened: Open, employer: str = "emp_a") -> list[str]:
    async with opened() as jobs:
        return [job.id for job in await jobs.of(employer, after="", limit=10)]


async def test_a_job_is_its_employers_alone(opened: Open) -> None:
    async with opened() as jobs:
        assert await jobs.put("emp_a", JOB) == 1
        assert await jobs.get("emp_b", "rn") is None
        assert not await jobs.delete("emp_b", "rn")
        found = await jobs.get("emp_a", "rn")
    assert found is not None
    assert (json.loads(found.body), found.version, found.valid_through) == ({"title": "Nurse"}, 1, TODAY)


async def test_the_version_rises_with_a_change_and_with_nothing_else(opened: Open) -> None:
    other = replace(JOB, body=json.dumps({"title": "Night nurse"}), valid_through=date(2027, 5, 1))
    async with opened() as jobs:
        assert [await jobs.put("emp_a", job) for job in (JOB, JOB, other, other, JOB)] == [1, 1, 2, 2, 3]
        assert await jobs.put("emp_a", other) == 4
        found = await jobs.get("emp_a", "rn")
    assert found is not None
    assert (json.loads(found.body)["title"], found.valid_through) == ("Night nurse", date(2027, 5, 1))


async def test_what_is_declared_again_stays_as_it_is(opened: Open) -> None:
    async with opened() as jobs:
        assert await jobs.declare("emp_a", JOB)
        assert await jobs.declare("emp_a", JOB)
        assert await jobs.get("emp_a", "rn") == replace(JOB, body=(await jobs.of("emp_a", after="", limit=2))[0].body)


async def test_what_a_message_brings_along_again_with_a_later_last_day_is_open_until_then(opened: Open) -> None:
    later = replace(JOB, valid_through=JOB.valid_through + timedelta(days=1))
    async with opened() as jobs:
        assert await jobs.declare("emp_a", later)
        assert await jobs.declare("emp_a", JOB)
        assert await jobs.declare("emp_a", replace(later, valid_through=later.valid_through + timedelta(days=1)))
        found = await jobs.get("emp_a", "rn")
    assert found is not None
    assert (found.valid_through, found.version) == (later.valid_through + timedelta(days=1), 2)


async def test_more_open_jobs_than_the_limit_are_refused_and_changes_are_not(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_most(monkeypatch, 2)
    over = replace(JOB, id="over", valid_through=TODAY - timedelta(days=1))
    async with opened() as jobs:
        assert await jobs.put("emp_a", over) == 1
        assert await jobs.put("emp_a", replace(JOB, id="a")) == 1
        assert await jobs.declare("emp_a", replace(JOB, id="b"))
        assert await jobs.put("emp_a", replace(JOB, id="c")) is None
        assert not await jobs.declare("emp_a", replace(JOB, id="c"))
        assert await jobs.put("emp_a", replace(JOB, id="a", body="{}")) == 2
        assert await jobs.declare("emp_a", replace(JOB, id="b"))
        assert await jobs.put("emp_b", JOB) == 1
        assert await jobs.delete("emp_a", "a")
        assert await jobs.declare("emp_a", replace(JOB, id="c"))
    assert await ids(opened) == ["b", "c", "over"]


async def test_they_are_listed_by_id_a_page_at_a_time(opened: Open) -> None:
    async with opened() as jobs:
        for id in ("b", "inline:x", "a", "c"):
            await jobs.put("emp_a", replace(JOB, id=id))
        first = await jobs.of("emp_a", after="", limit=2)
        rest = await jobs.of("emp_a", after=first[-1].id, limit=9)
    assert [job.id for job in [*first, *rest]] == ["a", "b", "c", "inline:x"]


async def test_a_job_is_forgotten_110_days_after_its_last_day(opened: Open) -> None:
    last = (NOON - ENDED_KEPT).date()
    async with opened() as jobs:
        await jobs.put("emp_a", replace(JOB, id="old", valid_through=last - timedelta(days=1)))
        await jobs.put("emp_a", replace(JOB, id="young", valid_through=last))
    async with opened() as jobs:
        assert not await work.forget_jobs(jobs)
    assert await ids(opened) == ["young"]


@pytest.mark.parametrize("opened", ["postgres"], indirect=True)
async def test_requests_at_once_do_not_pass_the_limit(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    at_most(monkeypatch, 3)

    async def put(id: str) -> int | None:
        async with opened() as jobs:
            return await jobs.put("emp_a", replace(JOB, id=id))

    kept = await asyncio.gather(*(put(f"j{number}") for number in range(6)))
    assert sorted(version or 0 for version in kept) == [0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize("opened", ["postgres"], indirect=True)
async def test_the_same_job_of_two_messages_at_once_is_one(opened: Open) -> None:
    async def declare() -> bool:
        async with opened() as jobs:
            return await jobs.declare("emp_a", JOB)

    assert await asyncio.gather(*(declare() for _ in range(4))) == [True] * 4
    assert await ids(opened) == ["rn"]
