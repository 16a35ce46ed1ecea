"""Who waits for whom inside one courier."""

import asyncio
from collections.abc import Sequence

import pytest

from services.signup.courier.queueing import Batcher, Places
from tests.waiting import others_run


async def test_of_those_who_wait_for_a_place_the_urgent_go_first_and_else_who_came_first() -> None:
    places, began, gates = Places(1), list[str](), dict[str, asyncio.Event]()

    async def work(name: str, lane: int) -> None:
        gates[name] = asyncio.Event()
        async with places.place(lane):
            began.append(name)
            await gates[name].wait()

    names = {"first": 2, "outreach": 2, "notice": 1, "other outreach": 2, "sign-in": 0}
    tasks = [asyncio.create_task(work(name, lane)) for name, lane in names.items()]
    await others_run()
    while len(began) < len(names):
        gates[began[-1]].set()
        await others_run()
    gates[began[-1]].set()
    await asyncio.gather(*tasks)
    assert began == ["first", "sign-in", "notice", "outreach", "other outreach"]


async def test_a_place_that_was_given_to_somebody_who_has_left_goes_to_the_next() -> None:
    places, gate = Places(1), asyncio.Event()

    async def hold() -> None:
        async with places.place(0):
            await gate.wait()

    first, second, third = (asyncio.create_task(hold()) for _ in range(3))
    await others_run()
    gate.set()
    await asyncio.wait({first})
    second.cancel()
    await asyncio.gather(first, second, third, return_exceptions=True)
    assert third.done()
    async with asyncio.timeout(180), places.place(0):
        pass


async def test_what_comes_while_a_turn_is_under_way_goes_together_in_the_next() -> None:
    turns, gate = list[list[int]](), asyncio.Event()

    async def double(items: Sequence[int]) -> Sequence[int]:
        turns.append(list(items))
        await gate.wait()
        return [2 * item for item in items]

    together = Batcher(double)
    asked = [asyncio.create_task(together(1))]
    await others_run()
    asked += [asyncio.create_task(together(item)) for item in (2, 3, 4)]
    await others_run()
    gate.set()
    assert await asyncio.gather(*asked) == [2, 4, 6, 8]
    assert turns == [[1], [2, 3, 4]], "nobody is answered by a turn that began before they asked"


async def test_what_a_turn_raises_it_raises_for_all_that_were_in_it() -> None:
    async def fail(items: Sequence[int]) -> Sequence[int]:
        raise RuntimeError

    together = Batcher(fail)
    found = await asyncio.gather(*(together(item) for item in (1, 2)), return_exceptions=True)
    assert [type(one) for one in found] == [RuntimeError, RuntimeError]
    with pytest.raises(RuntimeError):
        await together(3)
