"""What the gateway asks of the outside."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Literal, Protocol

from services.outreach_gateway.model import Answer, Consent, Decision, Outreach, Person, PublicKey, Queue, Rule, State
from shared.facts import Fact
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


DUE = "due"
"""The queue of due decisions; each key is a candidate."""


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


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of one row: its decision, and the event that says so (none for a hold)."""

    outreach: Outreach
    decision: Decision
    rule: str | None = None


@dataclass(frozen=True, slots=True)
class Reported:
    """What the courier said of one admitted outreach."""

    outreach: str
    decision_version: int
    outcome: str
    detail: str | None
    rule: Rule | None = None
    """Why, where it is known: the mailbox is gone."""


@dataclass(frozen=True, slots=True)
class Freed:
    """The rows, locked, whose slots are free because nothing arrived."""

    withheld: Sequence[Outreach] = ()
    """To be cancelled yet."""
    bounced: Sequence[Outreach] = ()


class Store(Protocol):
    """The gateway's rows, inside one transaction."""

    @property
    def at(self) -> datetime:
        """The time of this transaction."""

    async def hold_epochs(self, shards: Sequence[int]) -> Mapping[int, Epoch]:
        """The present epochs of those that are not being built, kept from changing until the transaction is over."""

    async def lock_people(self, candidates: Sequence[str]) -> None:
        """Call before rows are locked, and before the places of what waits for these people change: until the transaction is
        over nobody else changes them, nor what these people allow."""

    async def places(self, candidates: Sequence[str]) -> Sequence[Outreach]:
        """Every row of these people that has a slot or waits for one: in one statement, whatever their number."""

    async def lock_live(self, ids: Sequence[str]) -> Sequence[Outreach]:
        """Those of them that wait for a decision, locked, by id."""

    async def take_due(self, candidates: Sequence[str], limit: int) -> Sequence[Outreach]:
        """Rows of these people whose time has come, locked with their people; not of whom somebody else decides for now."""

    async def next_due(self, candidates: Sequence[str]) -> Mapping[str, datetime]:
        """When something of these people is due next, as it is written by now; who has nothing is missing."""

    async def missed_due(self, limit: int) -> Sequence[str]:
        """Some for whom something is due, and for whom nobody has to decide."""

    def decide_for(self, candidates: Sequence[str], at: datetime) -> None:
        """Has what is due of these people decided at that time; what `settle`, `look_again`, `plan_again` and `report` make due
        is scheduled by them."""

    async def lock_waiting_of(self, candidates: Sequence[str]) -> Sequence[Outreach]:
        """The submitted and delayed rows of these people, locked, by id: as they are once who decides them now is done."""

    async def take_waiting_of_senders(self, employers: Sequence[str], limit: int) -> Sequence[Outreach]:
        """Some of the submitted and delayed rows of these employers, locked with their people, both of which no other
        worker has."""

    async def people(self, candidates: Sequence[str]) -> Mapping[str, Person]:
        """What is known of these people now; all of them are in the answer.

        Consents are known of those alone whom this transaction has locked: one that arrived since is as if it came later.
        """

    async def settle(self, settled: Sequence[Settled]) -> None:
        """Writes the decisions, each with the next version and its change in the feed, and publishes them."""

    async def hold_erasures(self) -> None:
        """Call before anything of a person is kept: nobody is erased until the transaction is over."""

    async def begin_erasure(self) -> None:
        """All that hold erasures have ended, and none begins until the transaction is over."""

    async def erased_unheard(self, limit: int) -> Sequence[str]:
        """Of the people whom `erasures` has, as it was read back, some whose erasure no row knows."""

    async def erase(self, candidates: Sequence[str]) -> None:
        """Forgets consent, pools, key and mailbox of these people and remembers their ids: nothing is kept of them again."""

    async def keep_consents(self, consents: Sequence[Consent]) -> Collection[str]:
        """Keeps each that is newer than what is there; locks their people, as `lock_people` does.

        Gives those whose yes it did not take, since it was said by a link from before a no (`grants.is_replayed`).
        """

    async def keep_memberships(self, memberships: Mapping[str, tuple[int, frozenset[str]]]) -> None:
        """Candidate to version and employers; keeps each that is newer than what is there."""

    async def keep_mailboxes(self, mailboxes: Mapping[str, tuple[int, bool]]) -> None:
        """Candidate to version and whether mail reaches it; keeps each that is newer than what is there."""

    async def keep_keys(self, keys: Mapping[str, tuple[int, str]]) -> None:
        """Candidate to version and public key; keeps each that is newer than what is there."""

    async def forget_keys(self, candidates: Sequence[str]) -> None:
        """Nothing can be sealed to these people any more; what is known of their mailboxes goes as well."""

    async def look_again(self, candidates: Sequence[str]) -> None:
        """What is held for these people becomes due now."""

    async def plan_again(self, candidates: Sequence[str]) -> None:
        """All that waits for these people becomes due now: something moved in their queues, or what they allow changed."""

    async def report(self, reports: Sequence[Reported]) -> Freed:
        """Writes final outcomes; gives back those that take no slot any more.

        A report on another version than the row's, or on a row that is not admitted, has no effect.
        """


@dataclass(frozen=True, slots=True)
class Submission:
    """One message as it came in, its words sealed."""

    id: str
    employer: str
    candidate: str
    member_ref: str
    digest: bytes
    """Keyed: tells whether a repeated request says the same."""
    sealed: str
    at: datetime
    expires_at: datetime
    valid_through: date
    held_until: datetime


@dataclass(frozen=True, slots=True)
class Account:
    """One row as its readers see it."""

    id: str
    employer: str
    member_ref: str
    state: State
    submitted_at: datetime
    expires_at: datetime
    decision: Literal["admit", "delay", "drop", "cancel"] | None
    rule: Rule | None
    policy: str | None
    decided_at: datetime | None
    slot_at: datetime | None


class RequestStore(Protocol):
    """The gateway's rows as requests need them, inside one transaction."""

    async def public_key(self, candidate: str) -> Fact[PublicKey]:
        """The key to which words for this person are sealed."""

    async def digest_of(self, id: str) -> bytes | None:
        """What was sent under this id before; None: nothing was."""

    async def submit(self, submission: Submission) -> bytes:
        """Takes it in, once, and publishes the request; the digest of what stands under its id now."""

    async def account(self, id: str, employer: str | None) -> Account | None:
        """The row, if it is this employer's (None: anybody's)."""

    async def accounts_of(self, candidate: str, *, limit: int) -> Sequence[Account]:
        """Everything to one person, newest first: for the operator."""

    async def lock_one(self, id: str, employer: str) -> Outreach | None:
        """The row, locked with its person, if it is this employer's."""

    async def settle(self, settled: Sequence[Settled]) -> None:
        """As `Store.settle`."""

    async def plan_again(self, candidates: Sequence[str]) -> None:
        """As `Store.plan_again`."""


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
        """How many rows have come due, and since when the oldest has been."""

    async def forget_ended(self, limit: int, *, kept: timedelta) -> int:
        """Deletes up to so many final rows that were last decided longer ago than this; how many."""
