"""Ticks: the moments at which an employer is told what came of other people's acts, and never in between."""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

DAY = timedelta(days=1)
SHORTEST = timedelta(hours=6)
"""No network that is not a laptop tells more often."""
_FIRST = datetime(1970, 1, 1, tzinfo=UTC)
_A_WEEK = 7


@dataclass(frozen=True, slots=True)
class Ticks:
    """When which employer is told: every `period`, at a moment of its own that the key gives it.

    No act of a person and no other employer's message moves a tick. All processes that have the same key and period agree.
    """

    key: bytes
    period: timedelta = DAY

    def last(self, employer: str, at: datetime) -> datetime:
        """The employer's last tick that is not after `at`."""
        begins = _FIRST + self._after_the_first(employer)
        return begins + (at - begins) // self.period * self.period

    def next(self, employer: str, at: datetime) -> datetime:
        """The employer's first tick after `at`."""
        return self.last(employer, at) + self.period

    def first(self, employer: str, at: datetime) -> datetime:
        """The employer's first tick that is not before `at`."""
        last = self.last(employer, at)
        return last if last == at else last + self.period

    def as_of(self, tick: datetime) -> datetime:
        """Of which moment a tick tells: the same for all employers, so that what two are told at different hours is cut at the
        same places. Were it cut at each one's own, two lists of arrivals laid side by side would name who came in between."""
        return _FIRST + (tick - _FIRST) // self.period * self.period

    def is_weekly(self, tick: datetime) -> bool:
        """Whether this is the one tick of the week at which a pool tells however little has changed: the first on a weekday that
        the key gives, one for all, for the same reason."""
        return tick.weekday() == self._number("weekday") % _A_WEEK and (tick - self.period).date() != tick.date()

    def were_weekly(self, employer: str, *, after: datetime | None, until: datetime) -> bool:
        """Whether one of the ticks after that one (None: the one before) and until this one is such a tick."""
        after = max(after or until - self.period, until - _A_WEEK * DAY)
        midnights = (datetime.combine(after.date(), time(), UTC) + days * DAY for days in range(_A_WEEK + 1))
        firsts = (self.first(employer, midnight) for midnight in midnights)
        return any(after < tick <= until and self.is_weekly(tick) for tick in firsts)

    def _after_the_first(self, employer: str) -> timedelta:
        seconds = max(1, int(self.period.total_seconds()))
        return timedelta(seconds=self._number("tick", employer) % seconds)

    def _number(self, *about: str) -> int:
        return int.from_bytes(hmac.digest(self.key, "\0".join(about).encode(), hashlib.sha256)[:8])
