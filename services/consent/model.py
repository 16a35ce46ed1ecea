"""The values that consent's decisions read and make."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from types import MappingProxyType
from typing import Any, Literal

from shared.contracts import agreements
from shared.contracts.consent import LinkStatement, Purpose
from shared.contracts.pool_matching import Membership
from shared.i18n import marked

PURPOSES: tuple[Purpose, ...] = ("match", "contact")
Door = Literal["confirm", "me", "unsubscribe", "refuse", "name", "agreement"]
"""Through which link a change came; `refuse`: the way out of an invitation; `name`: an employer joined that the person had
blocked by name; `agreement`: a newer text ends what was allowed under the one before."""

# What the agreement promises; a person may tighten it and never loosen it, and every policy keeps to it.
LIMITS = agreements.present(agreements.load()).limits
POLICY_CONTACTS_PER_WEEK = LIMITS.first_contacts
POLICY_GAP = LIMITS.gap
POLICY_OPENS, POLICY_CLOSES = LIMITS.opens, LIMITS.closes  # the norm of 47 CFR 64.1200
LONGEST_GAP = timedelta(days=30)
LEAST_OPEN_HOURS = timedelta(hours=2)
MOST_NAMES, LONGEST_NAME = 100, 100
"""Of employers that a person blocks by name."""
LASTS = timedelta(days=365)
"""How long an answer lasts that names no end."""
FURTHEST = timedelta(days=3653)
"""No date that a person names lies further ahead than ten years."""

# 2018 Standard Occupational Classification (US Bureau of Labor Statistics), the 23 major groups without "Occupations".
MAJOR_GROUPS: Mapping[str, str] = MappingProxyType(
    {
        "11-0000": marked("Management"),
        "13-0000": marked("Business and Financial Operations"),
        "15-0000": marked("Computer and Mathematical"),
        "17-0000": marked("Architecture and Engineering"),
        "19-0000": marked("Life, Physical, and Social Science"),
        "21-0000": marked("Community and Social Service"),
        "23-0000": marked("Legal"),
        "25-0000": marked("Educational Instruction and Library"),
        "27-0000": marked("Arts, Design, Entertainment, Sports, and Media"),
        "29-0000": marked("Healthcare Practitioners and Technical"),
        "31-0000": marked("Healthcare Support"),
        "33-0000": marked("Protective Service"),
        "35-0000": marked("Food Preparation and Serving Related"),
        "37-0000": marked("Building and Grounds Cleaning and Maintenance"),
        "39-0000": marked("Personal Care and Service"),
        "41-0000": marked("Sales and Related"),
        "43-0000": marked("Office and Administrative Support"),
        "45-0000": marked("Farming, Fishing, and Forestry"),
        "47-0000": marked("Construction and Extraction"),
        "49-0000": marked("Installation, Maintenance, and Repair"),
        "51-0000": marked("Production"),
        "53-0000": marked("Transportation and Material Moving"),
        "55-0000": marked("Military Specific"),
    }
)


@dataclass(frozen=True, slots=True)
class Quiet:
    """From when until when the person wants no messages, on their own clock; may pass midnight."""

    start: time
    end: time


@dataclass(frozen=True, slots=True)
class Choices:
    """What one person allows and within which limits; as it stands here, nothing."""

    purposes: tuple[Purpose, ...] = ()
    sectors: tuple[str, ...] = ()
    """SOC codes of any level; none: all kinds of work."""
    blocked_employers: tuple[str, ...] = ()
    blocked_names: tuple[str, ...] = ()
    """Names and domains of employers, as the person typed them: whoever bears one is blocked, also when they join later."""
    first_contacts_per_week: int | None = None
    min_gap_hours: int | None = None
    quiet_hours: Quiet | None = None
    time_zone: str | None = None
    paused_until: datetime | None = None
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Present:
    """One person's row: version 0 has never answered."""

    candidate: str
    principal: str
    """The person's name in receipts and in the ledger; it appears nowhere else."""
    version: int = 0
    choices: Choices = Choices()
    leaf: bytes | None = None
    """The last leaf of the person's own chain."""
    receipt: str | None = None
    outbox_id: int | None = None
    """The outbox row that carried this state away: gone once Kafka has it."""
    granted_at: datetime | None = None
    """When something was last switched on that was off, or an employer let in again."""
    statement: LinkStatement | None = None
    """Signup's, of the link by which what is on was said; none where nothing is on."""
    said_at: datetime | None = None
    """When that was."""
    stopped_at: datetime | None = None
    """When a purpose last went off."""
    agreement: str | None = None
    """The version of the text that they signed last."""
    language: str | None = None
    """That they read it in."""
    own_end: datetime | None = None
    """The end they had chosen, where a newer text has ended it earlier."""
    is_closed: bool = False
    """The person lapsed without an answer, or was erased: no link of theirs opens anything any more."""
    session_ended: bool = False
    """Whether the session by which it was asked for was ended."""
    links_from: datetime | None = None
    """No link from before opens anything of theirs; none: all count."""


