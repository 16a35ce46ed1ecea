"""When a person may be written to, said once: a day's hours on their own clock less their quiet ones, as UTC intervals."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

Interval = tuple[int, int]
"""In milliseconds since 1970, start inclusive, end exclusive."""
_DAYS_AHEAD = 16  # the latest slot of any policy, and a day on each side for zones


@dataclass(frozen=True, slots=True)
class Day:
    """From when until when one is written to, less the quiet hours, which may pass midnight."""

    opens: time
    closes: time
    quiet_start: time | None = None
    quiet_end: time | None = None

    @property
    def parts(self) -> list[tuple[time, time]]:
        """What is left open."""
        start, end = self.quiet_start, self.quiet_end
        if start is None or end is None or start == end:
            return [(self.opens, self.closes)]
        if start < end:
            left = [(self.opens, min(self.closes, start)), (max(self.opens, end), self.closes)]
        else:
            left = [(max(self.opens, end), min(self.closes, start))]
        return [(first, last) for first, last in left if first < last]


def open_intervals(day: Day, zones: Sequence[str], today: date, *, closes_early: timedelta) -> tuple[Interval, ...]:
    """What is open in all of these zones at once, ascending, from the day before on; each ends so much early.

    A slot at the very end would otherwise let a mail leave after hours.
    """
    open_everywhere: list[Interval] | None = None
    for zone in zones:
        here = _in_zone(day, ZoneInfo(zone), today)
        open_everywhere = here if open_everywhere is None else _both(open_everywhere, here)
    margin = closes_early // timedelta(milliseconds=1)
    return tuple((start, end - margin) for start, end in open_everywhere or [] if end - margin > start)


def _in_zone(day: Day, zone: ZoneInfo, today: date) -> list[Interval]:
    found: list[Interval] = []
    for offset in range(-1, _DAYS_AHEAD):
        that = today + timedelta(days=offset)
        for start, end in day.parts:
            first, last = _utc_ms(that, start, zone), _utc_ms(that, end, zone)
            if last > first:
                found.append((first, last))
    return sorted(found)


def _both(left: list[Interval], right: list[Interval]) -> list[Interval]:
    overlaps = ((max(a, c), min(b, d)) for a, b in left for c, d in right)
    return sorted((start, end) for start, end in overlaps if start < end)


def _utc_ms(day: date, moment: time, zone: ZoneInfo) -> int:
    return int(datetime.combine(day, moment, zone).timestamp() * 1000)
