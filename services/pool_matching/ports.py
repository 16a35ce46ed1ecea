"""What matching asks of the outside. Everything happens in one transaction, which whoever opened the store commits."""

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from services.pool_matching.model import (
    Evaluation,
    KeptPerson,
    Listed,
    Noted,
    Pool,
    PoolIndex,
    Settled,
    ShownMember,
)
from shared.contracts.base import Event
from shared.contracts.consent import ConsentChanged
from shared.contracts.grants import Newest
from shared.contracts.pool_matching import PoolUpdatedV1
from shared.contracts.signup import CandidateProfileChangedV1

EVALUATIONS, OVERDUE = "evaluations", "overdue"
"""Queues of work: of the first each key is an employer, of the second a candidate."""
S_co = TypeVar("S_co", covariant=True)

Work = Callable[[], AbstractAsyncContextManager[S_co]]
"""Opens a store in a transaction of its own, for who is not called with one."""


class Publishes(Protocol):
    """The way out for events: they leave if the transaction commits."""

    at: datetime
    """The time of this piece of work."""

    def publish(self, *events: Event, id: str | None = None) -> None:
        """The events are on their way."""


class PersonStore(Publishes, Protocol):
    """Persons and the pools that they are in."""

    async def hold_pools(self) -> None:
        """Call first where persons are held against all pools: no pool's evaluation begins until this is over."""

    async def note(self, profiles: Collection[CandidateProfileChangedV1], consents: Newest[ConsentChanged]) -> Noted:
        """Keeps what is newer than what is known, one of each a candidate, and no yes that is a replay (`grants.is_replayed`).

        A no counts whatever its version (`grants.still_on`).
        """

    async def erased_and_known(self, limit: int) -> list[str]:
        """Of the people whom `erasures` has, as it was read back, some who are not erased here."""

    async def erase(self, candidates: Collection[str]) -> list[str]:
        """Forgets what is kept of them, now and whatever comes later; gives those for whom that is news."""

    async def overdue(self, limit: int) -> list[str]:
        """Some whose pause or consent has ended by now, and for whom nobody has to decide."""

    def decide_for(self, candidates: Sequence[str]) -> None:
        """Has them decided again."""

    async def take_overdue(self, candidates: Sequence[str]) -> list[str]:
        """Those of them whose pause or consent has ended by now; nobody else changes them until this is over."""

    async def known(self, candidates: Sequence[str]) -> list[KeptPerson]:
        """These persons as they are now; nobody else changes them until this is over."""

    async def pools(self) -> PoolIndex:
        """The pools in force: at least as new as when `hold_pools` returned."""

    async def tell(self, updates: Sequence[tuple[str, PoolUpdatedV1]]) -> None:
        """Employers read these in their feeds, each with its id, in this order, if the transaction commits."""

    async def settle(self, settled: Sequence[Settled], refs: Callable[[str, str], str]) -> None:
        """Writes what was decided; `refs(candidate, employer)` gives the ref under which a new member is listed."""


class EvaluationStore(PersonStore, Protocol):
    """The ways of pools through all persons."""

    async def open_evaluations(self, pools: Sequence[str]) -> None:
        """Has these pools evaluated from the start, unless that was asked for since they ask for what they ask for."""

    def evaluate_for(self, employers: Sequence[str]) -> None:
        """Has these employers' pools evaluated, a step at a time, each behind all other employers that wait."""

    async def employers_waiting(self, limit: int) -> list[str]:
        """Some whose pools wait, and for whom nobody has to evaluate them."""

    async def next_turn(self, employer: str, after: int) -> str | None:
        """Of the employer's pools that wait the next in turn after so many others; its turn is used up."""

    async def has_waiting(self, employer: str) -> bool:
        """Whether a pool of the employer waits."""

    async def take_evaluation(self, pool: str) -> Evaluation | None:
        """The pool's, unless it is done or somebody else is at it."""

    async def wait_for_batches(self) -> None:
        """Returns when all that held the pools are over; those that come wait until this transaction is over."""

    async def move(self, evaluation: Evaluation, *, after: str) -> None:
        """Notes how far it has come."""

    async def end(self, evaluation: Evaluation) -> None:
        """Notes that every person was held against the pool."""

    async def pool_in_force(self, pool: str) -> Pool | None:
        """The pool as it is now; None when it was deleted."""

    async def concerned(self, pool: str, criteria_of: Pool | None, *, after: str, limit: int) -> list[str]:
        """The next candidates, in their order, who are in the pool or may come in."""


class PoolStore(Publishes, Protocol):
    """The pools of employers. What is another employer's is not there."""

    async def begin_change(self) -> None:
        """Call before reading what a change depends on: pools are changed one at a time."""

    async def use_change(self, employer: str, *, most: int, within: timedelta) -> timedelta | None:
        """Counts a change: `most` may come at once, and then one each `within / most`. How long to wait when it is too many."""

    async def count(self, employer: str) -> int:
        """How many pools the employer has."""

    async def of(self, employer: str) -> list[Listed]:
        """The employer's pools, oldest first."""

    async def get(self, employer: str, pool: str) -> Listed | None:
        """The pool, if it is this employer's."""

    async def of_any(self, employers: Collection[str], limit: int) -> list[Pool]:
        """Some of the pools that these employers have."""

    async def write(self, pool: Pool) -> None:
        """Keeps a new pool or a new version; one that asks for the same as before stays as ready as it was."""

    async def delete(self, pool: Pool) -> None:
        """Keeps of the pool only that it was deleted, with this version."""

    async def members(self, pool: str, *, after: str, limit: int) -> list[ShownMember]:
        """The members whose refs come after this one, in the order of the refs."""
