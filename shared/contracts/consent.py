"""The events that consent owns."""

from datetime import time
from typing import Annotated, ClassVar, Literal

from shared.contracts.base import Event, Instant, State, Value
from shared.contracts.bounds import CandidateId, Code, Few, Id, Many, Number
from shared.contracts.topics import CONSENT_STATE, ERASURE_CONFIRMATIONS, Topic

Purpose = Literal["match", "contact"]


class QuietHours(Value):
    """When the person does not want mail, in their own zone; may pass midnight."""

    start: time
    end: time


class ConsentChangedV1(State):
    """The whole present state of one person's consent; the highest version is the truth."""

    TYPE: ClassVar[str] = "fairpool.consent.changed.v1"
    TOPIC: ClassVar[Topic] = CONSENT_STATE
    KEY: ClassVar[str] = "candidate"

    candidate: CandidateId
    at: Instant
    purposes: Annotated[tuple[Purpose, ...], Few]
    sectors: Annotated[tuple[Code, ...], Many] = ()
    """SOC codes of any level that pools may ask for; none given: all."""
    blocked_employers: Annotated[tuple[Code, ...], Many] = ()
    first_contacts_per_week: Number | None = None
    min_gap_hours: Number | None = None
    quiet_hours: QuietHours | None = None
    time_zone: Id | None = None
    """IANA name; none: unknown."""
    paused_until: Instant | None = None
    ends_at: Instant | None = None


class ErasureConfirmedV1(Event):
    """What a service keeps of a person is closed for good, because they lapsed without an answer: their links are dead."""

    TYPE: ClassVar[str] = "fairpool.erasure.confirmed.v1"
    TOPIC: ClassVar[Topic] = ERASURE_CONFIRMATIONS
    KEY: ClassVar[str] = "candidate"
    SAID_BY: ClassVar[str | None] = "store"

    candidate: CandidateId
    store: Literal["consent"]
    at: Instant
