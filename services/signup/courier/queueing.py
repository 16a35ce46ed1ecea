"""Waiting for one another inside one courier: writes that go together, and places that the urgent get first."""

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Batcher(Generic[T, R]):
    """Does in one go whatever came while the turn before was under way; each caller gets its own answer."""

    def __init__(self, write: Callable[[Sequence[T]], Awaitable[Sequence[R]]]) -> None:
        self._write = write
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._turn = asyncio.Lock()

    async def __call__(self, item: T) -> R:
        """The answer for this item, asked for after this call; what the turn raises, it raises for all that were in it."""
        answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        async with self._turn:
            if not answer.done():
                await self._write_waiting()
        return answer.result()

    async def _write_waiting(self) -> None:
        batch, self._waiting = self._waiting, []
        try:
            found = await self._write([item for item, _ in batch])
        except BaseException as error:
            for _, answer in batch:
                answer.set_exception(error)
                answer.exception()  # who was cancelled never asks
            raise
        for (_, answer), value in zip(batch, found, strict=True):
            answer.set_result(value)


class Places:
    """So many at a time; of those who wait the lowest lane goes first, and in a lane who came first."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()

    @asynccontextmanager
    async def place(self, lane: int) -> AsyncIterator[None]:
        """One place, as long as the block lasts."""
        if self._free:
            self._free -= 1
        else:
            await self._wait(lane)
        try:
            yield
        finally:
            self._give_back()

    async def _wait(self, lane: int) -> None:
        given: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (lane, next(self._numbers), given))
        try:
            await given
        except asyncio.CancelledError:
            if given.done() and not given.cancelled():
                self._give_back()
            raise

    def _give_back(self) -> None:
        while self._waiting:
            _, _, given = heapq.heappop(self._waiting)
            if not given.done():
                given.set_result(None)
                return
        self._free += 1
