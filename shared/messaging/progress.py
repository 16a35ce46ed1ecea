"""What a reader of topics shows of its work, for whoever watches it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(slots=True)
class Progress:
    """Counts steps: a batch taken, an attempt at it, a batch done. Whoever steps is not stuck."""

    steps: int = 0
    in_hand: int = 0
    """Records that were taken and are not done."""

    def take(self, records: int) -> None:
        """A batch was taken."""
        self.in_hand += records
        self.step()

    def step(self) -> None:
        """Something moved, or is deliberately tried again."""
        self.steps += 1

    def done(self, records: int) -> None:
        """A batch of so many that was in hand is over."""
        self.in_hand -= records
        self.step()


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a reader stands now."""

    positions: Mapping[tuple[str, int], int]
    """By topic and partition, the offset that comes next."""
    lags: Mapping[str, int]
    """By topic, how many records Kafka has that are not done yet (offsets: a compacted topic has gaps)."""


class Reader(Protocol):
    """A consumer or a follower, as it is watched."""

    progress: Progress

    @property
    def name(self) -> str:
        """Its name in logs and metrics."""

    def dead(self) -> str | None:
        """The name of a background task of its Kafka client that has ended, or None; FatalError when it has said why."""

    async def look_ahead(self) -> None:
        """Asks Kafka for the ends of the partitions, apart from what is being fetched; FatalError when they are others."""

    def standing(self) -> Standing | None:
        """None while it is in no group, or does not know yet where it is to begin."""