@dataclass(frozen=True, slots=True)
class AgreedPurpose:
    """One purpose as the agreement puts it."""

    id: Purpose
    label: str
    points: tuple[tuple[str, str], ...]
    """What it means, each with the words that it begins with."""
    data: tuple[str, ...]
    recipients: str


@dataclass(frozen=True, slots=True)
class Agreement:
    """The text that a person answers: `text` is the file to the letter, `sha256` its hash."""

    version: str
    language: str
    title: str
    always: tuple[str, ...]
    withdraw: str
    purposes: tuple[AgreedPurpose, ...]
    text: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Answer:
    """How a person answered on a page, or a program for them: the text that was in front of them."""

    agreement: Agreement
    served_at: datetime | None
    """When the page was made that showed it; None: no page of ours did."""
    sends_signal: bool = False
    """Global Privacy Control."""


@dataclass(frozen=True, slots=True)
class Agreements:
    """The text in force in each of its languages, and every earlier one that somebody may have signed."""

    in_force: Mapping[str, Agreement]
    """By language; the first is the one that was written first."""
    signed: Mapping[tuple[str, str], Agreement]
    """By version and language, those in force among them."""

    @property
    def original(self) -> Agreement:
        """The one in force, in the language it was written in."""
        return next(iter(self.in_force.values()))

    @property
    def version(self) -> str:
        """Of the one in force."""
        return self.original.version

    def in_language(self, language: str | None) -> Agreement:
        """The one in force, in this language where there is such a text."""
        return self.in_force.get(language or "", self.original)

    def standing(self, present: "Present") -> Agreement:
        """The text by which holds what the person allows: what they signed last; of who signed none the one in force.

        Of a text that is not kept here any more it names the version, and no words.
        """
        if present.agreement is None or present.language is None:
            return self.original
        key = present.agreement, present.language
        return self.signed.get(key) or replace(self.original, version=key[0], language=key[1], text="", sha256="")


@dataclass(frozen=True, slots=True)
class Entry:
    """One change as it is written: the new state, its leaf, the nonce that opens the leaf, and the receipt."""

    candidate: str
    version: int
    at: datetime
    choices: Choices
    previous: bytes | None
    leaf: bytes
    nonce: bytes
    receipt: str
    document: Mapping[str, Any]
    is_grant: bool
    """Whether it allows what was not allowed before."""
    statement: LinkStatement | None = None
    said_at: datetime | None = None
    stopped_at: datetime | None = None
    agreement: str | None = None
    language: str | None = None
    own_end: datetime | None = None
    """As in `Present`, after the change."""
    remind_at: datetime | None = None
    """When the person is to be reminded that it ends."""


@dataclass(frozen=True, slots=True)
class Introduction:
    """Who told of somebody first, and when; the join page is one of them (`JOIN`)."""

    candidate: str
    teller: str
    """An employer, or the vendor where none is named."""
    at: datetime


@dataclass(frozen=True, slots=True)
class NamedEmployer:
    """An employer by what it is found by."""

    employer: str
    version: int
    """Of its record on `tenants`."""
    keys: frozenset[str]


