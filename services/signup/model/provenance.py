"""Where what is known of a person came from."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from services.signup.model.people import Proof
from shared.contracts.base import Instant, Value


@dataclass(frozen=True, slots=True)
class Origin:
    """The event by which something was told: None where it came before these were kept."""

    event_id: str | None = None
    """The teller's own id of it."""
    proof: Proof | None = None
    received_at: datetime | None = None


UNKNOWN = Origin()


class Teller(Value):
    """One record that told a value, and by which event."""

    vendor: str
    record: str
    employer: str | None = None
    event_id: str | None = None
    proof: Proof | None = None
    received_at: Instant | None = None
    told_at: Instant


class ValueOrigin(Value):
    """Where one value of a profile came from: who told it, if anybody did, and when the person kept or said it."""

    field: str
    value: str
    """As JSON has it, without quotes."""
    how: Literal["kept", "said"]
    """`kept`: others told it, and the person kept it; `said`: nobody did."""
    at: Instant
    by: tuple[Teller, ...] = ()
