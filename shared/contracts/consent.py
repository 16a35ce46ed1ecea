"""The events that consent owns."""

from datetime import time
from typing import ClassVar, Literal

from shared.contracts.base import Event, Instant, State, Value
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

    candidate: str
    at: Instant
    purposes: tuple[Purpose, ...]
    sectors: tuple[str, ...] = ()
    """SOC codes of any level that pools may ask for; none given: all."""
    blocked_employers: tuple[str, ...] = ()
    first_contacts_per_week: int | None = None
    min_gap_hours: int | None = None
    quiet_hours: QuietHours | None = None
    time_zone: str | None = None
    """IANA name; none: unknown."""
    paused_until: Instant | None = None
    ends_at: Instant | None = None


class ErasureConfirmedV1(Event):
    """What a service keeps of a person is closed for good, because they lapsed without an answer: their links are dead."""

    TYPE: ClassVar[str] = "fairpool.erasure.confirmed.v1"
    TOPIC: ClassVar[Topic] = ERASURE_CONFIRMATIONS
    KEY: ClassVar[str] = "candidate"

    candidate: str
    store: Literal["consent"]
    at: Instant
