"""All that signup holds of one person."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.signup.model.exports import Export
from services.signup.model.people import Person
from services.signup.model.provenance import Origin, Teller, ValueOrigin
from services.signup.model.records import Proposed
from shared.contracts.signup import CoarseProfile


@dataclass(frozen=True, slots=True)
class HeldClaim:
    """One vendor's record of the person."""

    vendor: str
    record: str
    employer: str | None
    claimed_at: datetime
    registered: bool
    """What is held of their name, email and phones came by this record."""
    happened_at: datetime | None
    origin: Origin

    @property
    def teller(self) -> Teller:
        """Who told it, and what of that can be checked."""
        return Teller(
            vendor=self.vendor,
            record=self.record,
            employer=self.employer,
            event_id=self.origin.event_id,
            proof=self.origin.proof,
            received_at=self.origin.received_at,
            told_at=self.claimed_at,
        )


@dataclass(frozen=True, slots=True)
class Denied:
    """A record of which the person said that it is not of them."""

    vendor: str
    record: str
    employer: str | None
    said_at: datetime


@dataclass(frozen=True, slots=True)
class Intake:
    """What was told of one of their records and is kept sealed for a day, such as a deletion, in case something older arrives later."""

    vendor: str
    record: str
    employer: str | None
    change: str
    kept_at: datetime


@dataclass(frozen=True, slots=True)
class Mailed:
    """An email to the person: never its words."""

    kind: str
    """`notice`: the network's own; `outreach`: an employer's."""
    purpose: str | None
    employer: str | None
    state: str
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class LookedAt:
    """An operator's act on the person."""

    at: datetime
    act: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class EmailChange:
    """A change of the email that is under way, or that the old mailbox can still put back. It shows nothing of itself, so that no log can."""

    state: str
    """As `GET /v1/me/email` has it."""
    until: datetime
    new: str | None
    """None, as `old`, where it does not open."""
    old: str | None
    new_said: bool
    old_said: bool

    def __repr__(self) -> str:
        return "EmailChange(hidden)"


@dataclass(frozen=True, slots=True)
class RecoveryCode:
    """That there is one: of the code itself only what it can be checked against is kept."""

    made_at: datetime
    spent_at: datetime | None


@dataclass(frozen=True, slots=True)
class HeldSession:
    """One that works, or one that is over, as long as its link must not be spent again."""

    since: datetime
    until: datetime
    browser: str
    ended_at: datetime | None
    kept_until: datetime


@dataclass(frozen=True, slots=True)
class Held:
    """Everything, as it is now."""

    candidate: str
    identity: Person
    registered_at: datetime
    confirmed_at: datetime | None
    kept_until: datetime
    """For whoever has not answered yet."""
    mailbox_gone_at: datetime | None
    profile: CoarseProfile | None
    published: CoarseProfile | None
    email_since: datetime | None
    """None: the one that they came with."""
    language: str | None
    """Of our emails."""
    time_zone: str | None
    """In which they are told when something was (IANA): as they chose it with what they allow, and the courier's emails have it."""
    origins: Sequence[ValueOrigin]
    claims: Sequence[HeldClaim]
    proposals: Sequence[Proposed]
    denied: Sequence[Denied]
    intake: Sequence[Intake]
    mails: Sequence[Mailed]
    looked_at: Sequence[LookedAt]
    email_change: EmailChange | None
    recovery_code: RecoveryCode | None
    sessions: Sequence[HeldSession]
    exports: Sequence[Export]

    @property
    def introduced_by(self) -> HeldClaim | None:
        """Whose record brought the name, the email and the phones; None once that record is gone."""
        return next((one for one in self.claims if one.registered), None)
