"""When a part counts as silent."""

from datetime import timedelta

import pytest

from deploy.local import liveness
from deploy.local.liveness import Liveness, until_silent


async def test_a_part_is_silent_after_so_many_questions_in_a_row_and_not_before() -> None:
    answers = iter([False, False, True, False, False, False])
    asked = 0

    async def lives() -> None:
        nonlocal asked
        asked += 1
        if not next(answers):
            raise TimeoutError

    await until_silent(lives, Liveness(timedelta(0), misses=3))
    assert asked == 6


async def test_what_was_asked_late_on_a_busy_machine_counts_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(liveness, "_LATE", timedelta(seconds=-1))  # every question is late
    asked = 0

    async def lives() -> None:
        nonlocal asked
        asked += 1
        if asked == 5:
            monkeypatch.setattr(liveness, "_LATE", timedelta(hours=1))
        raise TimeoutError

    await until_silent(lives, Liveness(timedelta(0), misses=3))
    assert asked == 7