@dataclass(frozen=True, slots=True)
class Blocking:
    """An employer that is being blocked for those who named it."""

    employer: str
    keys: tuple[str, ...]
    until: datetime
    """Who names it later sees it among the network's employers: nobody has to be looked for any more."""


@dataclass(frozen=True, slots=True)
class VoidLinks:
    """Links of a person from before a moment, until the last of them would have ended by itself."""

    candidate: str
    before: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class EndedSession:
    """A session that signup has ended."""

    candidate: str
    session: str
    expires_at: datetime
    """When it would have ended by itself, and this is forgotten."""


Scope = Literal["all", "employer"]
"""Who is to stop: everyone, or the employer of the link."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What an unsubscribe link was used for, last."""

    link: bytes
    """The SHA-256 of its token."""
    candidate: str
    employer: str | None
    scope: Scope
    outcome: Literal["changed", "nothing", "asked"]
    """`asked`: the link was too old to stop everyone; the person got an email with one that does."""
    at: datetime
    expires_at: datetime
    """When the link ends, and this is forgotten."""
    stopped_all: bool = False
    """Whether it was used to stop everyone, now or before: its holder is told that, and not what came of it."""
    stopped_employer: bool = False


What = Literal["everything_stopped", "employer_stopped", "choices_changed"]
ASKS_FOR = timedelta(days=14)
"""How long the link works in an email that asks about what is allowed."""
HIRED_ASKED_EVERY = timedelta(days=30)
"""Whoever tells of a hire, and how often: the person is asked once in that time."""
TOLD_EVERY = timedelta(hours=24)
"""A person gets at most one email of each kind in that time: what was changed, and whether to stop everything."""


@dataclass(frozen=True, slots=True)
class Decided:
    """What the gateway decided of a message last."""

    version: int
    outcome: Literal["admitted", "delayed", "dropped", "cancelled"]
    rule: str | None
    """Of the network, by which it waits or was refused; one that is not in `Rule` is of a later version."""
    policy: str
    at: datetime
    slot_at: datetime | None
    """Its place in the person's windows: for then it is planned, or then it was admitted."""


@dataclass(frozen=True, slots=True)
class Reported:
    """What became of what was admitted by the decision of this version."""

    version: int
    outcome: Literal["delivered", "bounced", "doubtful", "returned", "withheld"]
    at: datetime
    sender_suspended: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """One outreach as its person may know it; its words are in no place that consent can open."""

    outreach: str
    candidate: str
    employer: str
    began_at: datetime
    """When the employer submitted it, or what was heard of it first where that is not told."""
    ends_at: datetime | None
    """It is never sent later; none: not told."""
    decided: Decided | None
    reported: Reported | None
    """Each of the two comes on its own topic, in any order."""
    wished_at: datetime | None = None
    """When its person asked last for it to come next."""
    sealed_job: str | None = None
    """Of what waits: its job, sealed to the person's key."""


MESSAGES_KEPT = timedelta(days=396)
"""Thirteen months."""
SLOTS_COUNT_FOR = timedelta(days=100)
"""No window of any policy is longer: the gateway remembers slots no longer than that."""


@dataclass(frozen=True, slots=True)
class Memberships:
    """Every pool that a person is in now, listed there or not."""

    pools: tuple[Membership, ...]


@dataclass(frozen=True, slots=True)
class Disclosed:
    """From a moment on an employer could read something of a person that it could not read before."""

    employer: str
    pool: str
    at: datetime
    fields: tuple[str, ...]
    """Of the profile, by name; besides these that the person fits what the pool asks for."""
    way: str
    member_since: datetime
    ended_at: datetime | None
    """From when on the person is not shown there any more; None: they still are."""


@dataclass(frozen=True, slots=True)
class TellingPlace:
    """Behind which telling a page of them begins, the latest being first."""

    at: datetime
    pool: str


BEGINNING = TellingPlace(datetime.max.replace(tzinfo=UTC), "")
TOLD_KEPT = timedelta(days=396)
"""How long a person may read what an employer could read, once that is over: thirteen months."""
