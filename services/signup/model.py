"""Frozen values that the decisions read."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, Literal

from pydantic import ConfigDict

from shared.contracts.base import Value
from shared.contracts.signup import CandidateMergedV1, CandidateReportedV1, CoarseProfile, EmploymentType

Change = Literal["signed_up", "changed", "hired", "deleted", "merged"]
Record = tuple[str, str]
"""A vendor and the candidate's id in its system."""


class Person(Value):
    """Who a vendor says a person is. It shows nothing of itself."""

    model_config = ConfigDict(hide_input_in_errors=True)

    mail: str
    given_name: str | None = None
    family_name: str | None = None
    phones: tuple[str, ...] = ()
    """E.164."""

    def __repr__(self) -> str:
        return "Person(hidden)"

    __str__ = __repr__


class RawProfile(Value):
    """What a vendor tells of a person's work, before it is made coarse."""

    model_config = ConfigDict(hide_input_in_errors=True)

    titles: tuple[str, ...] = ()
    occupations: tuple[str, ...] = ()
    skills: tuple[str, ...] = ()
    years: int | None = None
    postal_code: str | None = None
    state: str | None = None
    remote: bool = False
    employment_types: tuple[EmploymentType, ...] = ()
    pay_floor: int | None = None
    available_from: date | None = None
    time_zone: str | None = None

    def __repr__(self) -> str:
        return "RawProfile(hidden)"

    __str__ = __repr__


class Told(Value):
    """What is sealed on its way over the bus."""

    person: Person | None = None
    profile: RawProfile | None = None
    without_email: bool | None = None
    """From the join page: the mailbox was emailed enough today, so what was written is taken and nothing is sent."""


NOTHING_TOLD = Told()


@dataclass(frozen=True, slots=True)
class Reading:
    """What a format's adapter understood: one change of one record in the vendor's own numbering."""

    change: Change
    record: str
    told: Told = NOTHING_TOLD
    into: str | None = None
    """For `merged`: the record that goes on; `record` is no more."""
    person_left_out: str | None = None
    """One of `PASSED_OVER`: why only the profile of a change is used."""


PASSED_OVER = ("person_without_email", "person_may_not_be_mailed", "person_outside_the_states")
"""Why a person whom an ATS tells of is not taken, though nobody did anything wrong."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """A well-formed event that is none of our business; `action` is its documented name, or one of `PASSED_OVER`."""

    action: str


@dataclass(frozen=True, slots=True)
class Malformed:
    """A body that can't be understood: what was expected, without values; `reason` is for programs."""

    detail: str
    reason: str = "malformed"


