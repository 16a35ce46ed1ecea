"""What a unit of work leaves to be done: collected, and written as its last step."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from shared.runner.model import Wanted
from shared.runner.ports import WorkRows


class Scheduling:
    """What is scheduled in one unit of work.

    It is written when the unit ends, after everything else, in one statement and in one order: the rows of people are
    always locked before those of work.
    """

    def __init__(self) -> None:
        self._wanted: dict[tuple[str, str], Wanted] = {}
        self._cancelled: dict[str, dict[str, None]] = {}
        self.queues: set[str] = set()
        """Which queues were written to: what `Runner.wake` is told once it is committed."""

    def add(
        self,
        queue: str,
        keys: Sequence[str],
        *,
        at: datetime,
        lane: int = 0,
        exactly: bool = False,
        payload: Mapping[str, Any] | None = None,
        traces: Mapping[str, str | None] | None = None,
        flow: str = "",
    ) -> None:
        """Has these done at that time; one that is there already moves to the earlier time, or `exactly` to this one.

        `flow` is the tenant whose work it is: no tenant's work waits behind a burst of another's.
        """
        for key in keys:
            trace = traces.get(key) if traces else None
            wanted = Wanted(queue, key, at, lane, exactly, payload, trace, flow)
            before = self._wanted.get((queue, key))
            self._wanted[queue, key] = wanted if before is None else _both(before, wanted)

    def cancel(self, queue: str, keys: Sequence[str]) -> None:
        """Has these not done, nor what was scheduled for them here so far."""
        for key in keys:
            self._wanted.pop((queue, key), None)
            self._cancelled.setdefault(queue, {})[key] = None

    async def write(self, rows: WorkRows) -> None:
        """Writes it all."""
        for queue, keys in sorted(self._cancelled.items()):
            await rows.cancel(queue, sorted(keys))
        if self._wanted:
            await rows.schedule([self._wanted[place] for place in sorted(self._wanted)])
        self.queues.update(wanted.queue for wanted in self._wanted.values())
        self._cancelled.clear()
        self._wanted.clear()


def _both(before: Wanted, after: Wanted) -> Wanted:
    """What the two come to, as if the first were written when the second comes."""
    return replace(
        after,
        run_at=after.run_at if after.exactly else min(before.run_at, after.run_at),
        lane=min(before.lane, after.lane),
        exactly=before.exactly or after.exactly,
        payload=after.payload or before.payload,
        traceparent=after.traceparent or before.traceparent,
        flow=after.flow if after.exactly or after.run_at < before.run_at else before.flow,
    )
