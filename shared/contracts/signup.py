"""The events that signup and its courier own."""

from datetime import date
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from shared.contracts.base import Event, Instant, State, Value
from shared.contracts.bounds import CandidateId, Code, Few, Id, Line, Many, Number, Sealed, Version
from shared.contracts.consent import Purpose
from shared.contracts.topics import (
    ATS_EVENTS,
    CANDIDATE_EVENTS,
    CANDIDATE_KEYS,
    CANDIDATE_PROFILES,
    ERASURE_CONFIRMATIONS,
    ERASURES,
    EXPORTS,
    NOTICES,
    OUTREACH_OUTCOMES,
    SESSIONS,
    Topic,
)
from shared.security import x25519

JOIN = "fairpool-join"
"""The vendor that the join page reports as; no tenant may have this id."""

EmploymentType = Literal["full_time", "part_time", "contract", "temporary", "internship"]


def _x25519(text: str) -> str:
    if not x25519.is_public_key(text):
        raise PydanticCustomError("no_x25519_key", "no public key of X25519")
    return text


class CandidateReportedV1(Event):
    """A vendor (or the join page) told of a candidate; what it told is sealed with the intake key of its day."""

    TYPE: ClassVar[str] = "fairpool.ats.candidate_reported.v1"
    TOPIC: ClassVar[Topic] = ATS_EVENTS
    KEY: ClassVar[str] = "vendor_record"

    vendor: Id
    record: Line
    """The candidate's id in the vendor's system; for the join page a random one."""
    employer: Id | None = None
    change: Literal["signed_up", "changed", "hired", "deleted"]
    reported_at: Instant
    intake_key: date
    sealed: Sealed
    """base64url of AES-256-GCM over the JSON of person and profile; empty when the change carries neither."""
    happened_at: Instant | None = None
    """When, by the vendor's own clock: where it says so, its reports count in that order, however they arrive."""

    @property
    def vendor_record(self) -> str:
        """The key: one vendor's record keeps its order."""
        return f"{self.vendor}:{self.record}"


class CandidateMergedV1(Event):
    """A vendor made one record of two: what `record` said of a person is `into`'s from now on, and `record` is no more."""

    TYPE: ClassVar[str] = "fairpool.ats.candidate_merged.v1"
    TOPIC: ClassVar[Topic] = ATS_EVENTS
    KEY: ClassVar[str] = "vendor_record"

    vendor: Id
    record: Line
    """The one that is no more."""
    into: Line
    """The one that goes on."""
    employer: Id | None = None
    reported_at: Instant

    @property
    def vendor_record(self) -> str:
        """The key, of the record that is no more: it keeps its order with that record's own reports."""
        return f"{self.vendor}:{self.record}"


class CandidateRegisteredV1(Event):
    """A person unknown until now was registered as a stub; nobody is told of a stub."""

    TYPE: ClassVar[str] = "fairpool.candidate.registered.v1"
    TOPIC: ClassVar[Topic] = CANDIDATE_EVENTS
    KEY: ClassVar[str] = "candidate"

    candidate: CandidateId
    at: Instant


class CandidateClaimedV1(Event):
    """A vendor introduced this person: provenance, and no permission of any kind."""

    TYPE: ClassVar[str] = "fairpool.candidate.claimed.v1"
    TOPIC: ClassVar[Topic] = CANDIDATE_EVENTS
    KEY: ClassVar[str] = "candidate"

    candidate: CandidateId
    vendor: Id
    employer: Id | None = None
    at: Instant


class CandidateConfirmedV1(Event):
    """The person opened their link and answered: the address is theirs."""

    TYPE: ClassVar[str] = "fairpool.candidate.confirmed.v1"
    TOPIC: ClassVar[Topic] = CANDIDATE_EVENTS
    KEY: ClassVar[str] = "candidate"

    candidate: CandidateId
    at: Instant


class CandidateHiredV1(Event):
    """A vendor reports that the person was hired."""

    TYPE: ClassVar[str] = "fairpool.candidate.hired.v1"
    TOPIC: ClassVar[Topic] = CANDIDATE_EVENTS
    KEY: ClassVar[str] = "candidate"

    candidate: CandidateId
    vendor: Id
    employer: Id | None = None
    at: Instant


class CandidateLapsedV1(Event):
    """A stub is to be erased, unless the person has answered in the meantime: consent knows, and says.

    `deleted`: the last vendor that vouched for them took that back; `expired`: their time to answer is over, or the mailbox has
    proven to be another person's; `refused`: the person said that it was not them, or that they want no such invitation; it stops
    everything that they answered before `at`.
    Said again, with the same `at`, until it is settled.
    """

    TYPE: ClassVar[str] = "fairpool.candidate.lapsed.v1"
    TOPIC: ClassVar[Topic] = CANDIDATE_EVENTS
    KEY: ClassVar[str] = "candidate"

    candidate: CandidateId
    at: Instant
    reason: Literal["deleted", "expired", "refused"]


