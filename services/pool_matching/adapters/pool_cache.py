"""The pools in force, kept in memory and brought up to date in each transaction that asks."""

import asyncpg

from services.pool_matching.adapters.sql import SQL
from services.pool_matching.model import Pool, PoolIndex
from shared.contracts.pool_matching import Criteria
from shared.postgres.pool import Connection


class PoolCache:
    """One for a process. What it gives is at least as new as what the transaction sees."""

    def __init__(self) -> None:
        self._change = 0
        self._pools: dict[str, Pool] = {}
        self._index = PoolIndex.of(())

    async def current(self, connection: Connection) -> PoolIndex:
        """The pools in force; reads those that changed since the last call.

        Changes are numbered in the order of their commits (`pool_changes`), so none below the highest seen is missing.
        """
        rows = await connection.fetch(SQL["pools_changed_since"], self._change)
        # Another transaction may have been here while this one waited: a pool never goes back to an older version.
        newer = [row for row in rows if row["change"] > self._change]
        if newer:
            for row in newer:
                self._take(row["pool"], read_pool(row) if row["criteria"] is not None else None)
            self._change = max(row["change"] for row in newer)
            self._index = PoolIndex.of(self._pools.values())
        return self._index

    def _take(self, id_: str, pool: Pool | None) -> None:
        if pool is None:
            self._pools.pop(id_, None)
        else:
            self._pools[id_] = pool


def read_pool(row: asyncpg.Record) -> Pool:
    """A pool from its row."""
    return Pool(
        id=row["pool"],
        employer=row["employer"],
        version=row["version"],
        name=row["name"],
        criteria=Criteria.model_validate_json(row["criteria"]),
    )
