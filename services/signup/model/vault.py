"""How the vault stands, for its operator."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

RotationState = Literal["making", "rewrapping", "destroying", "done"]


@dataclass(frozen=True, slots=True)
class EpochSeen:
    """An epoch whose key is not destroyed."""

    epoch: int
    name: str
    """Of its key, at the keeper."""
    made_at: datetime | None
    """None: its key is still to be made."""
    is_lost: bool
    """Its keeper has no such key: what was sealed under it can't be opened."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """The rotation that is under way, or the last one."""

    into_epoch: int
    state: RotationState
    asked_at: datetime
    asked_by: str
    rewrapped: int
    """Identities."""
    left: int
    """Identities, up to 100,000."""
    unreadable: int
    done_at: datetime | None


@dataclass(frozen=True, slots=True)
class VaultSeen:
    """All of it."""

    epochs: Sequence[EpochSeen]
    rotation: Rotation | None
