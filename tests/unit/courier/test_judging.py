"""Letters of a batch are written in step."""

import asyncio
import itertools
from collections.abc import Generator

from services.signup.courier.judging import in_step


async def test_all_do_their_first_step_then_all_their_next_and_others_have_their_turn_after_a_millisecond() -> None:
    done: list[str] = []

    def work(name: str, steps: int) -> Generator[None, None, str]:
        for number in range(steps):
            done.append(f"{name}{number}")
            yield
        done.append(f"{name} is over")
        return name

    async def others() -> None:
        done.append("others")

    other = asyncio.create_task(others())
    seconds = itertools.count(0.0, 0.0004)
    works = [work("a", 2), work("b", 0), work("c", 1)]
    assert await in_step(works, now=lambda: next(seconds)) == ["a", "b", "c"]
    assert done == ["a0", "b is over", "c0", "others", "a1", "c is over", "a is over"]
    await other
    assert await in_step([]) == []
