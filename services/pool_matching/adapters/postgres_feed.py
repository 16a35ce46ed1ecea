"""The feeds of employers, in PostgreSQL."""

from collections.abc import Sequence
from datetime import datetime

from services.pool_matching.adapters.sql import SQL
from services.pool_matching.model import Position, Update
from shared.postgres.pool import Connection


class PostgresFeed:
    """`FeedStore` on a connection; the order is explained at `read_feed`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def note(self, updates: Sequence[tuple[str, Update]], at: datetime) -> None:
        """One statement for all."""
        await self._connection.execute(
            SQL["write_feed"],
            [employer for employer, _ in updates],
            [update.id for _, update in updates],
            [update.pool for _, update in updates],
            [update.member_ref for _, update in updates],
            [update.change for _, update in updates],
            [update.at for _, update in updates],
            at,
        )

    async def read(self, employer: str, *, after: Position, limit: int) -> list[Update]:
        """Up to the oldest transaction still running."""
        rows = await self._connection.fetch(SQL["read_feed"], employer, after.transaction, after.row, limit)
        return [
            Update(
                position=Position(row["written_by"], row["id"]),
                id=row["update_id"],
                change=row["change"],
                pool=row["pool"],
                member_ref=row["member_ref"],
                at=row["at"],
            )
            for row in rows
        ]

    async def forget(self, before: datetime, limit: int) -> int:
        """Some at a time, so that no lock is held for long."""
        return len(await self._connection.fetch(SQL["forget_feed"], before, limit))
