"""When a person may be written to: the policy's hours in their zone, less their quiet hours, as UTC intervals."""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from services.outreach_gateway.model import Consent, Policy

Interval = tuple[int, int]
_LAST_ZONE = ZoneInfo("Pacific/Pago_Pago")
_LAST_DAY = date.max - timedelta(days=2)  # later ones have no end that can be written down
_DAYS_AHEAD = 16  # the policy's latest slot, and a day on each side for zones


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
    open_everywhere: list[Interval] | None = None
    for zone in zones:
        here = _in_zone(policy, ZoneInfo(zone), quiet_start, quiet_end, today)
        open_everywhere = here if open_everywhere is None else _both(open_everywhere, here)
    margin = _ms(policy.slot_good_for)
    return tuple((start, end - margin) for start, end in open_everywhere or [] if end - margin > start)


def _in_zone(
    policy: Policy, zone: ZoneInfo, quiet_start: time | None, quiet_end: time | None, today: date
) -> list[Interval]:
    found: list[Interval] = []
    for offset in range(-1, _DAYS_AHEAD):
        day = today + timedelta(days=offset)
        for start, end in _day(policy, quiet_start, quiet_end):
            first, last = _utc_ms(day, start, zone), _utc_ms(day, end, zone)
            if last > first:
                found.append((first, last))
    return sorted(found)


def _day(policy: Policy, quiet_start: time | None, quiet_end: time | None) -> list[tuple[time, time]]:
    opens, closes = policy.opens, policy.closes
    if quiet_start is None or quiet_end is None or quiet_start == quiet_end:
        return [(opens, closes)]
    if quiet_start < quiet_end:
        parts = [(opens, min(closes, quiet_start)), (max(opens, quiet_end), closes)]
    else:
        parts = [(max(opens, quiet_end), min(closes, quiet_start))]
    return [(start, end) for start, end in parts if start < end]


def _both(left: list[Interval], right: list[Interval]) -> list[Interval]:
    overlaps = ((max(a, c), min(b, d)) for a, b in left for c, d in right)
    return sorted((start, end) for start, end in overlaps if start < end)


def _utc_ms(day: date, moment: time, zone: ZoneInfo) -> int:
    return int(datetime.combine(day, moment, zone).timestamp() * 1000)


def _ms(length: timedelta) -> int:
    return length // timedelta(milliseconds=1)
