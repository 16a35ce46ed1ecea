"""Waiting in tests: for a condition, with a limit, never for a time."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

T = TypeVar("T")

_LOOK_EVERY = 0.02


async def until(
    condition: Callable[[], T | Awaitable[T]], *, within: timedelta = timedelta(seconds=30), what: str = ""
) -> T:
    """The condition's first true answer; AssertionError, with its last answer, when there is none in time."""
    give_up = time.monotonic() + within.total_seconds()
    while True:
        answer = condition()
        found = await answer if inspect.isawaitable(answer) else answer
        if found:
            return found
        if time.monotonic() > give_up:
            raise AssertionError(f"did not happen within {within}: {what or condition}; the last answer was {found!r}")
        await asyncio.sleep(_LOOK_EVERY)
