"""What a process does by the clock it does together."""

import runpy
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import beats
from shared.beats import beat_after, beat_ms, next_beat, until_beat
from tests.waiting import clock_to_set

MOMENTS = st.floats(min_value=0, max_value=1e7)
PERIODS = st.sampled_from([timedelta(milliseconds=ms) for ms in (100, 200, 500, 1000, 2000, 3000, 5000, 60_000)])


@given(MOMENTS, PERIODS)
def test_the_next_beat_is_ahead_and_no_further_than_a_period(moment: float, period: timedelta) -> None:
    ahead = beat_after(moment, period) - moment
    assert 0 < ahead <= period.total_seconds() + 0.0011


@given(MOMENTS, PERIODS, st.integers(2, 50))
def test_the_beats_of_a_longer_period_are_among_those_of_one_that_it_is_a_multiple_of(
    moment: float, period: timedelta, times: int
) -> None:
    at = beat_after(moment, times * period)
    assert beat_after(at - 0.01, period) == pytest.approx(at, abs=1e-6)


@given(MOMENTS, PERIODS)
def test_whoever_is_woken_by_a_beat_waits_for_another_one(moment: float, period: timedelta) -> None:
    at = beat_after(moment, period)
    for woken in (at - 0.0009, at, at + 0.0009):  # a loop counts in thousandths
        assert beat_after(woken, period) == pytest.approx(at + period.total_seconds(), abs=1e-6)


async def test_two_that_begin_at_different_times_come_together() -> None:
    period = timedelta(hours=1)
    with clock_to_set() as put_forward:
        put_forward(until_beat(period) + 10)
        first = until_beat(period)
        put_forward(1200)
        assert until_beat(period) == pytest.approx(first - 1200, abs=5)
        assert beat_ms(period) == pytest.approx(1000 * (first - 1200), abs=5000)


def test_two_processes_do_not_come_at_the_same_moments() -> None:
    period = timedelta(minutes=1)
    first, second = (runpy.run_path(beats.__file__)["beat_after"](1000.0, period) for _ in range(2))
    assert first != second
    assert max(first, second) <= 1060.002


async def test_sleeping_until_a_beat_ends() -> None:
    await next_beat(timedelta(milliseconds=1))
