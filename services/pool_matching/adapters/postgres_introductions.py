"""Who introduced whom, and who held whose seat, in PostgreSQL."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from services.pool_matching.adapters.postgres_persons import ERASURES_LOCK, LAST_VERSION
from services.pool_matching.ports import Introduction
from shared.messaging.unit import Unit
from shared.postgres.queries import load

_SQL = load(Path(__file__).with_name("introductions.sql"))


class PostgresIntroductions:
    """`IntroductionStore` in a unit of work."""

    def __init__(self, unit: Unit) -> None:
        self._connection = unit.connection
        self.at: datetime = unit.at

    async def note(self, introductions: Sequence[Introduction]) -> None:
        """Under the lock that an erasure takes alone: what it does not see here sees it."""
        await self._connection.execute(_SQL["hold_erasures"], ERASURES_LOCK)
        await self._connection.execute(
            _SQL["note_introductions"],
            [one.candidate for one in introductions],
            [one.vendor for one in introductions],
            [one.employer or "" for one in introductions],
            [one.at for one in introductions],
            LAST_VERSION,
        )

    async def confirmed(self, first: Mapping[str, datetime]) -> None:
        """Nothing of whoever was erased."""
        await self._connection.execute(_SQL["note_confirmed"], list(first), list(first.values()), LAST_VERSION)

    async def introduced(self, employer: str, tick: datetime, as_of: datetime) -> int:
        """A row an employer; counted by the index of introductions by employer."""
        people = await self._connection.fetchval(_SQL["introduced_told"], employer, tick)
        if people is None:
            await self._connection.execute(_SQL["introduced"], employer, tick, as_of, LAST_VERSION)
            people = await self._connection.fetchval(_SQL["introduced_told"], employer, tick)
        return int(people)

    async def seat(self, vendors: Mapping[str, str | None]) -> None:
        """Whoever held the seat gives it up, then the other takes it."""
        now = (list(vendors), list(vendors.values()))
        await self._connection.execute(_SQL["give_up_seats"], *now, self.at)
        await self._connection.execute(_SQL["take_seats"], *now)
