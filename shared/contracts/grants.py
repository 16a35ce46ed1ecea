"""What a consent means, said once: every service that keeps a part of one asks here."""

from collections.abc import Collection
from datetime import datetime
from typing import Protocol

from shared.contracts.consent import Purpose


class Term(Protocol):
    """Whatever keeps for how long a consent holds: `ConsentChangedV1` itself, or a service's own part of it."""

    @property
    def paused_until(self) -> datetime | None:
        """Until when the person takes a break."""

    @property
    def ends_at(self) -> datetime | None:
        """When what they agreed to ends."""


class Blocks(Protocol):
    """Whatever keeps whom a person shut out."""

    @property
    def blocked_employers(self) -> Collection[str]:
        """Ids of employers."""


def allows_contact(purposes: Collection[Purpose]) -> bool:
    """Whether employers may write to the person, by what is switched on."""
    return "contact" in purposes


def allows_match(purposes: Collection[Purpose]) -> bool:
    """Whether the person's profile is shown to employers whose jobs fit, by what is switched on."""
    return "match" in purposes


def is_paused(term: Term, *, at: datetime) -> bool:
    """Whether the person takes a break; it is over at `paused_until` itself."""
    return term.paused_until is not None and at < term.paused_until


def has_ended(term: Term, *, at: datetime) -> bool:
    """Whether the time for which the person agreed is over; it is at `ends_at` itself."""
    return term.ends_at is not None and at >= term.ends_at


def is_in_force(term: Term, *, at: datetime) -> bool:
    """Whether what is switched on holds now."""
    return not is_paused(term, at=at) and not has_ended(term, at=at)


def changes_at(term: Term, *, at: datetime) -> datetime | None:
    """The next moment at which that changes by itself; None when it does not."""
    ahead = [moment for moment in (term.paused_until, term.ends_at) if moment is not None and moment > at]
    return min(ahead, default=None)


def shuts_out(consent: Blocks, employer: str) -> bool:
    """Whether the person shut this employer out: it neither sees them nor writes to them."""
    return employer in consent.blocked_employers
