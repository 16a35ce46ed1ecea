"""What the gateway's decisions read and what they say."""

import json
import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from json.encoder import encode_basestring_ascii as as_json
from typing import Literal, NamedTuple, NewType

from shared.contracts.rules import Rule as Rule  # what decisions carry, and a part of this model
from shared.facts import UNKNOWN, Fact

SHARDS = 64
"""The windows are in so many parts, each with an epoch of its own: what is lost of one holds nobody of the others."""


def shard_of(candidate: str) -> int:
    """Of a person's id its last byte, as `shard_of` in the database does: ids are random there (version 7)."""
    return int(candidate[-2:], 16) % SHARDS


PublicKey = NewType("PublicKey", str)
"""Of a person: to which employers' words for them are sealed."""


class State(StrEnum):
    """Where an outreach stands; the last five are final."""

    SUBMITTED = "submitted"
    DELAYED = "delayed"
    ADMITTED = "admitted"
    DROPPED = "dropped"
    CANCELLED = "cancelled"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    DOUBTFUL = "doubtful"


TAKES_ITS_SLOT = frozenset({State.ADMITTED, State.DELIVERED, State.DOUBTFUL})
"""It was handed on in its slot: nothing moves that any more."""
FINAL = frozenset({State.DROPPED, State.CANCELLED, State.DELIVERED, State.BOUNCED, State.DOUBTFUL})


class Standing(StrEnum):
    """Of a sender, where it is known: one that this process has not heard of yet is waited for, a projection can be behind."""

    GOOD = "good"
    SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True)
class Window:
    """At most `cap` messages in any `length`; `halved` is the cap of a person who leaves messages unanswered."""

    length: timedelta
    cap: int
    halved: int
    rule: Rule
    scope: Literal["network", "employer"] = "network"


@dataclass(frozen=True, slots=True, eq=False)  # compared by identity: it is a cache key on the hot path
class Policy:
    """The network's rules as values; from a file in `policies/`."""

    version: str
    slot_good_for: timedelta
    held_for_grant: timedelta
    latest_slot: timedelta
    network: tuple[tuple[int, timedelta], ...]
    gap: timedelta
    same_employer: timedelta
    unanswered_after: timedelta
    halve_after_unanswered: int
    """0: the caps never halve."""
    opens: time
    closes: time
    unknown_zone: tuple[str, ...]


class Consent(NamedTuple):
    """The gateway's projection of one person's consent."""

    candidate: str
    version: int
    contact: bool
    blocked_employers: frozenset[str] = frozenset()
    first_contacts_per_week: int | None = None
    min_gap_hours: int | None = None
    quiet_start: time | None = None
    quiet_end: time | None = None
    time_zone: str | None = None
    paused_until: datetime | None = None
    ends_at: datetime | None = None
    lifts_no_until: datetime | None = None
    """How late a no may be that this yes lifts."""
    no_at: datetime | None = None
    """When a purpose last went off."""


@dataclass(frozen=True, slots=True)
class Memberships:
    """Where a person is a member now."""

    employers: frozenset[str]
    """Of these pools."""
    pools: frozenset[str] | None = None
    """None: kept by a version that noted the employers alone."""
    generation: int = 0
    """How often they have withdrawn: refs of an older one are nobody's."""
    seats: frozenset[tuple[str, str]] = frozenset()
    """Each pool with its employer before it."""


@dataclass(frozen=True, slots=True)
class Person:
    """What the gateway knows of a person when it decides: consent, the pools that they are in, and whether anything
    reaches them."""

    consent: Fact[Consent]
    memberships: Fact[Memberships]
    reachable: Fact[bool] = UNKNOWN
    """Told only once a relay has said something of the mailbox; known to be False: there is no such mailbox."""
    erased: bool = False
    """For good: nothing of them is kept, and nothing is on its way."""


class Outreach(NamedTuple):
    """One live row. There are thousands a second: a tuple is made in a fraction of the time of a frozen dataclass."""

    id: str
    version: int
    state: State
    employer: str
    candidate: str
    submitted_at: datetime
    expires_at: datetime
    slot_at: datetime | None = None
    valid_through: date | None = None
    """The last day of the offer, where the person is; None on rows from before it was kept."""
    pool_tag: bytes | None = None
    """Of the pool in whose list the employer found the person; None on rows from before refs had one."""
    generation: int = 0
    """Of the ref that it found."""
    last_day: date = date.max
    """Of the message, UTC: `expires_at` is where it ends."""
    sent_at: datetime | None = None
    """When it was handed to a relay."""
    heard_at: datetime | None = None
    """When that was written here."""
    taken_back_at: datetime | None = None
    """When its employer took it back, whatever had become of it by then."""
    key_missing: bool = False
    """There was no key to seal its words to: nobody can open them."""

    wished_at: datetime | None = None
    """When its person asked last for it to come next."""

    @property
    def has_place(self) -> bool:
        """Whether it waits in its person's queue already: it was given a slot once, and did not leave in it."""
        return self.state is State.DELAYED or (self.state is State.SUBMITTED and self.slot_at is not None)


