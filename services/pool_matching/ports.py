"""What matching asks of the outside. Everything happens in one transaction, which whoever opened the store commits."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from services.pool_matching.listing import Fit, Listed
from services.pool_matching.matching.index import Engine
from services.pool_matching.model import (
    Evaluation,
    KeptPerson,
    Listing,
    Made,
    Noted,
    Person,
    Pool,
    Settled,
    Shown,
    ShownMember,
    ShownPool,
    Told,
    Update,
)
from shared.contracts.base import Event
from shared.contracts.consent import ConsentChanged
from shared.contracts.grants import Newest
from shared.contracts.signup import CandidateProfileChangedV1
from shared.messaging.errors import TransientError

Refs = Callable[[str, str, str, int], str]
"""`refs(candidate, employer, pool, generation)` is the candidate's member ref in that pool."""
EVALUATIONS, OVERDUE, TELLINGS = "evaluations", "overdue", "tellings"
"""Queues of work: of the second each key is a candidate, of the others an employer."""
SAY_DISCLOSURES = "say_disclosures"
"""Periodic work, which comes at once where something was noted."""
S_co = TypeVar("S_co", covariant=True)

Work = Callable[[], AbstractAsyncContextManager[S_co]]
"""Opens a store in a transaction of its own, for who is not called with one."""


class ListingChangedError(TransientError):
    """Another process changed the listing while this one wrote it: all of it is done anew."""

    WAITS_FOR = "postgres"


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

        A no counts whatever its version (`grants.still_on`). Whoever notes something settles afterwards, if only nothing: it may be
        written with that.
        """

    async def erased_and_known(self, limit: int) -> list[str]:
        """Of the people whom `erasures` has, as it was read back, some who are not erased here."""

    async def erase(self, candidates: Collection[str]) -> list[str]:
        """Forgets their profile and consent, now and whatever comes later; gives those for whom that is news."""

    async def sweep(self, candidates: Collection[str]) -> None:
        """Forgets what else is kept of them, and confirms that all is gone (`ErasureSweptV1`). Call it once they have left their
        pools: a list that is opened meanwhile notes them until they have."""

    async def overdue(self, limit: int) -> list[str]:
        """Some whose pause or consent has ended by now, and for whom nobody has to decide."""

    def decide_for(self, candidates: Sequence[str]) -> None:
        """Has them decided again."""

    async def take_overdue(self, candidates: Sequence[str]) -> list[str]:
        """Those of them whose pause or consent has ended by now; nobody else changes them until this is over."""

    async def known(self, candidates: Sequence[str]) -> list[KeptPerson]:
        """These persons as they are now; nobody else changes them until this is over."""

    async def pools(self) -> Engine:
        """The pools in force: at least as new as when `hold_pools` returned."""

    async def settle(self, settled: Sequence[Settled], refs: Refs) -> None:
        """Writes what was decided; `refs` give the ref under which a new member is listed. The list of pools of whoever is in others
        than before leaves with it (`MembershipsChangedV1`), in the order of the pools.

        Whoever leaves a pool is gone from its list when the transaction commits, and nothing but their ref is left there.
        """


@dataclass(frozen=True, slots=True)
class Introduction:
    """A vendor told of a person, from a record of an employer's or of none."""

    candidate: str
    vendor: str
    employer: str | None
    at: datetime


class IntroductionStore(Protocol):
    """Who introduced whom, and who holds and held whose seat: who brought along whom (`introductions.py`)."""

    at: datetime
    """The time of this piece of work."""

    async def note(self, introductions: Sequence[Introduction]) -> None:
        """Keeps them, each once with its first time; of whoever was erased nothing."""

    async def confirmed(self, first: Mapping[str, datetime]) -> None:
        """When these people first said yes: who is introduced later was there already."""

    async def introduced(self, employer: str, tick: datetime, as_of: datetime) -> int:
        """How many people a record of the employer's own introduced who had confirmed before `as_of` and are not erased.

        Counted when it is first asked for at this tick, or at a later one, and the same number from then on until the next: what
        happens in between changes nothing.
        """

    async def seat(self, vendors: Mapping[str, str | None]) -> None:
        """Employer to its present vendor: whoever held the seat before held it until now."""


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

    async def take_evaluation(self, pool: str) -> tuple[Evaluation, Pool | None] | None:
        """The pool's, unless it is done or somebody else is at it; with the pool as it is now, None when it was deleted."""

    async def wait_for_batches(self) -> None:
        """Returns when all that held the pools are over; those that come wait until this transaction is over."""

    async def renew_refs(self, limit: int, refs: Refs) -> int:
        """Gives some of the members whose refs another key made, or who are older than that is said, the refs of now; how many.

        Who is listed stays so, and is listed under the ref of now from the next tick on.
        """

    async def under_ref_keys(self, *, most: int) -> Mapping[bytes, int]:
        """How many refs another key made, by its id (empty: of before refs said so); counted up to `most` each."""

    async def changed_since(self, candidates: Sequence[str], at: datetime) -> Mapping[str, Person]:
        """Of these people those who have changed since then, as they were, or as nobody who could be found; for a day back."""

    async def note_fits(self, pool: str, fits_since: Mapping[str, datetime]) -> None:
        """By candidate, since when these members belong."""

    async def forget_earlier(self, limit: int, *, before: datetime) -> int:
        """Forgets of some people how they were until before then; of how many."""

    async def move(self, evaluation: Evaluation, *, after: str) -> None:
        """Notes how far it has come."""

    async def end(self, evaluation: Evaluation) -> None:
        """Notes that every person was held against the pool, and has its employer told."""

    async def concerned(
        self, pool: str, criteria_of: Pool | None, *, after: str, limit: int, among: int
    ) -> tuple[list[str], str | None]:
        """The next candidates, in their order, who are in the pool or may come in, found among the next `among` people; and after
        whom to go on, None when nobody else is there."""


