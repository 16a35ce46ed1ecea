"""What the gateway asks of the outside."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal, Protocol

from services.outreach_gateway.model import Answer, Consent, Decision, Outreach, Person, Queue, Rule, State
from shared.messaging.errors import TransientError


class WindowsBeingBuiltError(TransientError):
    """Another process builds the windows anew; what needs them waits until it is done."""

    WAITS_FOR = "windows"
    MAY_END_THE_PROCESS = False


@dataclass(frozen=True, slots=True)
class Epoch:
    """Which Redis the windows are in; a batch commits only while it is still this one."""

    name: str


@dataclass(frozen=True, slots=True)
class Booked:
    """A slot as PostgreSQL knows it, to build the windows anew."""

    outreach: str
    employer: str
    candidate: str
    slot_at: datetime


class Windows(Protocol):
    """The sliding windows of all people. Every method raises TransientError when Redis does not answer."""

    async def book(self, queues: Sequence[Queue], epoch: Epoch) -> Sequence[Sequence[Answer]]:
        """For each queue one answer an ask, in order, each person's queue in one atomic step; TransientError when the windows
        are not of this epoch.

        What the rows say decides: a person's windows that do not hold it are made to, and that is counted. Call with
        everybody of the queues locked (`Store.lock_people`).
        """

    async def is_intact(self, epoch: Epoch) -> bool:
        """Whether the windows of this epoch are on the Redis that answers now, and held what the rows say so far."""

    async def build(self, booked: AsyncIterator[Sequence[Booked]], epoch: Epoch) -> None:
        """Fills the windows of a new epoch and, when all is in, lets them be used."""

    async def refuses_eviction(self) -> bool:
        """Whether Redis is set to keep what it has, rather than to forget slots when it is full."""

    def clear(self) -> AsyncIterator[int]:
        """Clears the windows of all epochs away, some at a time; how many went each time."""


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

    async def hold_epoch(self) -> Epoch:
        """The present epoch, kept from changing until the transaction is over; WindowsBeingBuiltError while that can't be."""

    async def lock_people(self, candidates: Sequence[str]) -> None:
        """Call before rows are locked, and before the places of what waits for these people change: until the transaction is
        over nobody else changes them, nor what these people allow."""

    async def places(self, candidates: Sequence[str]) -> Sequence[Outreach]:
        """Every row of these people that has a slot or waits for one: in one statement, whatever their number."""

    async def lock_live(self, ids: Sequence[str]) -> Sequence[Outreach]:
        """Those of them that wait for a decision, locked, by id."""

    async def take_due(self, limit: int) -> Sequence[Outreach]:
        """Rows whose time has come, locked with their people, both of which no other worker has."""

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

    async def keep_consents(self, consents: Sequence[Consent]) -> None:
        """Keeps each that is newer than what is there; locks their people, as `lock_people` does."""

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


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in the feed: everything before it was committed when it was given out. Later ones are greater."""

    transaction: int = 0
    change: int = 0


@dataclass(frozen=True, slots=True)
class Change:
    """One change of state."""

    position: Position
    outreach: str
    state: State
    rule: Rule | None
    at: datetime
    employer: str


class RequestStore(Protocol):
    """The gateway's rows as requests need them, inside one transaction."""

    async def public_key(self, candidate: str) -> str | None:
        """The key to which words for this person are sealed."""

    async def digest_of(self, id: str) -> bytes | None:
        """What was sent under this id before; None: nothing was."""

    async def submit(self, submission: Submission) -> bytes:
        """Takes it in, once, and publishes the request; the digest of what stands under its id now."""

    async def account(self, id: str, employer: str | None) -> Account | None:
        """The row, if it is this employer's (None: anybody's)."""

    async def accounts_of(self, candidate: str, *, limit: int) -> Sequence[Account]:
        """Everything to one person, newest first: for the operator."""

    async def changes(self, employer: str | None, *, after: Position, limit: int) -> Sequence[Change]:
        """The feed after a position, oldest first; never passes over a change that commits late."""

    async def forgotten(self, employer: str | None) -> Position:
        """The last change of this feed that was forgotten; where the feed begins when none was."""

    async def lock_one(self, id: str, employer: str) -> Outreach | None:
        """The row, locked with its person, if it is this employer's."""

    async def settle(self, settled: Sequence[Settled]) -> None:
        """As `Store.settle`."""

    async def plan_again(self, candidates: Sequence[str]) -> None:
        """As `Store.plan_again`."""


class Epochs(Protocol):
    """The row that names the present epoch, inside one transaction."""

    async def present(self) -> Epoch:
        """The epoch that batches run under now."""

    async def take(self) -> Epoch:
        """The same, once all batches that hold it have ended; none begins until the transaction is over."""

    def booked(self, kept: timedelta) -> AsyncIterator[Sequence[Booked]]:
        """Every slot of that long back, and of the future, some at a time, the earliest first."""

    async def begin(self, epoch: Epoch) -> None:
        """Batches run under this one from the commit on."""

    async def due_state(self) -> tuple[int, timedelta]:
        """How many rows have come due, and since when the oldest has been."""

    async def forget_ended(self, limit: int, *, kept: timedelta) -> int:
        """Deletes up to so many final rows that were last decided longer ago than this; how many."""

    async def forget_changes(self, limit: int, *, kept: timedelta) -> int:
        """Drops up to so many of those that are older from the feeds, and notes how far each has forgotten; how many."""
