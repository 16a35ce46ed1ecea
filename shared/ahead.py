"""Two who work at once within one piece of work: what comes next is read while what was read is worked with."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

A = TypeVar("A")


async def one_ahead(read: Callable[[], Awaitable[A | None]], work: Callable[[A], Awaitable[None]]) -> None:
    """Works with what is read, one after the other in that order, until None is read; the next is read meanwhile.

    Both may use one connection where they take turns on it. Raises what failed first. Whoever works no longer reads no longer: a
    reading that nobody wants is cancelled, and nothing is left on the connection when this returns or raises.
    """
    found = await read()
    while found is not None:
        reading = asyncio.ensure_future(read())
        try:
            await asyncio.sleep(0)  # it is on its way
            await work(found)
        except BaseException as error:
            failed = reading.done() and not reading.cancelled() and reading.exception()
            await call_off(reading)
            # In a transaction that is lost each statement fails, and only the first one says why.
            if failed and isinstance(error, Exception):
                raise failed from None
            raise
        found = await reading


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
