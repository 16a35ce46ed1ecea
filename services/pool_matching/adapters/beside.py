"""Two who work at once: PostgreSQL at a statement, and this process at what comes after it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from shared.lifetime import call_off

A = TypeVar("A")
B = TypeVar("B")


async def beside(statement: Awaitable[A], work: Callable[[], B]) -> tuple[A, B]:
    """What the statement answers, and what the work gives that was done while PostgreSQL had it in hand.

    Nothing is left on the connection when this returns or raises.
    """
    running = asyncio.ensure_future(statement)
    try:
        await asyncio.sleep(0)  # it is on its way
        done = work()
    except BaseException:
        await call_off(running)
        raise
    return await running, done
