"""What comes next is read while what was read is worked with."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from shared.ahead import one_ahead


def _numbers(upto: int, happened: list[str]) -> Callable[[], Awaitable[int | None]]:
    numbers = iter(range(1, upto + 1))

    async def read() -> int | None:
        number = next(numbers, None)
        happened.append(f"reads {number}")
        await asyncio.sleep(0)
        return number

    return read


async def test_the_next_is_read_while_one_is_worked_with_and_no_other() -> None:
    happened = list[str]()

    async def work(number: int) -> None:
        happened.append(f"works {number}")
        for _ in range(9):
            await asyncio.sleep(0)
        happened.append(f"worked {number}")

    await one_ahead(_numbers(2, happened), work)
    assert happened == ["reads 1", "reads 2", "works 1", "worked 1", "reads None", "works 2", "worked 2"]


async def test_nobody_reads_any_more_when_the_work_failed() -> None:
    read, failed = asyncio.Event(), asyncio.Event()

    async def reads() -> int | None:
        if failed.is_set():
            await asyncio.sleep(0)
            read.set()
        return 1

    async def work(_: int) -> None:
        failed.set()
        raise LookupError

    calls = 0

    async def slowly() -> int | None:
        nonlocal calls
        calls += 1
        if calls == 2:
            await failed.wait()
        return await reads()

    with pytest.raises(LookupError):
        await one_ahead(slowly, work)
    assert read.is_set(), "it has come to its end"
    assert calls == 2


async def test_what_failed_first_is_raised_and_not_what_failed_for_it() -> None:
    calls = 0

    async def read() -> int | None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise TimeoutError("the cause")
        return 1

    async def work(_: int) -> None:
        await asyncio.sleep(0)
        raise RuntimeError("in a transaction that is lost")

    with pytest.raises(TimeoutError, match="the cause"):
        await one_ahead(read, work)


async def test_who_is_cancelled_waits_for_what_is_being_read() -> None:
    goes_on, calls, over = asyncio.Event(), 0, False

    async def read() -> int | None:
        nonlocal calls, over
        calls += 1
        if calls == 2:
            await goes_on.wait()
            over = True
        return 1

    async def work(_: int) -> None:
        await asyncio.Event().wait()

    running = asyncio.create_task(one_ahead(read, work))
    while calls < 2:  # noqa: ASYNC110 - a few turns of the loop
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    running.cancel()
    for _ in range(5):
        await asyncio.sleep(0)
    assert not running.done()
    goes_on.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert over
