"""The rows in PostgreSQL, in the database of each service."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from shared.flows import any_flow, flow_of
from shared.postgres.pool import Connection
from shared.postgres.queries import load
from shared.runner.model import TURN, Depth, Job, Wanted
from shared.runner.ports import WorkRows

SQL = load(Path(__file__).parent / "queries.sql")


class PostgresWork:
    """`WorkRows` on a connection that is inside a transaction."""

    def __init__(self, connection: Connection) -> None:
        self._sql = connection

    async def schedule(self, wanted: Sequence[Wanted]) -> None:
        """One statement, in the order of queues and keys."""
        await self._sql.execute(
            SQL["schedule"],
            [one.queue for one in wanted],
            [one.key for one in wanted],
            [one.lane for one in wanted],
            [one.run_at for one in wanted],
            [f"{one.queue} {one.key}" for one in wanted if one.exactly],
            [one.traceparent for one in wanted],
            [None if one.payload is None else json.dumps(one.payload) for one in wanted],
            [flow_of(one.flow) for one in wanted],
        )

    async def begin(self, queues: Sequence[str], *, at: datetime) -> None:
        """One statement; FOR UPDATE SKIP LOCKED, and an insert of what is missing alone."""
        await self._sql.execute(SQL["begin"], list(queues), TURN, at, flow_of(""))

    async def cancel(self, queue: str, keys: Sequence[str]) -> None:
        """Deletes them."""
        await self._sql.execute(SQL["cancel"], queue, list(keys))

    async def claim(
        self, queue: str, lanes: Sequence[int], limit: int, *, at: datetime, lease: str, lasts: timedelta
    ) -> list[Job]:
        """FOR UPDATE SKIP LOCKED, and the lease in the same statement."""
        rows = await self._sql.fetch(SQL["claim"], queue, list(lanes), limit, at, lease, lasts, any_flow())
        place = {lane: index for index, lane in enumerate(lanes)}
        return [
            Job(
                row["key"],
                row["run_at"],
                row["attempts"],
                None if row["payload"] is None else json.loads(row["payload"]),
                row["traceparent"],
                row["lane"],
                row["reason"],
            )
            for row in sorted(rows, key=lambda row: (place[row["lane"]], row["run_at"], row["key"]))
        ]

    async def renew(self, queue: str, lease: str, keys: Sequence[str], *, lasts: timedelta) -> None:
        """By the clock of the database; who finishes or puts them back just now is not waited for."""
        await self._sql.execute(SQL["renew"], queue, lease, list(keys), lasts)

    async def take_turn(self, queue: str, *, at: datetime, until: datetime) -> bool:
        """The row's lock is the lease; FOR UPDATE SKIP LOCKED."""
        return await self._sql.fetchval(SQL["take_turn"], queue, TURN, at, until) is not None

    async def next(self, queues: Sequence[str], lanes: Sequence[int]) -> Mapping[str, datetime]:
        """One statement for all of them."""
        return {row["queue"]: row["run_at"] for row in await self._sql.fetch(SQL["next"], list(queues), list(lanes))}

    async def finish(self, queue: str, lease: str, jobs: Mapping[str, datetime | None]) -> int:
        """Deleted, or moved, where the lease is still this one."""
        return int(await self._sql.fetchval(SQL["finish"], queue, lease, list(jobs), list(jobs.values())))

    async def put_back(self, queue: str, lease: str, keys: Sequence[str], *, until: datetime | None = None) -> None:
        """The attempt does not count."""
        await self._sql.execute(SQL["put_back"], queue, lease, list(keys), until)

    async def fail(
        self, queue: str, lease: str, key: str, reason: str, *, again: datetime | None, at: datetime
    ) -> None:
        """The attempt counts."""
        await self._sql.execute(SQL["fail"], queue, lease, key, reason, again, at)

    async def depths(self, queues: Sequence[str], lanes: Sequence[int], *, at: datetime) -> Mapping[str, Depth]:
        """Counted up to 10,000 a lane."""
        rows = await self._sql.fetch(SQL["depths"], list(queues), list(lanes), at)
        return {
            row["queue"]: Depth(int(row["due"]), row["oldest"] or timedelta(0), int(row["set_aside"])) for row in rows
        }


class InATransaction(Protocol):
    """What has a connection inside a transaction: a `Unit`."""

    connection: Connection


def rows_of(unit: InATransaction) -> WorkRows:
    """The rows in the unit's own transaction."""
    return PostgresWork(unit.connection)
