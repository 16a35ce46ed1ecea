"""Where a job is, by its location; what an employer reads of months that are over."""

from datetime import date

import pytest

from services.outreach_gateway.api.history import shown
from services.outreach_gateway.history import Figures, month_after, state_of


@pytest.mark.parametrize(
    ("location", "state"),
    [
        ("Denver, CO", "CO"),
        ("Denver, CO 80204", "CO"),
        ("Denver CO 80204-1234", "CO"),
        ("CO", "CO"),
        ("Denver", None),
        ("Denver, Colorado", None),
        ("Remote", None),
        ("80204", None),
        ("Toronto, ON", None),
        ("", None),
    ],
)
def test_a_jobs_state_is_what_its_location_ends_with(location: str, state: str | None) -> None:
    assert state_of(location) == state


def test_months_follow_each_other_over_the_year() -> None:
    assert [month_after(date(2026, month, 1)) for month in (1, 11, 12)] == [
        date(2026, 2, 1),
        date(2026, 12, 1),
        date(2027, 1, 1),
    ]


def test_figures_are_told_in_words_too_and_where_there_are_none_what_to_ask_instead() -> None:
    told = shown("29-1141", "CO", Figures(date(2026, 10, 1), 300, 65, 2, 6))
    assert (told.month, told.messages, told.sent_percent) == ("2026-10", 300, 65)
    assert (
        "Of 300 or more messages about 65 % were sent; half of those within 2 days, nine of ten within 6" in told.detail
    )
    none = shown("29-1141", None, None)
    assert (none.month, none.messages) == (None, None)
    assert "Ask for the major group" in none.detail
    assert "half" not in shown("29-1141", None, Figures(date(2026, 10, 1), 100, 0, None, None)).detail
