"""A clock that stands still until a test moves it."""

from datetime import UTC, datetime, timedelta

from shared.clock import Clock

NOON = datetime(2026, 11, 23, 19, 0, tzinfo=UTC)
"""Noon in Denver on a Monday: open hours in all zones of the 50 states."""


class FixedClock(Clock):
    """Shows the moment it was set to."""

    def __init__(self, moment: datetime = NOON) -> None:
        super().__init__()
        self._moment = moment

    def now(self) -> datetime:
        """The moment that was set."""
        return self._moment

    @property
    def offset_ms(self) -> int:
        """How far the moment is ahead of real time, in milliseconds."""
        return (self._moment - datetime.now(UTC)) // timedelta(milliseconds=1)

    def at(self, moment: datetime) -> None:
        """Set the clock to this moment."""
        self._moment = moment
        self.tell_moved()

    def advance(self, step: timedelta) -> None:
        """Move the clock on by this much."""
        self.at(self._moment + step)
