"""The sliding windows, and the rows that name their epochs."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Protocol

from services.outreach_gateway.model import (
    Answer,
    Queue,
)
from shared.messaging.errors import TransientError


class WindowsHeldError(TransientError):
    """The windows of some shards are away or being built anew; what needs those waits, whatever else is decided."""

    WAITS_FOR = "windows"
    MAY_END_THE_PROCESS = False


class WindowsLostError(TransientError):
    """The Redis that answers does not have what was begun there."""

    WAITS_FOR = "windows"
    MAY_END_THE_PROCESS = False


class WindowsAwayError(TransientError):
    """Redis does not answer, or says that it can't now: it is full, read-only, busy, or does not let us in."""

    WAITS_FOR = "windows"
    MAY_END_THE_PROCESS = False


@dataclass(frozen=True, slots=True)
class Epoch:
    """Under which name the windows of a shard were built; a batch commits only while it is still this one."""

    name: str


NEVER_BUILT = Epoch("none")
"""Of a shard that no process has built yet: there is nothing that could have been lost."""


@dataclass(frozen=True, slots=True)
class Building:
    """A shard that is built anew, and how far it is: whoever takes it up goes on behind `after`."""

    shard: int
    epoch: Epoch
    after: str | None = None
    """The last person who was placed."""
    placed: int = 0
    """Slots."""
    total: int = 0
    """Slots that there were when it was begun."""
    is_first: bool = False
    """Nothing was lost: these windows were never built before."""


@dataclass(frozen=True, slots=True)
class Shard:
    """One part of the windows, as its row says it."""

    epoch: Epoch
    building: Building | None = None


class Found(StrEnum):
    """What a look at a shard found."""

    OPEN = "open"
    BUILDING = "building"
    LOST = "lost"
    AWAY = "away"


@dataclass(frozen=True, slots=True)
class Booked:
    """The slots of one person as PostgreSQL knows them, to build the windows anew."""

    candidate: str
    slots: int
    """How many."""
    places: str
    """JSON, flat: the latest of them (ms since 1970), then of each when, as text, and `message|employer`. Millions go through as they are."""


class Windows(Protocol):
    """The sliding windows of all people, in shards (`model.shard_of`)."""

    @property
    def held(self) -> frozenset[int]:
        """Shards that can't be decided on, as far as this process knows: the last `book` or `look` found them lost or away,
        or being built."""

    async def book(self, queues: Sequence[Queue], epochs: Mapping[int, Epoch]) -> Sequence[Sequence[Answer] | None]:
        """For each queue one answer an ask, in order, each person's queue in one atomic step; None where the shard of the
        person is held, which never holds another shard.

        `epochs` are those that this transaction holds (`Store.hold_epochs`). What the rows say decides: a person's windows
        that do not hold it are made to, and that is counted. Call with everybody of the queues locked (`Store.lock_people`).
        """

    async def look(self, shards: Mapping[int, Shard]) -> Mapping[int, Found]:
        """What the Redis that answers now has of each; a shard whose windows were not what the rows say, of many people, is lost."""

    async def begin(self, shard: int, epoch: Epoch) -> None:
        """From here on nothing is booked in this shard, and its pages go under this epoch. TransientError when Redis is away."""

    async def refuses_eviction(self) -> bool:
        """Whether Redis is set to keep what it has, rather than to forget slots when it is full."""

    async def place(self, shard: int, epoch: Epoch, page: Sequence[Booked]) -> None:
        """Makes the windows of these people what is given; WindowsLostError when this building was not begun on the Redis
        that answers."""

    async def open(self, shard: int, epoch: Epoch) -> None:
        """Lets the shard be used, as often as it is called; WindowsLostError as `place`."""

    def sweep(self) -> AsyncIterator[int]:
        """Clears away what earlier versions kept under other names, some at a time; how many went each time."""


class Epochs(Protocol):
    """The rows that name the epochs of the shards, inside one transaction."""

    async def present(self) -> Mapping[int, Shard]:
        """All of them, read without a lock."""

    async def take(self, shard: int) -> Shard:
        """The row, locked, once all batches that hold this shard have ended; none begins until the transaction is over."""

    async def begin(self, shard: int, epoch: Epoch, *, kept: timedelta) -> None:
        """It is being built under this epoch from the commit on, from its first person: batches hold it no more."""

    async def claim(self, *, but: Sequence[int]) -> Building | None:
        """A shard that is being built and that nobody has now, locked; none of `but`."""

    async def page(self, building: Building, limit: int, *, kept: timedelta) -> Sequence[Booked]:
        """Up to so many people behind the last one, with all their slots of that long back, and of the future."""

    async def placed(self, building: Building, page: Sequence[Booked]) -> None:
        """Whoever takes it up next goes on behind these."""

    async def end(self, building: Building) -> timedelta:
        """Batches run under its epoch from the commit on; how long it took since it was begun."""

    async def due_state(self) -> tuple[int, timedelta]:
        """How many rows have come due, counted up to 10,000, and since when the oldest has been."""

    async def forget_ended(self, limit: int, *, kept: timedelta) -> int:
        """Deletes up to so many final rows whose own last day is longer ago than this, whenever they were decided; how many."""
