"""Waiting in tests: for a condition, with a limit, never for a time."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar, overload

import pytest

from shared.postgres.pool import Pool

T = TypeVar("T")
_LOOK_EVERY = 0.02
_LIMIT = timedelta(seconds=180)
"""Long: it ends what hangs, and a machine with others on it is no fault."""


@overload
async def until(condition: Callable[[], Awaitable[T | None]], *, within: timedelta = ..., what: str = ...) -> T: ...
@overload
async def until(condition: Callable[[], T | None], *, within: timedelta = ..., what: str = ...) -> T: ...
async def until(condition: Callable[[], Any], *, within: timedelta = _LIMIT, what: str = "") -> Any:
    """The first answer of the condition (plain or async) that is true; AssertionError, with its last answer, when none is in time."""
    give_up = time.monotonic() + within.total_seconds()
    while True:
        answer = condition()
        found = await answer if inspect.isawaitable(answer) else answer
        if found:
            return found
        if time.monotonic() > give_up:
            raise AssertionError(f"did not happen within {within}: {what or condition}; the last answer was {found!r}")
        await asyncio.sleep(_LOOK_EVERY)


async def others_run() -> None:
    """Lets every task of this loop go on until it waits for something outside of it."""
    for _ in range(50):
        await asyncio.sleep(0)


async def until_held_up(pool: Pool, statements: int = 1) -> None:
    """Until a statement in this database, or so many of them, waits for a lock that another transaction has."""
    held_up = (
        "SELECT count(*) >= $1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    await until(lambda: pool.fetchval(held_up, statements), what=f"statements that wait for a lock: {statements}")


@contextmanager
def clock_to_set() -> Iterator[Callable[[float], None]]:
    """What it gives puts this loop's clock forward by so many seconds: what is limited in time ends, and nobody waits."""
    loop = asyncio.get_running_loop()
    shown, ahead = loop.time, 0.0

    def put_forward(seconds: float) -> None:
        nonlocal ahead
        ahead += seconds

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "time", lambda: shown() + ahead)
        yield put_forward
