"""A client that will not stop does not hold up the process."""

import asyncio
from datetime import timedelta

import pytest

from shared.messaging.stopping import stop_within
from tests.waiting import others_run

SHORT = timedelta(milliseconds=20)


async def test_a_client_that_stops_is_waited_for() -> None:
    stopped = asyncio.Event()

    async def stop() -> None:
        await others_run()
        stopped.set()

    await stop_within(timedelta(seconds=5), stop())
    assert stopped.is_set()


async def test_a_client_that_hangs_is_left_behind() -> None:
    async with asyncio.timeout(180):
        await stop_within(SHORT, asyncio.Event().wait())


@pytest.mark.parametrize("error", [asyncio.CancelledError(), OSError()])
async def test_what_a_client_dies_of_does_not_reach_the_caller(error: BaseException) -> None:
    async def stop() -> None:
        raise error

    await stop_within(timedelta(seconds=5), stop())


async def test_a_cancelled_caller_is_still_cancelled() -> None:
    waiting = asyncio.create_task(stop_within(timedelta(seconds=5), asyncio.Event().wait()))
    await others_run()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
