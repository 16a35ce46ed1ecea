"""When a person may be written to: the policy's hours in their zone, less their quiet hours, as UTC intervals."""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from services.outreach_gateway.model import Consent, Policy
from shared.contracts import hours
from shared.contracts.hours import Interval

_LAST_ZONE = ZoneInfo("Pacific/Pago_Pago")
_LAST_DAY = date.max - timedelta(days=2)  # later ones have no end that can be written down


def open_hours(policy: Policy, consent: Consent, *, at: datetime) -> tuple[Interval, ...]:
    """Open intervals in UTC milliseconds from the day before `at` on; each ends `slot_good_for` early.

    A slot at the very end would otherwise let a mail leave after hours. 8:00 to 21:00 is the norm of 47 CFR 64.1200.
    """
    zones = (consent.time_zone,) if consent.time_zone else policy.unknown_zone
    return _intervals(policy, zones, consent.quiet_start, consent.quiet_end, at.astimezone(UTC).date())


def end_of_day(policy: Policy, consent: Consent, day: date) -> datetime | None:
    """When this day is over where the person is, or where it is over first when they told no zone; None: not foreseeable."""
    return _end_of_day((consent.time_zone,) if consent.time_zone else policy.unknown_zone, day)


@lru_cache(maxsize=4096)
def _end_of_day(zones: tuple[str, ...], day: date) -> datetime | None:
    if day >= _LAST_DAY:
        return None
    midnight = datetime.combine(day + timedelta(days=1), time())
    return min(midnight.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) for zone in zones)


def is_still_open(day: date, *, at: datetime) -> bool:
    """Whether this day is not over yet in the last of the zones of the United States and their territories."""
    return day >= at.astimezone(_LAST_ZONE).date()


@lru_cache(maxsize=4096)
def _intervals(
    policy: Policy, zones: tuple[str, ...], quiet_start: time | None, quiet_end: time | None, today: date
) -> tuple[Interval, ...]:
    day = hours.Day(policy.opens, policy.closes, quiet_start, quiet_end)
    return hours.open_intervals(day, zones, today, closes_early=policy.slot_good_for)
