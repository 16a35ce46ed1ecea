"""When a part counts as silent."""

from datetime import timedelta

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
