"""Tasks that live as long as their process, one that is called off before, and a failed process that does end."""

import asyncio
import contextlib
import gc
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from shared.messaging.errors import FatalError

_MADE_BEFORE_A_LOOK = 100_000
"""Objects more than before: a batch of 500 makes some tens of thousands, and nearly none of them in circles."""


@asynccontextmanager
async def running(
    name: str, run: Callable[[], Awaitable[None]], failed: Callable[[BaseException], None]
) -> AsyncIterator[None]:
    """Runs beside the block and is cancelled at its end; whatever ends it before that is reported."""
    leaving = False

    async def guarded() -> None:
        try:
            await run()
            failed(FatalError(f"{name} ended by itself"))
        except asyncio.CancelledError:
            if not leaving:
                failed(FatalError(f"{name} was cancelled from within"))
            raise
        except Exception as error:  # noqa: BLE001 - whatever a task dies of ends the process
            failed(error)

    task = asyncio.create_task(guarded(), name=name)
    try:
        yield
    finally:
        leaving = True
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def not_cancelled_from_within(name: str, run: Callable[[], Awaitable[None]]) -> None:
    """Runs it; FatalError where it ends as cancelled though nobody told this task to end. A group of tasks takes that for an end
    like any other: what was not done would count as done, and what has to live for ever would be gone without a word.
    """
    try:
        await run()
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise FatalError(f"{name} was cancelled from within") from error


async def call_off(task: asyncio.Future[Any]) -> None:
    """Cancels it and waits until it has ended, whatever becomes of it, also where the one who waits is cancelled (again) meanwhile:
    that is raised once it has ended. What PostgreSQL has in hand ends within milliseconds of being called off."""
    task.cancel()
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    _ = task.cancelled() or task.exception()  # it has been looked at
    if cancelled is not None:
        raise cancelled


def exit_at_last(after: timedelta) -> None:
    """Ends the process with 1 after this time: a client that hangs in its stop, or a loop that no longer turns, must not
    keep a failed process there, which would hold its partitions and be restarted by nobody.
    """

    timer = threading.Timer(after.total_seconds(), os._exit, args=(1,))
    timer.daemon = True
    timer.start()


def keep_what_is_there() -> None:
    """What a process has once it has started (modules, routes, tables of titles) stays as long as it does.

    Python's collector would go through all of it, hundreds of thousands of objects, again and again while requests and
    batches come: it looks only at what is made from now on, and less often.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_MADE_BEFORE_A_LOOK, 20, 50)
