"""The rows of outreach as decisions, reports and tellings need them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from services.outreach_gateway.answers import News, Told, Untold
from services.outreach_gateway.model import (
    Consent,
    Decision,
    Memberships,
    Outreach,
    Person,
    Rule,
)
from services.outreach_gateway.ports.windows import Epoch

DUE = "due"
"""The queue of due decisions; each key is a candidate."""


TELLINGS = "tellings"
"""The queue of what employers come to be told; each key is an employer."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of one row: its decision, and the event that says so (none for a hold)."""

    outreach: Outreach
    decision: Decision
    rule: str | None = None


_NOW = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Reported:
    """What the courier said of one admitted outreach."""

    outreach: str
    decision_version: int
    outcome: str
    detail: str | None
    rule: Rule | None = None
    """Why, where it is known: the mailbox is gone."""
    at: datetime = _NOW
    """When it happened, by the courier's clock; never later than it was heard of."""


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

    async def earlier(self, pairs: Collection[tuple[str, str]]) -> Mapping[tuple[str, str], Sequence[Outreach]]:
        """Of each candidate and employer, what this employer wrote to them in the last 110 days, whatever became of it.

        Where that is one message alone, which this transaction has in hand, it may be left out: it has nothing before it.
        """

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

    def decide_no_more(self, candidates: Sequence[str]) -> None:
        """Nothing of these people is due any more: nobody has to decide for them, and no work is called by them."""

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

    async def keep_memberships(self, memberships: Mapping[str, tuple[int, Memberships]]) -> None:
        """Candidate to version and pools; keeps each that is newer than what is there."""

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

    async def wish(self, wishes: Mapping[str, tuple[str, datetime]]) -> Collection[str]:
        """By message, its person and when they wanted it next; noted of what waits for that very person, unless a later wish is.

        Gives the people of whom something was noted.
        """

    async def report(self, reports: Sequence[Reported]) -> Freed:
        """Writes final outcomes; gives back those that take no slot any more.

        A report on another version than the row's, or on a row that is not admitted, has no effect.
        """


class Tellings(Protocol):
    """What employers come to be told, inside one transaction."""

    @property
    def at(self) -> datetime:
        """The time of this transaction."""

    async def take(self, ticks: Mapping[str, datetime], limit: int) -> Sequence[Untold]:
        """Of each of these employers what comes to be told by this tick of its own, locked, up to so many: by tick, then by id."""

    async def tell(self, looked_at: Sequence[tuple[Untold, Told, datetime | None]], news: Mapping[str, News]) -> None:
        """Keeps what each is told now and when there is to be looked again; what is new of a message, by id, goes into the feed,
        in this order."""

    async def next(self, employers: Sequence[str]) -> Mapping[str, datetime]:
        """When something of these employers comes to be told next; who has nothing is missing."""

    async def missed(self, limit: int) -> Sequence[str]:
        """Some of whom something has come to be told, and whom nobody has to tell; one of several messages is here several times."""

    def tell_at(self, employers: Sequence[str], at: datetime) -> None:
        """Has these employers told at that time what has come to be told by then."""

    async def adopt(self, limit: int) -> int:
        """Fills some of the rows of a version that did not keep what employers were told; how many."""
