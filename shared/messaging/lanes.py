"""A batch in lanes that go side by side, so that a process works at one while PostgreSQL works at the other."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import structlog

from shared.lifetime import not_cancelled_from_within
from shared.messaging.envelope import Record

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
            for lane in lanes:
                group.create_task(not_cancelled_from_within("a lane", partial(process, lane)))
    except BaseExceptionGroup as failed:
        for other in failed.exceptions[1:]:
            _log.warning("lane_failed_too", error=type(other).__name__)
        raise failed.exceptions[0] from None
