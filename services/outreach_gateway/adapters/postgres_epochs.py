"""The epoch's row."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

from services.outreach_gateway.adapters.postgres import SQL
from services.outreach_gateway.ports import Booked, Epoch
from shared.messaging.unit import Unit

_ROWS_AT_A_TIME = 1000


class PostgresEpochs:
    """The `Epochs` inside one unit of work."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._sql = unit.connection

    async def present(self) -> Epoch:
        """Read without a lock."""
        return Epoch(await self._sql.fetchval(SQL["present_epoch"]))

    async def take(self) -> Epoch:
        """Whoever shares it ends first; from the moment that this waits, nobody else begins to."""
        await self._sql.execute(SQL["lock_epoch"])
        return Epoch(await self._sql.fetchval(SQL["take_epoch"]))

    async def booked(self, kept: timedelta) -> AsyncIterator[Sequence[Booked]]:
        """Slots, a thousand at a time."""
        cursor = await self._sql.cursor(SQL["booked"], self._unit.at - kept)
        while rows := await cursor.fetch(_ROWS_AT_A_TIME):
            yield [Booked(row["id"], row["employer"], row["candidate"], row["slot_at"]) for row in rows]

    async def begin(self, epoch: Epoch) -> None:
        """The new name."""
        await self._sql.execute(SQL["begin_epoch"], epoch.name)

    async def due_state(self) -> tuple[int, timedelta]:
        """How many rows have come due, and since when the oldest has been."""
        row = await self._sql.fetchrow(SQL["due_state"], self._unit.at)
        return (row["rows"], row["age"]) if row is not None else (0, timedelta(0))

    async def forget_ended(self, limit: int, *, kept: timedelta) -> int:
        """By the index of what has ended."""
        return len(await self._sql.fetch(SQL["forget_ended"], self._unit.at - kept, limit))

    async def forget_changes(self, limit: int, *, kept: timedelta) -> int:
        """Some at a time, so that no lock is held for long."""
        gone: int = await self._sql.fetchval(SQL["forget_changes"], self._unit.at - kept, limit)
        return gone
