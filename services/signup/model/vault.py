"""How the vault stands, for its operator."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
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
    is_in_memory_alone: bool = False
    """Its keeper has no such key, and the process that was asked still does: until it ends."""


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
    """What did not open before either: identities, which were taken along as they are, and those that are named here."""
    done_at: datetime | None
    sources_shut: Sequence[str] = ()
    """`format/source` of webhooks whose secret did not open."""
    days_forgotten: Sequence[date] = ()
    """Whose intake keys did not open."""


@dataclass(frozen=True, slots=True)
class VaultSeen:
    """All of it."""

    epochs: Sequence[EpochSeen]
    rotation: Rotation | None
    keeper_is_away: bool = False
    """Whoever keeps the keys did not answer: what is said of them is what the process has in memory."""
