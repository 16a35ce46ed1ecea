"""The events that consent owns."""

from datetime import time
from typing import ClassVar, Literal

from shared.contracts.base import Instant, State, Value
from shared.contracts.topics import CONSENT_STATE, Topic

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