class CandidateErasedV1(State):
    """The person was erased; nothing of them comes back, in whatever order this is heard. There is only this one version."""

    TYPE: ClassVar[str] = "fairpool.candidate.erased.v1"
    TOPIC: ClassVar[Topic] = ERASURES
    KEY: ClassVar[str] = "candidate"

    candidate: CandidateId
    version: Version = 1
    at: Instant


class SweptStore(Value):
    """One place in which a service keeps something of people, and what an erasure does there."""

    store: Id
    """The name of a table, or how keys of Redis are written."""
    ends: Literal["deleted", "emptied", "follows", "stays"]
    """`follows`: the rows go by themselves once others have gone; `emptied`: the id stays, alone."""
    how: Line
    """In words: how it ends, or why something stays and until when."""


class ErasureSweptV1(Event):
    """A service has erased what it kept of an erased person; what it keeps for good it declares.

    Each service that hears of an erasure says so, and says so again when it hears of it again.
    """

    TYPE: ClassVar[str] = "fairpool.erasure.swept.v1"
    TOPIC: ClassVar[Topic] = ERASURE_CONFIRMATIONS
    KEY: ClassVar[str] = "candidate"
    SAID_BY: ClassVar[str | None] = "service"

    candidate: CandidateId
    service: Literal["consent", "courier", "outreach_gateway", "pool_matching"]
    at: Instant
    stores: Annotated[tuple[SweptStore, ...], Few] = ()
    """Each place that was swept, as the service declares it; none: a version that did not say yet."""


class SessionEndedV1(Event):
    """A session of the person was ended before its time; it works nowhere any more. Of one that ran out nothing is said."""

    TYPE: ClassVar[str] = "fairpool.session.ended.v1"
    TOPIC: ClassVar[Topic] = SESSIONS
    KEY: ClassVar[str] = "candidate"

    candidate: CandidateId
    session: Id
    """Its name: a hash, of which no session can be made."""
    at: Instant
    expires_at: Instant
    """When it would have ended by itself: until then whoever takes sessions has to know."""


class LinksVoidedV1(Event):
    """Links of before that moment open nothing of the person's any more: their email moved then, or a mailbox said "not me" to
    that. Links that can only stop something go on to work.
    """

    TYPE: ClassVar[str] = "fairpool.links.voided.v1"
    TOPIC: ClassVar[Topic] = SESSIONS
    KEY: ClassVar[str] = "candidate"

    candidate: CandidateId
    before: Instant
    until: Instant
    """When the last of them would have ended by itself: until then whoever takes links has to know."""


class ExportRequestedV1(Event):
    """A person who is signed in asked for all that is kept of them: consent answers with `ExportAnsweredV1`.

    Said again, under the same name and with the same key, until an answer is whole.
    """

    TYPE: ClassVar[str] = "fairpool.export.requested.v1"
    TOPIC: ClassVar[Topic] = EXPORTS
    KEY: ClassVar[str] = "candidate"

    candidate: CandidateId
    export: Id
    """Random."""
    at: Instant
    expires_at: Instant
    """Nobody waits for an answer later."""
    public_key: Id
    """X25519, made for this export: base64url of the 32 bytes, without padding."""


class CoarseProfile(Value):
    """What employers may see of a person, in coarse steps; no personal field."""

    occupations: Annotated[tuple[Code, ...], Many] = ()
    """SOC 2018 codes, written in full."""
    skills: Annotated[tuple[Code, ...], Many] = ()
    years: Number | None = None
    """One of 0, 1, 3, 5, 10, 15, 20: rounded down."""
    state: Code | None = None
    area: Code | None = None
    """The first three digits of the ZIP code."""
    remote: bool = False
    employment_types: Annotated[tuple[EmploymentType, ...], Few] = ()
    pay_floor: Number | None = None
    """US dollars a year, rounded down to a step of 20,000."""
    available_from: date | None = None
    """The first of the month."""


class CandidateProfileChangedV1(State):
    """The coarse profile as it is now, or none, because `match` is not granted."""

    TYPE: ClassVar[str] = "fairpool.candidate.profile_changed.v1"
    TOPIC: ClassVar[Topic] = CANDIDATE_PROFILES
    KEY: ClassVar[str] = "candidate"

    candidate: CandidateId
    profile: CoarseProfile | None


class CandidateKeyPublishedV1(State):
    """The person's public key (X25519): only the vault can open what is sealed to it."""

    TYPE: ClassVar[str] = "fairpool.candidate.key_published.v1"
    TOPIC: ClassVar[Topic] = CANDIDATE_KEYS
    KEY: ClassVar[str] = "candidate"

    candidate: CandidateId
    public_key: Annotated[Id, AfterValidator(_x25519)]
    """base64url of the 32 bytes, without padding."""


class NoticeRequestedV1(Event):
    """As `NoticeRequestedV2`, which is written instead; read as long as records of it can be on the topic (7 days)."""

    TYPE: ClassVar[str] = "fairpool.notice.requested.v1"
    TOPIC: ClassVar[Topic] = NOTICES
    KEY: ClassVar[str] = "candidate"

    notice: Id
    candidate: CandidateId
    purpose: Literal["confirm", "sign_in"]
    expires_at: Instant
    introduced_by: Id | None = None
    """For `confirm`: the employer or vendor that told of the person, or `fairpool-join`; none when it is not known."""


