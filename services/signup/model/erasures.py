"""What is known of an erasure."""

from dataclasses import dataclass
from datetime import datetime

from shared.contracts.signup import SweptStore


@dataclass(frozen=True, slots=True)
class Sweep:
    """A service has erased what it kept of a person, at that time, in these places."""

    service: str
    at: datetime
    stores: tuple[SweptStore, ...]


@dataclass(frozen=True, slots=True)
class Erased:
    """Somebody is erased since then; with the opening they read what has become of it."""

    erased_at: datetime
    opening: str | None
    """A secret of 256 bits, base64url; signup keeps its SHA-256 alone. None where as many as there may be were given out before."""

    def __repr__(self) -> str:
        return f"Erased({self.erased_at})"


@dataclass(frozen=True, slots=True)
class ErasureRecord:
    """What signup knows of one erasure; no id of the person is in it."""

    id: str
    """Of the certificate: the SHA-256 of its opening, base64url."""
    erased_at: datetime
    readable_until: datetime
    sweeps: tuple[Sweep, ...]
    outstanding: tuple[str, ...]
    """Services that have not confirmed yet, by name."""

    @property
    def complete_at(self) -> datetime | None:
        """When the last service had swept; None while one has not confirmed."""
        return None if self.outstanding else max((sweep.at for sweep in self.sweeps), default=self.erased_at)
