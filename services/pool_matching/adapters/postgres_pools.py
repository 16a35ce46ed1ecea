"""The pools of employers, in PostgreSQL."""

from collections.abc import Collection
from datetime import datetime, timedelta

import asyncpg

from services.pool_matching.adapters.pool_cache import read_pool
from services.pool_matching.adapters.sql import SQL
from services.pool_matching.decisions import asks
from services.pool_matching.listing import FEWEST
from services.pool_matching.model import Made, Pool, Shown, ShownMember, ShownPool
from shared.contracts.base import Event
from shared.messaging.unit import Unit


class PostgresPools:
    """`PoolStore` in a unit of work."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._connection = unit.connection
        self._change = 0
        self.at: datetime = unit.at

    def publish(self, *events: Event, id: str | None = None) -> None:
        """The events leave with the transaction."""
        self._unit.publish(*events, id=id)

    async def begin_change(self, pool: str | None = None) -> None:
        """Takes the next number, and with it the lock on its row until the commit; then that on the pool's."""
        self._change = await self._connection.fetchval(SQL["next_change"], pool)

    async def count(self, employer: str) -> int:
        """Those in force."""
        return int(await self._connection.fetchval(SQL["count_pools"], employer))

    async def of(self, employer: str) -> list[ShownPool]:
        """All in force, oldest first."""
        return [_listed(row) for row in await self._connection.fetch(SQL["list_pools"], employer, None, FEWEST)]

    async def get(self, employer: str, pool: str) -> ShownPool | None:
        """Asked for by pool and employer at once."""
        row = await self._connection.fetchrow(SQL["list_pools"], employer, pool, FEWEST)
        return _listed(row) if row else None

    async def of_any(self, employers: Collection[str], limit: int) -> list[Pool]:
        """In no order."""
        rows = await self._connection.fetch(SQL["pools_of_any"], list(employers), limit)
        return [read_pool(row) for row in rows]

    async def use_change(self, employer: str, *, most: int, within: timedelta, of: str = "") -> timedelta | None:
        """One row an employer and kind, and nothing written when it is refused."""
        whose = f"{employer} {of}" if of else employer
        each = within / most
        if await self._connection.fetchval(SQL["use_change"], whose, self.at, each, within) is not None:
            return None
        used_until: datetime = await self._connection.fetchval(SQL["used_until"], whose)
        return min(used_until - self.at, within) + each - within

    async def write(self, pool: Pool) -> None:
        """Under the number of `begin_change`."""
        await self._write(pool, pool.name, pool.criteria.model_dump_json(), asks(pool.criteria))

    async def made_by(self, employer: str, key: bytes) -> Made | None:
        """By its digest."""
        row = await self._connection.fetchrow(SQL["made_by"], employer, key)
        return Made(row["pool"], employer, row["body_digest"]) if row else None

    async def note_made(self, key: bytes, made: Made) -> None:
        """Under the lock of `begin_change`, so that two requests of one key make one pool."""
        await self._connection.execute(SQL["note_made"], made.employer, key, made.body, made.pool)

    async def delete(self, pool: Pool) -> None:
        """The row stays, without name and criteria: the version must go on rising."""
        await self._write(pool, "", None, None)

    async def all_told(self, employer: str) -> bool:
        """By the employer's own listings."""
        return bool(await self._connection.fetchval(SQL["all_told"], employer))

    async def members(self, pool: str, *, after: str, limit: int) -> list[ShownMember]:
        """By index, in the order of the refs, which is another one for each pool."""
        rows = await self._connection.fetch(SQL["list_members"], pool, after, limit, FEWEST)
        return [ShownMember(row["member_ref"], row["since"], Shown.model_validate_json(row["shown"])) for row in rows]

    async def _write(self, pool: Pool, name: str, criteria: str | None, asked: str | None) -> None:
        row = (pool.id, pool.employer, pool.version, name, criteria, self.at, self._change, asked)
        await self._connection.execute(SQL["write_pool"], *row)


def _listed(row: asyncpg.Record) -> ShownPool:
    return ShownPool(
        read_pool(row), row["created_at"], row["ready"], row["members"], row["was_listed"], row["is_decided"]
    )
