"""The jobs that employers declared."""

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path

import asyncpg

from services.outreach_gateway.model import JOBS_PER_EMPLOYER, DeclaredJob
from shared.messaging.unit import Unit
from shared.postgres.queries import load

SQL = load(Path(__file__).with_name("jobs.sql"))


class PostgresJobs:
    """The `Jobs` inside one unit of work."""

    def __init__(self, unit: Unit) -> None:
        self._sql = unit.connection
        self._at = unit.at

    @property
    def at(self) -> datetime:
        """The time of the unit."""
        return self._at

    async def put(self, employer: str, job: DeclaredJob) -> int | None:
        """Counted under a lock of the employer's, so that two requests at once don't pass the limit."""
        await self._sql.execute(SQL["lock_jobs"], employer)
        return await self._kept("put_job", employer, job)

    async def declare(self, employer: str, job: DeclaredJob) -> bool:
        """One statement; of two that declare the same at once, the later one looks again."""
        kept = await self._kept("declare_job", employer, job) or await self._kept("declare_job", employer, job)
        return kept is not None

    async def get(self, employer: str, id: str) -> DeclaredJob | None:
        """One row."""
        row = await self._sql.fetchrow(SQL["job"], employer, id)
        return None if row is None else _job(row)

    async def of(self, employer: str, *, after: str, limit: int) -> Sequence[DeclaredJob]:
        """By id."""
        return [_job(row) for row in await self._sql.fetch(SQL["jobs_of"], employer, after, limit)]

    async def delete(self, employer: str, id: str) -> bool:
        """One row."""
        return await self._sql.fetchval(SQL["delete_job"], employer, id) is not None

    async def forget(self, limit: int, *, ended_before: date) -> int:
        """From the index by end."""
        return len(await self._sql.fetch(SQL["forget_jobs"], ended_before, limit))

    async def _kept(self, statement: str, employer: str, job: DeclaredJob) -> int | None:
        version: int | None = await self._sql.fetchval(
            SQL[statement], employer, job.id, job.body, job.valid_through, self._at.date(), JOBS_PER_EMPLOYER
        )
        return version


def _job(row: asyncpg.Record) -> DeclaredJob:
    return DeclaredJob(row["id"], row["body"], row["valid_through"], row["version"])