@dataclass(frozen=True, slots=True)
class Source:
    """A webhook: which employer's ATS posts to it, and the secret that it signs with."""

    format: str
    source: str
    vendor: str
    employer: str
    secret: str
    previous: str | None = None
    """The secret before this one, as long as it still signs."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """All that sign now."""
        return (self.secret,) if self.previous is None else (self.secret, self.previous)

    def __repr__(self) -> str:
        return f"Source({self.format}/{self.source})"


@dataclass(frozen=True, slots=True)
class ListedSource:
    """A webhook as an operator sees it: without its secret."""

    format: str
    source: str
    vendor: str
    employer: str
    added_at: datetime | None
    previous_until: datetime | None
    """Until when the secret before the present one still signs."""


@dataclass(frozen=True, slots=True)
class OperatorAct:
    """One thing that an operator did, and why."""

    seq: int
    at: datetime
    by: str
    act: str
    tenant: str | None
    candidate: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Outstanding:
    """A service that has not confirmed yet that it erased what it kept of an erased person."""

    candidate: str
    service: str
    erased_at: datetime
    asked_at: datetime
    """When it was asked last."""
    asked: int
    """How often."""
    ask_at: datetime
    """When it is asked again."""


@dataclass(frozen=True, slots=True)
class LookedUp:
    """What signup holds of a person, as states, ids and times: no name, no address, no words."""

    candidate: str
    registered_at: datetime
    confirmed_at: datetime | None
    stub_until: datetime
    match_granted: bool
    paused_until: datetime | None
    ends_at: datetime | None
    claims: tuple[Mapping[str, Any], ...]
    """vendor, employer, record, claimed_at, registered: at most 200, oldest first."""
    mails: tuple[Mapping[str, Any], ...]
    """kind, id, purpose, employer, state, attempts, changed_at: at most 100, newest first."""


@dataclass(frozen=True, slots=True)
class Report:
    """One change, checked, on its way to `ats-events`."""

    mark: bytes
    """A digest of the event's own id, which is the same when it comes again."""
    vendor: str
    record: str
    employer: str | None
    change: Change
    at: datetime
    told: Told
    happened_at: datetime | None = None
    """By the vendor's own clock."""
    into: str | None = None
    """For `merged`: the record that goes on."""
    content: bytes = b""
    """A digest of all that the event says."""
    by_content: bool = False
    """Its id is not signed, its content is: what the record's last one said is a repetition under any id."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of reports at the edge."""

    accepted: int
    duplicates: int
    conflicts: tuple[int, ...] = ()
    """The places of those whose id was that of something else before; they are not taken."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A report from the bus with its seal opened; a signing-up one has a person and the blind index of their mail."""

    id: str
    event: CandidateReportedV1 | CandidateMergedV1
    """As it came, sealed: what can be kept."""
    told: Told = NOTHING_TOLD
    blind_index: bytes | None = None

    @property
    def change(self) -> Change:
        """What is reported."""
        return "merged" if isinstance(self.event, CandidateMergedV1) else self.event.change

    @property
    def vendor(self) -> str:
        """Who reports."""
        return self.event.vendor

    @property
    def record(self) -> str:
        """The candidate's id in the vendor's system."""
        return self.event.record

    @property
    def employer(self) -> str | None:
        """For whom."""
        return self.event.employer

    @property
    def happened_at(self) -> datetime | None:
        """By the vendor's own clock, if it says."""
        return None if isinstance(self.event, CandidateMergedV1) else self.event.happened_at

    @property
    def reported_at(self) -> datetime:
        """When it came to the edge."""
        return self.event.reported_at

    @property
    def key(self) -> Record:
        """The record that is reported on."""
        return self.vendor, self.record

    @property
    def owned(self) -> tuple[Record, str]:
        """The record and its employer (empty: none)."""
        return self.key, self.employer or ""

    @property
    def into(self) -> Record | None:
        """The record that goes on after a merge."""
        return (self.vendor, self.event.into) if isinstance(self.event, CandidateMergedV1) else None

    @property
    def keys(self) -> tuple[Record, ...]:
        """Every record that it touches."""
        return (self.key,) if self.into is None else (self.key, self.into)


@dataclass(frozen=True, slots=True)
class KeptReport:
    """A report that came before its time, as it came; `waits_for`: a candidate who is being erased and has the mailbox."""

    id: str
    event: CandidateReportedV1 | CandidateMergedV1
    waits_for: str | None = None
    counted: bool = False
    """It ended its record: kept as a deletion, only to be remembered."""

    @property
    def change(self) -> Change:
        """What is reported."""
        return "merged" if isinstance(self.event, CandidateMergedV1) else self.event.change

    @property
    def happened_at(self) -> datetime | None:
        """By the vendor's own clock, if it says."""
        return None if isinstance(self.event, CandidateMergedV1) else self.event.happened_at


@dataclass(frozen=True, slots=True)
class Deletion:
    """A record that its vendor deleted within the day, and that nobody knows at present."""

    vendor: str
    record: str
    employer: str
    happened_at: datetime | None
    """By the vendor's own clock, if it says."""
    reported_at: datetime
    """When it came to the edge."""
    counted: bool = False
    """It took the record's claim, or stopped a creation that it had overtaken."""


