"""Waiting in tests: for a condition, with a limit, never for a time."""

import asyncio
import inspect
import time
from collections.abc import Callable
from datetime import timedelta

_LOOK_EVERY = 0.02


async def until(condition: Callable[[], object], *, within: timedelta = timedelta(seconds=60), what: str = "") -> None:
    """Returns when the condition (plain or async) holds; AssertionError, with its last answer, when it does not in time."""
    give_up = time.monotonic() + within.total_seconds()
    while True:
        answer = condition()
        found = await answer if inspect.isawaitable(answer) else answer
        if found:
            return
        if time.monotonic() > give_up:
            raise AssertionError(f"did not happen within {within}: {what or condition}; the last answer was {found!r}")
        await asyncio.sleep(_LOOK_EVERY)
