"""What became of messages in months that are over."""

from datetime import UTC, date, datetime, time
from pathlib import Path

from services.outreach_gateway.history import FEWEST_EMPLOYERS, FEWEST_MESSAGES, MAJORS, Figures, month_after
from shared.messaging.unit import Unit
from shared.postgres.queries import load

SQL = load(Path(__file__).with_name("history.sql"))


class PostgresHistory:
    """The `History` inside one unit of work."""

    def __init__(self, unit: Unit) -> None:
        self._sql = unit.connection
        self._at = unit.at

    @property
    def at(self) -> datetime:
        """The time of the unit."""
        return self._at

    async def next_major(self, month: date) -> str | None:
        """By the rows that say which were kept."""
        major: str | None = await self._sql.fetchval(SQL["next_major"], month, list(MAJORS))
        return major

    async def keep(self, month: date, major: str) -> None:
        """One statement over the messages of one major group, and one that it was done."""
        begin, end = (datetime.combine(day, time(), UTC) for day in (month, month_after(month)))
        after = major[:-1] + chr(ord(major[-1]) + 1)
        await self._sql.execute(SQL["keep_history"], month, major, after, begin, end, FEWEST_MESSAGES, FEWEST_EMPLOYERS)
        await self._sql.execute(SQL["note_major"], month, major)

    async def figures(self, occupation: str, state: str | None) -> Figures | None:
        """One row, by its key."""
        row = await self._sql.fetchrow(SQL["history"], occupation, state or "")
        if row is None:
            return None
        return Figures(row["month"], row["messages"], row["sent_percent"], row["days_median"], row["days_nine_of_ten"])
