"""The events that outreach_gateway owns."""

from datetime import time
from typing import Annotated, ClassVar, Literal

from pydantic import AnyHttpUrl

from shared.contracts.base import Event, Instant, Value
from shared.contracts.bounds import CandidateId, Few, Id, Number, Sealed, Version
from shared.contracts.topics import OUTREACH_DECISIONS, OUTREACH_REQUESTS, Topic


class Pay(Value):
    """What the job pays."""

    min: float
    max: float
    currency: str
    per: Literal["hour", "day", "week", "month", "year"]


class Job(Value):
    """The real job that a first message names (after schema.org JobPosting)."""

    title: str
    occupation: str
    organization: str
    location: str
    remote: bool
    pay: Pay
    url: AnyHttpUrl
    valid_through: str


class Words(Value):
    """What an employer says to a person; it exists in clear only at the gateway's edge and in the courier."""

    outreach: str
    """Ties the words to their outreach: the courier refuses words of another."""
    subject: str
    body: str
    job: Job


class OutreachRequestedV1(Event):
    """An employer asked to write to a person; the sealed words stay in the gateway's row until they are admitted."""

    TYPE: ClassVar[str] = "fairpool.outreach.requested.v1"
    TOPIC: ClassVar[Topic] = OUTREACH_REQUESTS
    KEY: ClassVar[str] = "candidate"

    outreach: Id
    employer: Id
    candidate: CandidateId
    at: Instant
    expires_at: Instant


class Cap(Value):
    """At most so many first messages in any stretch of this length, over the whole network."""

    number: Number
    seconds: Number


class PolicyNumbers(Value):
    """What a policy says of how often and when first messages come, in numbers: what its version names stays as it is."""

    at_most: Annotated[tuple[Cap, ...], Few]
    gap_seconds: Number
    same_employer_seconds: Number
    slot_good_for_seconds: Number
    """Every window is this much longer than stated, and every day closes this much earlier."""
    latest_slot_seconds: Number
    """How far ahead a message is planned."""
    unanswered_after_seconds: Number
    halve_after_unanswered: Number
    """0: the caps never halve."""
    opens: time
    closes: time
    unknown_zone: Annotated[tuple[Id, ...], Few]
    """Whoever told no zone is written to only when it is open in all of these."""


class OutreachDecidedV1(Event):
    """What the gateway decided, with the version of the row: a reader ignores a lower one."""

    TYPE: ClassVar[str] = "fairpool.outreach.decided.v1"
    TOPIC: ClassVar[Topic] = OUTREACH_DECISIONS
    KEY: ClassVar[str] = "candidate"

    outreach: Id
    version: Version
    candidate: CandidateId
    employer: Id
    outcome: Literal["admitted", "delayed", "dropped", "cancelled"]
    rule: Id | None = None
    policy: Id
    at: Instant
    until: Instant | None = None
    """Delayed: planned for then, until a later version says another time. None: it waits for a slot, at most until its own end."""
    good_until: Instant | None = None
    """Admitted: the mail may be handed to the relay until then, not later."""
    sealed: Sealed | None = None
    """Admitted: the `Words`, sealed to the person's key."""
    sealed_job: Sealed | None = None
    """Delayed: `Words` without subject and body, so the job alone, sealed to the person's key: they may look at what waits."""
    asked_at: Instant | None = None
    """When the employer submitted it; none: a version that did not say yet, as of the fields below."""
    ends_at: Instant | None = None
    """When the message's own days are over: it is never sent later."""
    slot_at: Instant | None = None
    """Admitted: the slot that it takes in its person's windows."""
    numbers: PolicyNumbers | None = None
    """Admitted or delayed: the numbers of the policy that it was decided by."""
