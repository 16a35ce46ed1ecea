"""What comes next is read while what was read is worked with."""

import asyncio

import pytest

from shared.ahead import one_ahead
from tests.waiting import others_run


class Source:
    """Numbers from one up to a last one; the second waits for `goes_on`, also where it is called off meanwhile, or fails."""

    def __init__(self, last: int, *, fails: Exception | None = None) -> None:
        self.happened: list[str] = []
        self.goes_on = asyncio.Event()
        self._last, self._fails, self._number = last, fails, 0

    async def read(self) -> int | None:
        self._number += 1
        number = self._number
        self.happened.append(f"reads {number}")
        if number == 2:
            if self._fails is not None:
                raise self._fails
            try:
                await self.goes_on.wait()
                self.happened.append("has read 2")
            except asyncio.CancelledError:
                self.happened.append("called off")
                await self.goes_on.wait()  # as PostgreSQL ends what it has in hand
                self.happened.append("has ended")
                raise
        return number if number <= self._last else None


async def test_the_next_is_read_while_one_is_worked_with_and_none_behind_it() -> None:
    source = Source(2)
    source.goes_on.set()

    async def work(number: int) -> None:
        source.happened.append(f"works {number}")
        await others_run()
        source.happened.append(f"worked {number}")

    await one_ahead(source.read, work)
    assert source.happened == [
        "reads 1",
        "reads 2",
        "has read 2",
        "works 1",
        "worked 1",
        "reads 3",
        "works 2",
        "worked 2",
    ]


async def test_what_is_being_read_is_called_off_and_has_ended_once_it_has_failed() -> None:
    source = Source(3)

    async def work(_: int) -> None:
        raise LookupError

    running = asyncio.create_task(one_ahead(source.read, work))
    await others_run()
    assert not running.done(), "the second has not ended"
    source.goes_on.set()
    with pytest.raises(LookupError):
        await running
    assert source.happened == ["reads 1", "reads 2", "called off", "has ended"]


async def test_what_failed_first_is_raised_and_not_what_failed_for_it() -> None:
    async def work(_: int) -> None:
        await others_run()
        raise RuntimeError("in a transaction that is lost")

    with pytest.raises(TimeoutError, match="the cause"):
        await one_ahead(Source(3, fails=TimeoutError("the cause")).read, work)


@pytest.mark.parametrize("fails", [False, True])
async def test_who_is_cancelled_again_and_again_leaves_nothing_that_is_being_read(*, fails: bool) -> None:
    source = Source(3)

    async def work(_: int) -> None:
        if fails:
            raise LookupError
        await asyncio.Event().wait()

    running = asyncio.create_task(one_ahead(source.read, work))
    for _ in range(3):
        await others_run()
        running.cancel()
    await others_run()
    stays = source.happened[-1] == "called off" and not running.done()
    source.goes_on.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert stays, "it is left alone before what it reads has ended"
    assert source.happened[-1] == "has ended"
