"""The events that outreach_gateway owns."""

from typing import ClassVar, Literal

from pydantic import AnyHttpUrl

from shared.contracts.base import Event, Instant, Value
from shared.contracts.bounds import CandidateId, Id, Sealed, Version
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
