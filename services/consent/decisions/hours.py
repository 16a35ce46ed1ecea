"""How much of a day stays open for messages."""

from datetime import time, timedelta
from functools import lru_cache

from services.consent.model import POLICY_CLOSES, POLICY_OPENS, Quiet

_DAY = 24 * 60
# Hours from UTC of the zones of the 50 states, Hawaii to the east coast, in winter and in summer (15 U.S.C. 261).
_ALL_STATES = (range(-10, -4), range(-10, -3))


@lru_cache(maxsize=1024)  # 3 ms of counting where the zone is unknown, under the lock of the row
def open_time(quiet: Quiet | None, *, zone_is_known: bool) -> timedelta:
    """The policy's hours less the quiet ones; without a zone, what is open in all 50 states at once, at the least."""
    if zone_is_known:
        return _together(quiet, (0,))
    return min(_together(quiet, offsets) for offsets in _ALL_STATES)


def _together(quiet: Quiet | None, offsets: tuple[int, ...] | range) -> timedelta:
    here = [_is_open(minute, quiet) for minute in range(_DAY)]
    everywhere = (all(here[(minute + offset * 60) % _DAY] for offset in offsets) for minute in range(_DAY))
    return timedelta(minutes=sum(everywhere))


def _is_open(minute: int, quiet: Quiet | None) -> bool:
    if not _minutes(POLICY_OPENS) <= minute < _minutes(POLICY_CLOSES):
        return False
    if quiet is None:
        return True
    start, end = _minutes(quiet.start), _minutes(quiet.end)
    is_quiet = start <= minute < end if start <= end else minute >= start or minute < end
    return not is_quiet


def _minutes(moment: time) -> int:
    return moment.hour * 60 + moment.minute
