"""A batch in lanes that go side by side, so that a process works at one while PostgreSQL works at the other."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from shared.messaging.envelope import Record
from shared.messaging.errors import FatalError

_log = structlog.get_logger(__name__)


def in_lanes(records: Sequence[Record], *, lanes: int, most: int) -> list[Sequence[Record]]:
    """One lane where one batch of `most` is enough for all, and else up to so many, about as long as each other; one may be somewhat
    longer than `most`, since a partition is not parted.

    The records of a partition are in one lane, in their order, and so are those of the same partition of other topics: a key's
    records never overtake each other.
    """
    if lanes == 1 or len(records) <= most:
        return [records]
    of_partition: dict[int, list[Record]] = {}
    for record in records:
        of_partition.setdefault(record.partition, []).append(record)
    found: list[list[Record]] = [[] for _ in range(min(lanes, len(of_partition)))]
    for part in sorted(of_partition.values(), key=len, reverse=True):
        min(found, key=len).extend(part)
    return [*found]


async def side_by_side(
    process: Callable[[Sequence[Record]], Awaitable[None]], lanes: Sequence[Sequence[Record]]
) -> None:
    """Returns when all are done. Where one fails the others are broken off, and the first failure is raised: nothing of them all is
    acknowledged, and what was committed of it comes again, as after a kill.
    """
    if len(lanes) == 1:
        await process(lanes[0])
        return
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_of(process, lane)) for lane in lanes]
    except BaseExceptionGroup as failed:
        for other in failed.exceptions[1:]:
            _log.warning("lane_failed_too", error=type(other).__name__)
        raise failed.exceptions[0] from None
    if any(task.cancelled() for task in tasks):  # a group takes that for an end like any other
        raise FatalError("a lane was cancelled from within")


async def _of(process: Callable[[Sequence[Record]], Awaitable[None]], lane: Sequence[Record]) -> None:
    await process(lane)
