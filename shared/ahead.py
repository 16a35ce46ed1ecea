"""Two who work at once within one piece of work: what comes next is read while what was read is worked with."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from shared.lifetime import call_off

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
