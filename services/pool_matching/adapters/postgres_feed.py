"""The feeds of employers, in PostgreSQL."""

from collections.abc import Sequence
from datetime import timedelta

from services.pool_matching.adapters.sql import SQL
from services.pool_matching.model import Position, Update
from shared.contracts.pool_matching import PoolUpdatedV1
from shared.messaging.unit import Unit


class PostgresFeed:
    """`FeedStore` in a unit of work; the order is explained at `read_feed`."""

    def __init__(self, unit: Unit) -> None:
        self._connection = unit.connection
        self._at = unit.at

    async def note(self, updates: Sequence[tuple[str, PoolUpdatedV1]]) -> None:
        """One statement for all."""
        events = [event for _, event in updates]
        await self._connection.execute(
            SQL["write_feed"],
            [event.employer for event in events],
            [id_ for id_, _ in updates],
            [event.pool for event in events],
            [event.member_ref for event in events],
            [event.change for event in events],
            [event.at for event in events],
            self._at,
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

    async def forget(self, limit: int, *, kept: timedelta) -> int:
        """Some at a time, so that no lock is held for long."""
        gone: int = await self._connection.fetchval(SQL["forget_feed"], self._at - kept, limit)
        return gone

    async def forgotten(self, employer: str) -> Position:
        """How far back it does not go."""
        row = await self._connection.fetchrow(SQL["feed_forgotten"], employer)
        return Position() if row is None else Position(row["written_by"], row["id"])
