"""Pauses grow, stay below their limit, and differ from one replica to the next."""

from datetime import timedelta

import pytest

from shared.backoff import Backoff

SECOND = timedelta(seconds=1)


def pauses(chance: float, count: int, *, first: timedelta = SECOND, longest: timedelta = 5 * SECOND) -> list[timedelta]:
    backoff = Backoff(first, longest, chance=lambda: chance)
    return [backoff.next() for _ in range(count)]


def test_each_pause_is_twice_the_one_before_up_to_the_longest() -> None:
    assert pauses(1.0, 5) == [SECOND, 2 * SECOND, 4 * SECOND, 5 * SECOND, 5 * SECOND]


@pytest.mark.parametrize("chance", [0.0, 0.3, 1.0])
def test_at_least_half_of_each_pause_is_kept(chance: float) -> None:
    assert all(whole / 2 <= pause <= whole for pause, whole in zip(pauses(chance, 6), pauses(1.0, 6), strict=True))


def test_two_replicas_that_failed_together_do_not_come_back_together() -> None:
    one, other = Backoff(), Backoff()
    assert [one.next() for _ in range(8)] != [other.next() for _ in range(8)]


def test_what_worked_begins_anew() -> None:
    backoff = Backoff(SECOND, chance=lambda: 1.0)
    first = backoff.next()
    assert backoff.next() > first
    backoff.reset()
    assert backoff.next() == first


def test_a_first_pause_above_the_longest_is_cut() -> None:
    assert pauses(1.0, 2, first=9 * SECOND) == [5 * SECOND, 5 * SECOND]