class ListingStore(Publishes, Protocol):
    """What employers are told of their pools."""

    def tell_later(self, employers: Sequence[str]) -> None:
        """Has these employers told of their pools, as of their last ticks."""

    async def employers_untold(self, limit: int) -> list[str]:
        """Some who have pools, and for whom nobody has to tell of them."""

    async def next_listing(self, employer: str, tick: datetime, after: int) -> str | None:
        """Of the employer's pools that are to be told as of this tick, or that changed, the one after so many others."""

    async def has_pools(self, employer: str) -> bool:
        """Whether anything is ever to be told to the employer."""

    async def listing(self, pool: str) -> Listing | None:
        """The pool's, made where there is none; None: it was deleted and has none."""

    async def standings(self, pool: str, as_of: datetime) -> tuple[dict[str, Listed], dict[str, Fit]]:
        """Who is listed, and who fits as of that time, by candidate; who has left since they were listed by their ref."""

    async def begin(self, listing: Listing) -> bool:
        """Whether it still is as it was read; nobody else opens it until this is over. Who leaves does not wait for it, see
        `take_off_who_left`."""

    async def hold(self, listing: Listing) -> bool:
        """Whether it still is as it was read; nobody else changes it, or leaves it, until this is over."""

    async def list_left(self, pool: str, refs: Sequence[str]) -> None:
        """Forgets these, who have left."""

    async def list_changed(self, pool: str, rows: Mapping[str, Listed]) -> Collection[str]:
        """Lists these anew, but for those who left since they were read; whom. What could not be read of them before is noted as
        disclosed."""

    async def list_joined(self, pool: str, rows: Mapping[str, Listed], told: Mapping[str, Shown]) -> Collection[str]:
        """Lists these, but for those who left since they were read; under which refs. What can be read of them is noted as
        disclosed, unless it was `told` under another ref until now."""

    async def take_off_who_left(self, listing: Listing) -> None:
        """Holds the listing that was begun, and takes off it who left while it was written. ListingChangedError where it is not
        as it was read any more: nothing of it may be kept then."""

    async def keep_decided(self, listing: Listing) -> None:
        """Writes what was decided. ListingChangedError where the pool was deleted meanwhile or asks for something else: nothing of it
        may be kept then. Until this is over nobody changes the pool."""

    async def keep_listing(self, listing: Listing) -> None:
        """Writes how far it has come."""

    async def take_untold(self, pool: str, limit: int) -> list[tuple[str, Told]]:
        """The next whom an older release listed and did not come to tell, by their refs and in the order of these; they count as told."""

    async def tell(self, employer: str, updates: Sequence[Update]) -> None:
        """The employer reads these in its feed, in this order, and the topic carries the same (`PoolUpdatedV1`, `PoolClosedV1`)."""

    async def clear(self, pool: str, limit: int) -> int:
        """Forgets some of who were listed, and notes that they are shown no more; how many."""

    async def say_disclosures(self, limit: int) -> int:
        """Says the next of what was noted as disclosed, or as shown no more, in its order (`DisclosedV1`, `DisclosureEndedV1`), but
        nothing of whoever was erased meanwhile; how many were noted."""

    async def drop_listing(self, pool: str) -> None:
        """Forgets the listing, in which nobody is any more."""


class PoolStore(Publishes, Protocol):
    """The pools of employers. What is another employer's is not there."""

    async def begin_change(self, pool: str | None = None) -> None:
        """Call before reading what a change depends on: pools are changed one at a time, and this one not while its list is about
        to be seen."""

    async def use_change(self, employer: str, *, most: int, within: timedelta, of: str = "") -> timedelta | None:
        """Counts a change: `most` may come at once, and then one each `within / most`. How long to wait when it is too many.

        `of` is a kind of changes that is counted apart."""

    async def count(self, employer: str) -> int:
        """How many pools the employer has."""

    async def of(self, employer: str) -> list[ShownPool]:
        """The employer's pools, oldest first."""

    async def get(self, employer: str, pool: str) -> ShownPool | None:
        """The pool, if it is this employer's."""

    async def of_any(self, employers: Collection[str], limit: int) -> list[Pool]:
        """Some of the pools that these employers have."""

    async def write(self, pool: Pool) -> None:
        """Keeps a new pool or a new version; one that asks for the same as before stays as ready as it was."""

    async def made_by(self, employer: str, key: bytes) -> Made | None:
        """What this key of the employer's made, by the key's digest; also where it was deleted since."""

    async def note_made(self, key: bytes, made: Made) -> None:
        """The new pool is what this key made from now on; call it once the pool is written."""

    async def delete(self, pool: Pool) -> None:
        """Keeps of the pool only that it was deleted, with this version."""

    async def all_told(self, employer: str) -> bool:
        """Whether who is listed in the employer's pools by now was told in its feed."""

    async def members(self, pool: str, *, after: str, limit: int) -> list[ShownMember]:
        """Those who are listed and whose refs come after this one, in the order of the refs; nobody, where too few count."""
