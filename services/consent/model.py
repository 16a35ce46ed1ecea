"""The values that consent's decisions read and make."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from types import MappingProxyType
from typing import Any, Literal

from shared.contracts import agreements
from shared.contracts.consent import LinkStatement, Purpose

PURPOSES: tuple[Purpose, ...] = ("match", "contact")
Door = Literal["confirm", "me", "unsubscribe", "refuse", "name"]
"""Through which link a change came; `refuse`: the way out of an invitation; `name`: an employer joined that the person had
blocked by name."""

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
        "11-0000": "Management",
        "13-0000": "Business and Financial Operations",
        "15-0000": "Computer and Mathematical",
        "17-0000": "Architecture and Engineering",
        "19-0000": "Life, Physical, and Social Science",
        "21-0000": "Community and Social Service",
        "23-0000": "Legal",
        "25-0000": "Educational Instruction and Library",
        "27-0000": "Arts, Design, Entertainment, Sports, and Media",
        "29-0000": "Healthcare Practitioners and Technical",
        "31-0000": "Healthcare Support",
        "33-0000": "Protective Service",
        "35-0000": "Food Preparation and Serving Related",
        "37-0000": "Building and Grounds Cleaning and Maintenance",
        "39-0000": "Personal Care and Service",
        "41-0000": "Sales and Related",
        "43-0000": "Office and Administrative Support",
        "45-0000": "Farming, Fishing, and Forestry",
        "47-0000": "Construction and Extraction",
        "49-0000": "Installation, Maintenance, and Repair",
        "51-0000": "Production",
        "53-0000": "Transportation and Material Moving",
        "55-0000": "Military Specific",
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
    is_closed: bool = False
    """The person lapsed without an answer, or was erased: no link of theirs opens anything any more."""


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
    """As in `Present`, after the change."""


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
TOLD_EVERY = timedelta(hours=24)
"""A person gets at most one email of each kind in that time: what was changed, and whether to stop everything."""
