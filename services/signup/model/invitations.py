"""Who is to be invited, was invited, said no, or never answered."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

LapseReason = Literal["deleted", "expired", "refused"]
Refusal = Literal["invited", "refused", "never_again", "answered", "answered_and_moved", "stopped", "gone"]
"""How somebody stands to their invitation: they may still say no; they said that it was not them, or never again; they have
answered on their page, and moved to another mailbox since (or the old one said "not me"), which voids the invitation's links; they said
never again after their answer just now, which stops everything; or nobody is known by it any more."""


@dataclass(frozen=True, slots=True)
class Lapse:
    """A stub that is to be erased unless the person has answered."""

    candidate: str
    reason: LapseReason
    at: datetime
    """Since when."""


@dataclass(frozen=True, slots=True)
class PastInvitations:
    """Of one mailbox: how often it was invited, and whether its owner wants no more of it."""

    count: int
    last_at: datetime | None = None
    """When it was invited last, or first said no."""
    said_no_at: datetime | None = None
    """When it first said no, in either way."""
    refused: bool = False
    """Whether it said never again."""

    def and_(self, other: "PastInvitations") -> "PastInvitations":
        """Both together: of one mailbox as two peppers know it."""
        noes = [at for at in (self.said_no_at, other.said_no_at) if at is not None]
        times = [at for at in (self.last_at, other.last_at) if at is not None]
        return PastInvitations(
            self.count + other.count,
            max(times, default=None),
            min(noes, default=None),
            self.refused or other.refused,
        )


@dataclass(frozen=True, slots=True)
class Asked:
    """Somebody who is to be invited, as it was asked for."""

    candidate: str
    by_join: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class ToInvite:
    """A stub whose invitation is to be decided."""

    candidate: str
    by_join: bool
    until: datetime
    introduced_by: str | None
    """The employer, or the vendor without one, whose record registered them, or else claimed them first."""
    introduced_at: datetime | None = None
    """When that was; of the join page, when they asked."""