@dataclass(frozen=True, slots=True)
class Place:
    """A slot that a row names."""

    outreach: str
    employer: str
    at: datetime


class Ask(NamedTuple):
    """A question to the windows: when may this message go at the earliest?"""

    outreach: str
    employer: str
    until: datetime
    """No slot later than this."""
    slot_at: datetime | None = None
    """The slot that it has, by its row."""
    offer_ends: bool = False
    """Whether `until` is where it is because the offer ends then."""


class Queue(NamedTuple):
    """All that the windows have to know of one person, as the rows say it."""

    candidate: str
    windows: tuple[Window, ...]
    open_hours: tuple[tuple[int, int], ...]
    """Open intervals in UTC milliseconds, start inclusive, end exclusive, ascending."""
    taken: tuple[Place, ...] = ()
    """Slots that nothing moves: their messages were handed on."""
    leaving: tuple[Place, ...] = ()
    """Slots of messages that are being refused now, and that are free."""
    waiting: tuple[Ask, ...] = ()
    """In the queue's order."""


@dataclass(frozen=True, slots=True)
class Slot:
    """The windows' answer: this slot is booked. `rule` says what stood against an earlier one."""

    at: datetime
    now: datetime
    rule: Rule | None

    @property
    def is_due(self) -> bool:
        """Whether the message may go now."""
        return self.at <= self.now


@dataclass(frozen=True, slots=True)
class NoSlot:
    """The windows' answer: nothing before the message ends; no slot is its own."""

    rule: Rule


Answer = Slot | NoSlot


@dataclass(frozen=True, slots=True)
class Admit:
    """Goes to the courier, which may send it until `good_until`."""

    slot_at: datetime
    good_until: datetime


@dataclass(frozen=True, slots=True)
class Delay:
    """It waits in its person's queue, and is decided again when its slot comes."""

    slot_at: datetime | None
    """None: the queue leaves no room before its end as things stand; it waits for room, at most until then."""
    rule: Rule
    due_at: datetime | None = None
    """When to look again, by this process' clock, which need not be that of the windows; None: at the slot."""


@dataclass(frozen=True, slots=True)
class Drop:
    """Will not be sent."""

    rule: Rule


@dataclass(frozen=True, slots=True)
class Hold:
    """Nothing is decided anew: looked at again, at the latest at this time.

    Asked before its grant or membership arrived, from a sender not heard of yet, or its slot did not move and is yet to come.
    """

    until: datetime


@dataclass(frozen=True, slots=True)
class Cancel:
    """Was waiting, and will not be sent any more."""

    rule: Rule


Decision = Admit | Delay | Drop | Hold | Cancel


@dataclass(frozen=True, slots=True)
class Change:
    """One change of an outreach's state, as the feed tells it."""

    outreach: str
    state: State
    rule: str | None
    at: datetime

    def told(self) -> str:
        """Its row in the feed, as JSON: each decision has one, so it is put together here."""
        rule = "null" if self.rule is None else as_json(self.rule)
        return (
            f'{{"outreach": {as_json(self.outreach)}, "state": "{self.state.value}", "rule": {rule}, '
            f'"at": "{self.at.isoformat()}"}}'
        )

    @classmethod
    def of(cls, told: str) -> "Change":
        """What such a row says."""
        row = json.loads(told)
        return cls(row["outreach"], State(row["state"]), row["rule"], datetime.fromisoformat(row["at"]))


JOBS_PER_EMPLOYER = 5_000
"""Open ones; those whose last day is over don't count."""
JOB_NAME = re.compile(r"(?:[A-Za-z0-9._-]{1,100}|inline:[A-Za-z0-9_-]{22})")
"""What an employer may call a job, and what one is called that came along with a message."""


@dataclass(frozen=True, slots=True)
class DeclaredJob:
    """A job that an employer may write about, by its id."""

    id: str
    body: str
    """As JSON."""
    valid_through: date
    version: int = 1


@dataclass(frozen=True, slots=True)
class PoolMessage:
    """One message to whoever is in a pool, unseen: what its employer has of it."""

    id: str
    employer: str
    pool: str
    digest: bytes
    """Of what was sent."""
    submitted_at: datetime
    last_day: date
    valid_through: date
    tell_at: datetime
    """The tick at which it is told how many were sent."""
    taken_back_at: datetime | None = None
    sent: int | None = None
    """As it was told, rounded down to fives; None before its end."""


@dataclass(frozen=True, slots=True)
class Fitting:
    """Somebody who is in a pool, and to whom words can be sealed."""

    candidate: str
    generation: int
    public_key: str
