"""What feeds ask of the outside."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from shared.feed.model import Ends, Place, Row, Telling


class FeedWriter(Protocol):
    """The way into a feed, inside a transaction."""

    async def write(self, tellings: Sequence[Telling]) -> None:
        """These rows are told, in this order, if and when the transaction commits."""


class FeedRows(Protocol):
    """One feed's rows. Each method is a transaction of its own; `reader` None means all."""

    async def sequence(self, limit: int) -> int | None:
        """Numbers up to so many of the rows that wait, in their order; how many. None: somebody else is at it."""

    async def rows(self, reader: str | None, *, after: Place, limit: int) -> list[Row]:
        """What comes after a place, oldest first; never passes over a row that is numbered later."""

    async def ends(self, reader: str | None) -> Ends:
        """From where to where it goes; a database that was restored begins another generation before it answers."""

    async def last_before(self, reader: str | None, moment: datetime) -> Place | None:
        """The place of the last row that was told before."""

    async def waits(self, reader: str) -> bool:
        """Whether something that was committed for this reader has no number yet."""

    async def any_waits(self) -> bool:
        """Whether something that was committed for anybody has no number yet."""

    async def forget(self, *, kept: timedelta) -> bool:
        """Drops the oldest day if it is older than that, and notes how far each reader's feed has forgotten; whether it did."""

    async def prepare(self, ahead: timedelta) -> None:
        """Makes room for what will be told until then, so that the sequencer need not."""

    async def restart(self) -> None:
        """Begins another generation: no cursor that was given out is good any more."""
