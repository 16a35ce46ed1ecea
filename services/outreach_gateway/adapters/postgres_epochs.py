"""The rows that name the epochs of the shards."""

from collections.abc import Mapping, Sequence
from datetime import UTC, timedelta

import asyncpg

from services.outreach_gateway.adapters.kept import SQL
from services.outreach_gateway.ports.windows import NEVER_BUILT, Booked, Building, Epoch, Shard
from shared.messaging.unit import Unit

_NOBODY = "00000000-0000-0000-0000-000000000000"


class PostgresEpochs:
    """The `Epochs` inside one unit of work."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._sql = unit.connection

    async def present(self) -> Mapping[int, Shard]:
        """Read without a lock."""
        return {row["shard"]: _shard(row) for row in await self._sql.fetch(SQL["present_epochs"])}

    async def take(self, shard: int) -> Shard:
        """Whoever shares it ends first; from the moment that this waits, nobody else begins to."""
        await self._sql.execute(SQL["lock_epoch"], shard)
        (row,) = await self._sql.fetch(SQL["take_epoch"], shard)
        return _shard(row)

    async def begin(self, shard: int, epoch: Epoch, *, kept: timedelta) -> None:
        """From the first person on; the time that it takes counts from its first beginning."""
        await self._sql.execute(SQL["begin_epoch"], shard, epoch.name, self._unit.at - kept)

    async def claim(self, *, but: Sequence[int]) -> Building | None:
        """Who builds passes over what another builds."""
        row = await self._sql.fetchrow(SQL["claim_epoch"], list(but))
        return None if row is None else _shard(row).building

    async def page(self, building: Building, limit: int, *, kept: timedelta) -> list[Booked]:
        """By the index of the shard's slots."""
        rows = await self._sql.fetch(
            SQL["page_of_shard"], building.shard, building.after or _NOBODY, self._unit.at - kept, limit
        )
        return [Booked(*row) for row in rows]

    async def placed(self, building: Building, page: Sequence[Booked]) -> None:
        """The last of them, and how many slots they have."""
        slots = sum(person.slots for person in page)
        await self._sql.execute(SQL["note_placed"], building.shard, page[-1].candidate, slots)

    async def end(self, building: Building) -> timedelta:
        """The new name."""
        took: timedelta = await self._sql.fetchval(SQL["end_epoch"], building.shard)
        return took

    async def due_state(self) -> tuple[int, timedelta]:
        """How many rows have come due, counted up to 10,000, and since when the oldest has been."""
        row = await self._sql.fetchrow(SQL["due_state"], self._unit.at)
        return (row["rows"], row["age"]) if row is not None else (0, timedelta(0))

    async def forget_ended(self, limit: int, *, kept: timedelta) -> int:
        """By the index of what has ended."""
        day = (self._unit.at - kept).astimezone(UTC).date()
        return len(await self._sql.fetch(SQL["forget_ended"], day, limit))


def _shard(row: asyncpg.Record) -> Shard:
    epoch, building = Epoch(row["name"]), row["building"]
    if building is None:
        return Shard(epoch)
    is_first = epoch == NEVER_BUILT
    return Shard(
        epoch, Building(row["shard"], Epoch(building), row["after"], row["placed"], row["total"], is_first=is_first)
    )