LapseReason = Literal["deleted", "expired", "refused"]
Refusal = Literal["invited", "refused", "never_again", "answered", "gone"]
"""How somebody stands to their invitation: they may still say no; they said that it was not them, or never again; they have
answered on their page; or nobody is known by it any more."""


@dataclass(frozen=True, slots=True)
class Lapse:
    """A stub that is to be erased unless the person has answered."""

    candidate: str
    reason: LapseReason
    at: datetime
    """Since when."""


@dataclass(frozen=True, slots=True)
class PastInvitations:
    """Of one mailbox: how often it was invited, and whether its owner wants no more of it."""

    count: int
    last_at: datetime | None = None
    """When it was invited last, or first said no."""
    said_no_at: datetime | None = None
    """When it first said no, in either way."""
    refused: bool = False
    """Whether it said never again."""


@dataclass(frozen=True, slots=True)
class Stub:
    """Someone who may be new: kept if nobody has their mail yet."""

    candidate: str
    blind_index: bytes
    until: datetime


@dataclass(frozen=True, slots=True)
class Proposal:
    """What one record tells of a person's work: in force once the person has kept it, and shown to nobody before."""

    candidate: str
    vendor: str
    record: str
    profile: CoarseProfile
    """In the steps that would be shown; its occupations are those that were told as codes."""
    titles: tuple[str, ...] = ()
    """As they were told."""


@dataclass(frozen=True, slots=True)
class Proposed:
    """A proposal as the person sees it: with who told it when."""

    proposal: Proposal
    employer: str | None
    told_at: datetime


@dataclass(frozen=True, slots=True)
class Known:
    """Someone in the vault."""

    candidate: str
    blind_index: bytes
    confirmed: bool
    lapsing: bool = False
    """They are to be erased unless they have answered: nobody claims them in the meantime."""
    has_spoken: bool = False
    """They kept something of their profile, or wrote it: no vendor changes anything from then on."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A vendor's record of someone in the vault."""

    vendor: str
    record: str
    candidate: str
    employer: str | None
    registered: bool
    """This record registered the stub."""
    happened_at: datetime | None = None
    """The newest of the vendor's own times among what was taken of it."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What the vault knows of everybody that some reports are about."""

    claims: Mapping[Record, Claim]
    people: Mapping[str, Known]
    """By candidate."""
    addresses: Mapping[bytes, Known]
    """By blind index."""
    deletions: Mapping[tuple[Record, str], Deletion] = field(default_factory=dict)
    """By record and employer (empty: none)."""

    def with_new(self, stubs: Iterable["Stub"]) -> "Picture":
        """The same, and these, who were just registered."""
        new = [Known(stub.candidate, stub.blind_index, confirmed=False) for stub in stubs]
        return replace(
            self,
            people={**self.people, **{known.candidate: known for known in new}},
            addresses={**self.addresses, **{known.blind_index: known for known in new}},
        )


@dataclass(frozen=True, slots=True)
class Showing:
    """What a person allows, as last heard, and what `candidate-profiles` shows of them."""

    candidate: str
    consent_version: int
    confirmed: bool
    match_granted: bool
    paused_until: datetime | None
    ends_at: datetime | None
    profile: CoarseProfile | None
    """What the person kept; None before that."""
    profile_version: int
    published: CoarseProfile | None
    look_again_at: datetime | None = None
    mailbox_gone: bool = False
    """Mail to them can't be delivered any more; the courier notes it."""
    no_at: datetime | None = None
    """When a purpose last went off."""
    lifts_no_until: datetime | None = None
    """How late a no may be that what is granted lifts."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Somebody who is to be invited, as it was asked for."""

    candidate: str
    by_join: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class ToInvite:
    """A stub whose invitation is to be decided."""

    candidate: str
    by_join: bool
    until: datetime
    introduced_by: str | None
    """The employer, or the vendor without one, whose record registered them, or else claimed them first."""
    introduced_at: datetime | None = None
    """When that was; of the join page, when they asked."""
