"""Batches of one topic side by side, so that a process works at one while PostgreSQL works at the other."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import timedelta
from functools import partial

import structlog

from shared.lifetime import not_cancelled_from_within
from shared.messaging.envelope import Record

_log = structlog.get_logger(__name__)

Take = Callable[[Collection[int]], Awaitable[Sequence[Record]]]
"""A batch of what is there already, of other partitions than these; empty where nothing is."""


async def side_by_side(
    first: Sequence[Record],
    work: Callable[[Sequence[Record]], Awaitable[None]],
    take: Take,
    *,
    lanes: int,
    takes_for: timedelta,
) -> None:
    """Works at this batch, and for so long at what there is besides, up to so many batches at once: whoever is done with one takes the
    next, and never waits for the others. Returns when all that was taken is done.

    The records of a partition are in one batch at a time, and so are those of the same partition of other topics: a key's records never
    overtake each other. Where one batch fails the others are broken off, and the first failure is raised.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + takes_for.total_seconds()
    held = _partitions(first)
    taking = asyncio.Lock()
    running = 0

    async def taken() -> Sequence[Record]:
        if loop.time() >= until:
            return ()
        found = await take(held)
        held.update(_partitions(found))
        return found

    async def lane(group: asyncio.TaskGroup, records: Sequence[Record]) -> None:
        nonlocal running
        while records:
            async with taking:
                if running < lanes and (others := await taken()):
                    start(group, others)
            await work(records)
            held.difference_update(_partitions(records))
            async with taking:
                records = await taken()
        running -= 1

    def start(group: asyncio.TaskGroup, records: Sequence[Record]) -> None:
        nonlocal running
        running += 1
        group.create_task(not_cancelled_from_within("a lane", partial(lane, group, records)))

    try:
        async with asyncio.TaskGroup() as group:
            start(group, first)
    except BaseExceptionGroup as failed:
        for other in failed.exceptions[1:]:
            _log.warning("lane_failed_too", error=type(other).__name__)
        raise failed.exceptions[0] from None


def _partitions(records: Sequence[Record]) -> set[int]:
    return {record.partition for record in records}
