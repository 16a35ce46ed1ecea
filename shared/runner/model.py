"""Work that is no record of Kafka: what a piece of it is, and how a queue of it is worked off."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

U = TypeVar("U")
"""What a handler works in, with the rows of its queue in the same transaction; in a service it is the `Unit`."""


@dataclass(frozen=True, slots=True)
class Job:
    """One row of a queue, claimed. Its payload holds ids alone, never anything personal."""

    key: str
    run_at: datetime
    attempts: int
    """This one included: a process that dies with the row in hand has used it up."""
    payload: Mapping[str, Any] | None = None
    traceparent: str | None = None
    lane: int = 0
    reason: str | None = None
    """Why it failed last; None when it did not, as far as anybody lived to tell."""


Again = Mapping[str, datetime]
"""By key, when to run it again: no failure, and it counts as a first attempt then. What is not named is done."""


Handle = Callable[[U, Sequence[Job]], Awaitable[Again | None]]
"""Does a batch in one unit of work, in which the rows are finished too: all of it is done, or nothing."""


@dataclass(frozen=True, slots=True)
class Queue(Generic[U]):
    """How the work of one name is done."""

    name: str
    handle: Handle[U]
    batch: int = 100
    lanes: tuple[int, ...] = (0,)
    """Every lane that is written to this queue; the lowest goes first."""
    attempts: int | None = 8
    """After so many a row is set aside. None: never, for what would be missed more than its failing is heard."""
    period: timedelta | None = None
    """Of periodic work, which has one row: how often it comes again, unless the handler says when."""
    is_hurried: bool = False
    """Of periodic work: whoever commits something for it schedules its turn too, and must not wait for one that is under way."""
    lease: timedelta = timedelta(minutes=2)
    """How long a process may be silent before others take what it had in hand."""
    prepare: Callable[[Sequence[Job]], Awaitable[Handle[U]]] | None = None
    """What takes its time outside is had first, while no transaction is open; the answer handles the batch in place of `handle`."""


TURN = "turn"
"""The key of the one row of periodic work."""
_FIRST = datetime(1970, 1, 1, tzinfo=UTC)


def turn_after(at: datetime, period: timedelta) -> datetime:
    """When periodic work comes next: the first multiple of its period after this moment, so that what comes every five seconds comes
    together, and with what comes every ten."""
    return at + period - (at - _FIRST) % period


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be done, as it is scheduled."""

    queue: str
    key: str
    run_at: datetime
    lane: int = 0
    exactly: bool = False
    """Whether a row that is there moves to this time also when it is later; else only when it is earlier."""
    payload: Mapping[str, Any] | None = None
    traceparent: str | None = None
    flow: str = ""
    """Whose work it is (a tenant): within a lane they take turns. A row that is there becomes theirs who have it done earlier."""


@dataclass(frozen=True, slots=True)
class Depth:
    """How much of a queue is due, counted up to a limit, since when, and how much of it was set aside."""

    due: int
    oldest: timedelta
    set_aside: int


class LeaseLostError(Exception):
    """Somebody else has some of the rows, or they were cancelled: what was done for them must not be committed."""

    def __init__(self, ours: int) -> None:
        super().__init__()
        self.ours = ours
        """How many of the batch are still ours; where none is, there is nothing left to try."""
