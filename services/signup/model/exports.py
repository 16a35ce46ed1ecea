"""What a person takes along, while it is made and until it is gone."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

State = Literal["waiting", "ready", "replaced"]
KEPT = timedelta(days=1)
"""A zip, from the moment it is ready."""
WAITS = timedelta(days=3)
"""For consent's answer; after that nobody waits any more, and the person asks again."""
ASKED_AGAIN_AFTER = timedelta(minutes=10)
MOST_A_DAY = 3


@dataclass(frozen=True, slots=True)
class Export:
    """One export. `replaced`: a newer one was asked for; it only counts."""

    name: str
    state: State
    asked_at: datetime
    ends_at: datetime
    """When it is forgotten."""
    ready_at: datetime | None = None
    size: int | None = None
    """Bytes of the zip."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """One that can be made. It shows nothing of itself."""

    export: Export
    candidate: str
    answered: Mapping[str, bytes] | None
    """Consent's files; None: what came does not open, or is nothing that consent says."""

    def __repr__(self) -> str:
        return "Waiting(hidden)"
