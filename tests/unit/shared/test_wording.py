"""How days, moments and tenants read."""

from datetime import UTC, date, datetime

import pytest

from shared.wording import day, moment, tenant

EVENING = datetime(2026, 11, 28, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "words"),
    [
        ("America/Denver", "November 27, 2026, 9:05 pm MST"),
        ("America/New_York", "November 27, 2026, 11:05 pm EST"),
        ("Pacific/Guam", "November 28, 2026, 2:05 pm ChST"),
        ("Asia/Kathmandu", "November 28, 2026, 9:50 am UTC+0545"),
        (None, "November 28, 2026, 4:05 am UTC"),
        ("Nowhere/At_All", "November 28, 2026, 4:05 am UTC"),
        ("../../etc/passwd", "November 28, 2026, 4:05 am UTC"),
    ],
)
def test_a_moment_is_told_where_the_person_is_and_says_which_time_it_is(zone: str | None, words: str) -> None:
    assert moment(EVENING, zone) == words


@pytest.mark.parametrize(("hour", "words"), [(0, "12:00 am"), (12, "12:00 pm"), (13, "1:00 pm"), (11, "11:00 am")])
def test_noon_and_midnight_read_as_twelve(hour: int, words: str) -> None:
    assert moment(datetime(2026, 7, 4, hour, tzinfo=UTC)) == f"July 4, 2026, {words} UTC"


def test_a_day_is_the_one_that_it_is_where_the_person_is() -> None:
    assert day(EVENING, "America/Denver") == "November 27, 2026"
    assert day(EVENING) == "November 28, 2026"
    assert day(date(2027, 1, 31), "America/Denver") == "January 31, 2027"


def test_a_tenant_is_read_with_its_verified_domain() -> None:
    assert tenant("Denver Health", "denverhealth.org") == "Denver Health (denverhealth.org)"
    assert tenant("Denver Health", None) == "Denver Health"
