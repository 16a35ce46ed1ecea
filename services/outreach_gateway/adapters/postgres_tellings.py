"""What employers come to be told, in PostgreSQL."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from services.outreach_gateway.adapters.kept import SQL
from services.outreach_gateway.adapters.postgres_requests import course_of_row
from services.outreach_gateway.answers import News, Told, Untold
from services.outreach_gateway.ports.outreach import TELLINGS
from shared.feed.model import Telling
from shared.feed.ports import FeedWriter
from shared.messaging.unit import Unit


class PostgresTellings:
    """The `Tellings` inside one unit of work; `feed` is the one that employers read."""

    def __init__(self, unit: Unit, feed: Callable[[Unit], FeedWriter]) -> None:
        self._unit = unit
        self._sql = unit.connection
        self._feed = feed(unit)

    @property
    def at(self) -> datetime:
        """The unit's time."""
        return self._unit.at

    async def take(self, ticks: Mapping[str, datetime], limit: int) -> list[Untold]:
        """By each employer's own index."""
        rows = await self._sql.fetch(SQL["take_untold"], list(ticks), list(ticks.values()), limit)
        return [Untold(row["id"], row["employer"], course_of_row(row), Told(row["told"])) for row in rows]

    async def tell(self, looked_at: Sequence[tuple[Untold, Told, datetime | None]], news: Mapping[str, News]) -> None:
        """Rows and feed together."""
        if not looked_at:
            return
        await self._sql.execute(
            SQL["tell"],
            [row.outreach for row, _, _ in looked_at],
            [what.value for _, what, _ in looked_at],
            [again_at for _, _, again_at in looked_at],
        )
        tellings = [Telling(row.employer, news[row.outreach].said()) for row, _, _ in looked_at if row.outreach in news]
        await self._feed.write(tellings)

    async def next(self, employers: Sequence[str]) -> dict[str, datetime]:
        """The first entry of each employer's index."""
        rows = await self._sql.fetch(SQL["next_untold"], list(employers))
        return {row["employer"]: row["at"] for row in rows if row["at"] is not None}

    async def missed(self, limit: int) -> list[str]:
        """Employers without a row of work."""
        return [row["employer"] for row in await self._sql.fetch(SQL["missed_untold"], self.at, limit)]

    def tell_at(self, employers: Sequence[str], at: datetime) -> None:
        """Scheduled."""
        for employer in dict.fromkeys(employers):
            self._unit.work.add(TELLINGS, [employer], at=at, flow=employer)

    async def adopt(self, limit: int) -> int:
        """As they are found by their index."""
        return len(await self._sql.fetch(SQL["adopt"], limit))
