"""Jobs, messages to pools, and what became of messages in months that are over."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from services.outreach_gateway.history import Figures
from services.outreach_gateway.model import (
    DeclaredJob,
    Fitting,
    PoolMessage,
    State,
)


class Jobs(Protocol):
    """The jobs that employers declared."""

    @property
    def at(self) -> datetime:
        """The time of this transaction."""

    async def put(self, employer: str, job: DeclaredJob) -> int | None:
        """Keeps it under its id, in place of what was there; its version, which rises with a change. None: there are too many."""

    async def declare(self, employer: str, job: DeclaredJob) -> bool:
        """Keeps it unless it is there; False: there are too many."""

    async def get(self, employer: str, id: str) -> DeclaredJob | None:
        """The employer's job of this id."""

    async def of(self, employer: str, *, after: str, limit: int) -> Sequence[DeclaredJob]:
        """The employer's jobs with an id behind this one, by id."""

    async def delete(self, employer: str, id: str) -> bool:
        """Whether it was there."""

    async def forget(self, limit: int, *, ended_before: date) -> int:
        """Deletes up to so many whose last day was before this one; how many."""


POOL_MESSAGES = "pool_messages"
"""The queue of messages to pools: each is spread, taken back or ended in its turn; each key is such a message."""


@dataclass(frozen=True, slots=True)
class Child:
    """The message that a message to a pool becomes for one person."""

    id: str
    candidate: str
    generation: int
    sealed: str
    sealed_job: str


class History(Protocol):
    """What became of messages in months that are over, inside one transaction."""

    @property
    def at(self) -> datetime:
        """The time of this transaction."""

    async def next_major(self, month: date) -> str | None:
        """A major group of work whose messages of the month are not counted yet."""

    async def keep(self, month: date, major: str) -> None:
        """Counts them, once for all."""

    async def figures(self, occupation: str, state: str | None) -> Figures | None:
        """The newest of this work in this state (None: everywhere); None: there are none."""


class PoolMessages(Protocol):
    """Messages to whoever is in a pool, inside one transaction."""

    @property
    def at(self) -> datetime:
        """The time of this transaction."""

    async def lock_pool(self, employer: str, pool: str) -> PoolMessage | None:
        """The employer's last message to this pool; none other is kept until the transaction is over."""

    async def keep(self, message: PoolMessage, words: bytes) -> None:
        """Keeps it, its words sealed with the gateway's own key, and has it spread; as many statements whoever is in the pool."""

    async def find(self, ids: Sequence[str], employer: str) -> PoolMessage | None:
        """That of one of these ids, if it is this employer's."""

    async def get(self, id: str, employer: str | None) -> PoolMessage | None:
        """The message, if it is this employer's (None: anybody's)."""

    async def of(self, employer: str, *, after: str, limit: int) -> Sequence[PoolMessage]:
        """The employer's messages with an id behind this one, by id."""

    async def take(self, ids: Sequence[str]) -> Sequence[tuple[PoolMessage, bytes | None]]:
        """Those of them that there are, locked; with the words of what is not spread yet."""

    async def fitting(self, message: PoolMessage, limit: int) -> Sequence[Fitting]:
        """Up to so many of those who are in its pool now, if that is its employer's."""

    async def spread(self, message: PoolMessage, children: Sequence[Child], held_until: datetime) -> None:
        """Each of them is submitted, as one that came alone, and the message's own words go."""

    async def take_back(self, message: PoolMessage, at: datetime) -> None:
        """It is spread no more, its employer is told so at once, and what became of it is taken back in its turn."""

    async def take_back_each(self, message: PoolMessage) -> None:
        """What it has become is decided for once more, to leave its people's queues."""

    async def states(self, id: str) -> Mapping[State, int]:
        """How many of the messages that it has become stand where; a state in which there is none is left out."""

    async def end(self, message: PoolMessage, sent: int, *, told_at: datetime) -> None:
        """Its employer is told this number, at this tick."""

    async def forget(self, limit: int, *, submitted_before: datetime) -> int:
        """Deletes up to so many that have ended; how many."""
