"""Letters of a batch are written in step."""

import asyncio
from collections.abc import Generator

from services.signup.courier.judging import in_step


async def test_all_do_their_first_step_then_all_their_next_and_others_work_in_between() -> None:
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
    assert await in_step([work("a", 2), work("b", 0), work("c", 1)]) == ["a", "b", "c"]
    assert done == ["a0", "b is over", "c0", "others", "a1", "c is over", "a is over"]
    await other
    assert await in_step([]) == []
