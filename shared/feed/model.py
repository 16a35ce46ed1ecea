"""What feeds are made of, and whether a place in one is still good."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
"""Before anything was told."""
_FAR = datetime(9000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Telling:
    """A row to be told: to whom, and what (JSON)."""

    reader: str
    body: str


@dataclass(frozen=True, slots=True)
class Row:
    """A row that has its number."""

    seq: int
    told_at: datetime
    reader: str
    body: str


@dataclass(frozen=True, slots=True)
class Place:
    """Right behind a row: its number, which numbers are meant, and when it was told (nothing behind it was told before)."""

    generation: int
    seq: int = 0
    told_at: datetime = BEGINNING


@dataclass(frozen=True, slots=True)
class Ends:
    """From where to where a reader's feed goes now."""

    generation: int
    last_seq: int
    last_told_at: datetime
    forgotten_seq: int
    """Of the last of the reader's own rows that was forgotten; 0 when none was."""
    forgotten_at: datetime

    @property
    def first(self) -> Place:
        """Where it begins now."""
        return Place(self.generation, self.forgotten_seq, max(BEGINNING, self.forgotten_at))


class Lost(StrEnum):
    """Why nobody can go on from a place."""

    OF_ANOTHER_HISTORY = "of_another_history"
    """The feed was restored since, or the cursor is of a form that is not made any more."""
    FORGOTTEN = "forgotten"
    """Rows behind it were."""


def lost(place: Place, ends: Ends) -> Lost | None:
    """Why this place is no good any more; None when all that follows it is there."""
    if place.generation != ends.generation or place.seq > ends.last_seq:
        return Lost.OF_ANOTHER_HISTORY
    return Lost.FORGOTTEN if place.seq < ends.forgotten_seq else None


def since_is_lost(since: datetime, ends: Ends, *, at: datetime, kept: timedelta) -> bool:
    """Whether rows told at or after this time may be forgotten: alike for all, whatever was told to whom."""
    return since < at - kept or ends.forgotten_at >= since


def to_the_hour(moment: datetime) -> datetime:
    """The beginning of its hour: by finer times a reader could find out when exactly a row was told."""
    return min(max(moment, BEGINNING), _FAR).astimezone(UTC).replace(minute=0, second=0, microsecond=0)
