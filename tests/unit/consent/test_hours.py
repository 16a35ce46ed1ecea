"""How much of a day stays open."""

from datetime import time, timedelta

import pytest

from services.consent.decisions import open_time
from services.consent.model import Quiet


@pytest.mark.parametrize(
    ("start", "end", "hours"),
    [
        (time(21), time(8), 13),
        (time(22), time(9), 12),
        (time(12), time(13), 12),
        (time(8), time(21), 0),
        (time(20), time(12), 8),
        (time(7), time(20, 30), 0.5),
        (time(0), time(6), 13),
    ],
)
def test_quiet_hours_take_from_the_policys_hours(start: time, end: time, hours: float) -> None:
    assert open_time(Quiet(start, end), zone_is_known=True) == timedelta(hours=hours)


def test_without_quiet_hours_the_policys_hours_are_open() -> None:
    assert open_time(None, zone_is_known=True) == timedelta(hours=13)


def test_without_a_zone_only_what_is_open_in_all_states_counts() -> None:
    # In summer from 8 in Hawaii, which is 14 in New York, to 21 in New York.
    assert open_time(None, zone_is_known=False) == timedelta(hours=7)
