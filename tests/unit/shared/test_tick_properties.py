"""When ticks are, whatever the employer, the period and the hour."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.ticks import DAY, SHORTEST, Ticks

KEY = b"k" * 32
WEEK = timedelta(days=7)
EMPLOYERS = st.sampled_from(["emp_a", "emp_b", "emp_c", "emp_denverhealth"])
MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2036, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 (the strategy adds it)
PERIODS = st.integers(int(SHORTEST.total_seconds()), int(DAY.total_seconds())).map(lambda s: timedelta(seconds=s))


@given(EMPLOYERS, MOMENTS, PERIODS)
def test_there_is_one_tick_a_period(employer: str, at: datetime, period: timedelta) -> None:
    ticks = Ticks(KEY, period)
    last = ticks.last(employer, at)
    assert last <= at < last + period == ticks.next(employer, at)
    assert ticks.last(employer, last) == last == ticks.first(employer, last)
    assert ticks.first(employer, at) in (at, ticks.next(employer, at))


@given(EMPLOYERS, MOMENTS, MOMENTS, PERIODS)
def test_all_processes_agree_whatever_time_they_ask_for(
    employer: str, at: datetime, other: datetime, period: timedelta
) -> None:
    mine, theirs = Ticks(KEY, period).last(employer, at), Ticks(bytes(KEY), period).last(employer, other)
    assert (mine - theirs) % period == timedelta(0)


@given(EMPLOYERS, MOMENTS, PERIODS)
def test_who_has_another_key_knows_no_tick(employer: str, at: datetime, period: timedelta) -> None:
    others = {Ticks(bytes([number]) * 32, period).last(employer, at) for number in range(8)}
    assert len(others) > 1


def test_employers_have_ticks_of_their_own_spread_over_the_day() -> None:
    at = datetime(2026, 11, 28, tzinfo=UTC)
    hours = {Ticks(KEY).last(f"emp_{number}", at).hour for number in range(200)}
    assert len(hours) == 24


@given(EMPLOYERS, MOMENTS, PERIODS)
@example("emp_a", datetime(2026, 11, 28, tzinfo=UTC), timedelta(hours=23, minutes=59))
def test_one_tick_in_any_seven_days_is_the_weekly_one(employer: str, at: datetime, period: timedelta) -> None:
    """Seven days from midnight to midnight: also where the hour of the tick moves through the day, past midnight."""
    ticks, begins = Ticks(KEY, period), at.replace(hour=0, minute=0, second=0, microsecond=0)
    tick, weekly = ticks.first(employer, begins), 0
    while tick < begins + WEEK:
        weekly += ticks.is_weekly(tick)
        tick += period
    assert weekly == 1


@given(MOMENTS, PERIODS)
def test_all_are_told_of_the_same_moments_whenever_their_ticks_are(at: datetime, period: timedelta) -> None:
    ticks = Ticks(KEY, period)
    moments = {ticks.as_of(ticks.last(f"emp_{number}", at)) for number in range(20)}
    assert len(moments) <= 2
    assert all(ticks.as_of(moment) == moment for moment in moments)


@given(EMPLOYERS, MOMENTS, PERIODS)
def test_each_tick_tells_of_a_moment_of_its_own_not_after_it(employer: str, at: datetime, period: timedelta) -> None:
    ticks = Ticks(KEY, period)
    tick = ticks.last(employer, at)
    assert timedelta(0) <= tick - ticks.as_of(tick) < period
    assert ticks.as_of(tick + period) - ticks.as_of(tick) == period


@given(EMPLOYERS, MOMENTS, PERIODS, st.integers(1, 30))
def test_whoever_missed_some_ticks_is_told_whether_the_weekly_one_was_among_them(
    employer: str, at: datetime, period: timedelta, missed: int
) -> None:
    ticks = Ticks(KEY, period)
    tick = ticks.last(employer, at)
    among = [one for number in range(missed) if tick - (one := tick - number * period) < WEEK]
    after = among[-1] - period
    assert ticks.were_weekly(employer, after=after, until=tick) == any(map(ticks.is_weekly, among))
    assert ticks.were_weekly(employer, after=None, until=tick) == ticks.is_weekly(tick)
    assert not ticks.were_weekly(employer, after=tick, until=tick)


def test_the_weekday_is_the_keys() -> None:
    tick = datetime(2026, 11, 28, tzinfo=UTC)
    keys = [bytes([number]) * 32 for number in range(50)]
    assert {next(day for day in range(7) if Ticks(key).is_weekly(tick + day * DAY)) for key in keys} == set(range(7))


@pytest.mark.parametrize("period", [SHORTEST, timedelta(hours=7), timedelta(hours=23, minutes=59), DAY])
def test_weekly_ticks_of_a_year_are_a_week_apart_to_the_period(period: timedelta) -> None:
    ticks, tick = Ticks(KEY, period), Ticks(KEY, period).first("emp_a", datetime(2026, 1, 1, tzinfo=UTC))
    found = []
    while tick < datetime(2027, 1, 1, tzinfo=UTC):
        if ticks.is_weekly(tick):
            found.append(tick)
        tick += period
    assert all(abs(later - earlier - WEEK) < period for earlier, later in pairwise(found))
