"""What the runner asks of the rows."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from shared.runner.model import Depth, Job, Wanted


class WorkRows(Protocol):
    """The rows of all queues, inside one transaction."""

    async def schedule(self, wanted: Sequence[Wanted]) -> None:
        """Writes these, each key once. One that is there moves, and if it was set aside it is tried anew; one that is in hand
        stays as it is and runs once more at that time."""

    async def begin(self, queues: Sequence[str], *, at: datetime) -> None:
        """Each of these queues of periodic work has its one row, and a turn at this time if not before. One that somebody has in hand,
        or whose turn is under way, stays as it is, and nobody waits for it."""

    async def cancel(self, queue: str, keys: Sequence[str]) -> None:
        """These are not done; whoever has one in hand can't finish it."""

    async def claim(
        self, queue: str, lanes: Sequence[int], limit: int, *, at: datetime, lease: str, lasts: timedelta
    ) -> list[Job]:
        """Rows that are due at that time and that nobody has in hand, of the first lanes first, and in a lane some of each flow;
        the attempt is counted. The lease lasts by the clock of the database, which is the same for all who claim."""

    async def renew(self, queue: str, lease: str, keys: Sequence[str], *, lasts: timedelta) -> None:
        """Those of them that this lease holds still are held for so long from now."""

    async def take_turn(self, queue: str, *, at: datetime, until: datetime) -> bool:
        """The one row of periodic work, where it is due at that time and nobody has it in hand: it comes again then. Until this
        transaction ends nobody else takes it, and where it is undone the row is as it was."""

    async def next(self, queues: Sequence[str], lanes: Sequence[int]) -> Mapping[str, datetime]:
        """From when on each of these queues has something to claim; not those that have nothing, or all of it in hand."""

    async def finish(self, queue: str, lease: str, jobs: Mapping[str, datetime | None]) -> int:
        """Removes each, or has it run again at its time; how many of them were ours."""

    async def put_back(self, queue: str, lease: str, keys: Sequence[str], *, until: datetime | None = None) -> None:
        """Lets go of them until then, as if they had not been claimed."""

    async def fail(
        self, queue: str, lease: str, key: str, reason: str, *, again: datetime | None, at: datetime
    ) -> None:
        """Notes the reason; tries it again then, or sets it aside. One that was scheduled anew meanwhile begins anew."""

    async def depths(self, queues: Sequence[str], lanes: Sequence[int], *, at: datetime) -> Mapping[str, Depth]:
        """How each of these queues stands."""
