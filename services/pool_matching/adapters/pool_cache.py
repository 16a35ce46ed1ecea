"""The pools in force, kept in memory and brought up to date in each transaction that asks."""

import asyncpg

from services.pool_matching.adapters.sql import SQL
from services.pool_matching.matching.index import PoolIndex
from services.pool_matching.model import Pool
from shared.contracts.pool_matching import Criteria
from shared.postgres.pool import Connection

_PAGE = 10_000


class PoolCache:
    """One for a process. What it gives is at least as new as what the transaction sees."""

    def __init__(self, page: int = _PAGE) -> None:
        self._page = page
        self._change = 0
        self._index = PoolIndex()

    async def current(self, connection: Connection) -> PoolIndex:
        """The pools in force; reads those that changed since the last call.

        Changes are numbered in the order of their commits (`pool_changes`), so none below the highest seen is missing. Nothing is
        given before the last page was read: a process that has just begun holds its batch, since it does not know yet which
        pools somebody left.
        """
        is_behind = True
        while is_behind:
            rows = await connection.fetch(SQL["pools_changed_since"], self._change, self._page)
            # Another transaction may have been here while this one waited: a pool never goes back to an older version.
            newer = [row for row in rows if row["change"] > self._change]
            if newer:
                self._index.change({row["pool"]: read_pool(row) if row["criteria"] else None for row in newer})
                self._change = max(row["change"] for row in newer)
            is_behind = len(rows) >= self._page
        self._pack()
        return self._index

    def _pack(self) -> None:
        """At once, on the loop: once in 1,000 changes at 100,000 pools."""
        packing = self._index.packing()
        if packing is not None:
            try:
                self._index.swap(packing.run())
            except BaseException:
                self._index.give_up()
                raise


def read_pool(row: asyncpg.Record) -> Pool:
    """A pool from its row."""
    return Pool(
        id=row["pool"],
        employer=row["employer"],
        version=row["version"],
        name=row["name"],
        criteria=Criteria.model_validate_json(row["criteria"]),
    )