class ChangeNoticed(Value):
    """One thing that was stopped or changed in a person's name."""

    at: Instant
    what: Literal["everything_stopped", "employer_stopped", "choices_changed", "profile_changed"]
    employer: Id | None = None
    """For `employer_stopped`."""
    switched_on: Annotated[tuple[Purpose, ...], Few] = ()
    """For `choices_changed`: what was off before."""
    by_name: bool = False
    """For `employer_stopped`: it has a name or a domain that the person had blocked."""


class NoticeRequestedV2(Event):
    """The network itself has something to say to a person; the courier writes the mail and makes the link."""

    TYPE: ClassVar[str] = "fairpool.notice.requested.v2"
    TOPIC: ClassVar[Topic] = NOTICES
    KEY: ClassVar[str] = "candidate"

    notice: Id
    """Random; of it the mail has a keyed hash alone, as its Message-ID."""
    candidate: CandidateId
    purpose: Literal["confirm", "sign_in", "changed", "stop_asked"]
    """`changed`: tells what was stopped or changed in the person's name; `stop_asked`: an old link asked for a stop that
    one tap in this mail makes."""
    expires_at: Instant
    introduced_by: Id | None = None
    """For `confirm`: the employer or vendor that told of the person, or `fairpool-join`; none when it is not known."""
    introduced_at: Instant | None = None
    """For `confirm`: when."""
    changes: Annotated[tuple[ChangeNoticed, ...], Many] = ()
    """For `changed`: what, oldest first; for `stop_asked`: the employer that the old link did stop, if it came with one."""


class ExportReadyV1(Event):
    """What a person asked to take along can be fetched; the courier writes the email. Its link opens nothing by itself."""

    TYPE: ClassVar[str] = "fairpool.export.ready.v1"
    TOPIC: ClassVar[Topic] = NOTICES
    KEY: ClassVar[str] = "candidate"

    notice: Id
    """Random; of it the mail has a keyed hash alone, as its Message-ID."""
    candidate: CandidateId
    expires_at: Instant
    """When it is gone."""


AboutEmail = Literal["new", "old", "taken", "changed", "recovering", "done", "not_moved", "code_made"]


class EmailNoticeRequestedV1(Event):
    """A person's email is to be changed, or was; the courier writes the email, to the mailbox that it is for, and makes the link.

    `new`: is this mailbox theirs? `old`: do you agree? `taken`: the mailbox has a person of its own; `changed`: it was, here is the
    way back; `recovering`: it will be, by the recovery code, unless this mailbox stops it; `done`: it is, by the recovery code;
    `not_moved`: it is not, since the other mailbox has a person of its own by now, and the code still works;
    `code_made`: a session made a new recovery code, and the one of before is worth nothing.
    No address is in it: the courier finds both in the vault.
    """

    TYPE: ClassVar[str] = "fairpool.notice.email.v1"
    TOPIC: ClassVar[Topic] = NOTICES
    KEY: ClassVar[str] = "candidate"

    notice: Id
    """Random; of it the mail has a keyed hash alone, as its Message-ID."""
    candidate: CandidateId
    about: AboutEmail
    expires_at: Instant
    """Until when it is worth sending, and its link works."""


class MailboxChangedV1(Event):
    """Mail to a person's address can, or can't, be delivered any more; the highest version is the truth.

    It is gone after the relay's permanent word that there is no such mailbox (RFC 3463: 5.1.1 and the like), and back once
    mail that the person asked for has arrived.
    """

    TYPE: ClassVar[str] = "fairpool.candidate.mailbox_changed.v1"
    TOPIC: ClassVar[Topic] = CANDIDATE_EVENTS
    KEY: ClassVar[str] = "candidate"

    candidate: CandidateId
    version: Version
    at: Instant
    reachable: bool


class OutreachOutcomeReportedV1(Event):
    """What became of an admitted outreach. `returned`: its slot was over; `withheld`: no grant, or no sender, when it was to leave."""

    TYPE: ClassVar[str] = "fairpool.outreach.outcome_reported.v1"
    TOPIC: ClassVar[Topic] = OUTREACH_OUTCOMES
    KEY: ClassVar[str] = "candidate"

    outreach: Id
    decision_version: Version
    """The version of the decision that the courier acted upon."""
    candidate: CandidateId
    employer: Id
    outcome: Literal["delivered", "bounced", "doubtful", "returned", "withheld"]
    at: Instant
    detail: Line | None = None
    """Plain words without any address, such as `552 mailbox full`."""
    mailbox_gone: bool = False
    """With `bounced`: for good, there is no such mailbox; nothing arrived, and nothing will."""
    sender_suspended: bool = False
    """With `withheld`: it did not leave because the employer was suspended or removed, and not for the person's sake."""
