"""The promises to people that the checker recounts: the first policy, written a second time on purpose."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

_FIFTY_STATES = (
    "America/New_York", "America/Chicago", "America/Denver", "America/Phoenix", "America/Los_Angeles",
    "America/Anchorage", "America/Adak", "Pacific/Honolulu",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cap:
    """At most `most` in any stretch of this length; a message exactly `within` after another is outside."""

    name: str
    most: int
    within: timedelta


@dataclass(frozen=True, slots=True)
class PolicyWindows:
    """What may arrive. Lengths are those of the policy: the gateway's own windows are ten minutes longer."""

    network: tuple[Cap, ...] = (
        Cap("at most 2 first contacts in 7 days", 2, timedelta(days=7)),
        Cap("at most 6 first contacts in 30 days", 6, timedelta(days=30)),
        Cap("24 hours between two first contacts", 1, timedelta(hours=24)),
    )
    employer: Cap = Cap("at most 1 first contact of one employer in 90 days", 1, timedelta(days=90))
    unanswered_after: timedelta = timedelta(days=7)
    halve_after_unanswered: int = 0
    """Who left so many unanswered has half the network's caps, never below 1. 0: never; nobody can answer yet."""
    opens: time = time(8)
    closes: time = time(21)
    slot_is_good_for: timedelta = timedelta(minutes=10)
    """A mail may arrive this much later than the slot that was in open hours."""
    withdrawal_within: timedelta = timedelta(seconds=1)
    """Nothing is handed to a relay later than this after a withdrawal was answered."""

    def is_open(self, moment: datetime, zone: str | None) -> bool:
        """Whether the hour is decent where the person is; for an unknown zone, in all of the 50 states."""
        return all(self.opens <= there < self.closes for there in self.times_there(moment, zone))

    def times_there(self, moment: datetime, zone: str | None) -> list[time]:
        """What the clock shows where the person may be."""
        return [moment.astimezone(ZoneInfo(name)).time() for name in ((zone,) if zone else _FIFTY_STATES)]


FIRST_POLICY = PolicyWindows()
