"""What a consent means, said once: every service that keeps a part of one asks here."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from shared.contracts.consent import CLOCKS_DIFFER, ConsentChanged, Purpose

E = TypeVar("E", bound=ConsentChanged)


class Ends(Protocol):
    """Whatever keeps when a consent ends."""

    @property
    def ends_at(self) -> datetime | None:
        """When what they agreed to ends."""


class Term(Ends, Protocol):
    """Whatever keeps for how long a consent holds: `ConsentChangedV1` itself, or a service's own part of it."""

    @property
    def paused_until(self) -> datetime | None:
        """Until when the person takes a break."""


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


def has_ended(term: Ends, *, at: datetime) -> bool:
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


def is_replayed(
    before: Collection[Purpose], after: Collection[Purpose], lifts_no_until: datetime, no_at: datetime | None
) -> bool:
    """Whether it switches on what is off by a link that was made before the last no: such a yes is somebody else's.

    Whoever has consent's key can say again what was once said by a link, and never by one that they were not sent.
    """
    return not set(after) <= set(before) and no_at is not None and lifts_no_until < no_at


def still_on(
    kept: Collection[Purpose], others: Collection[Purpose], lifts_no_until: datetime | None, no_at: datetime | None
) -> tuple[Purpose, ...]:
    """What stays on of what is kept when another version that is not higher says no: a no counts whatever its version.

    Of true versions, what was on after such a no was said by a link that was made after it. Only a false one has a higher
    version and an older link.
    """
    is_later = no_at is not None and (lifts_no_until is None or lifts_no_until < no_at)
    return tuple(purpose for purpose in kept if not is_later or purpose in others)


def later(one: datetime | None, other: datetime | None) -> datetime | None:
    """The later of two noes."""
    return max((at for at in (one, other) if at is not None), default=None)


@dataclass(frozen=True, slots=True)
class Newest(Generic[E]):
    """Of a batch, what is to be kept of each person, and what is not believed beside the rest of the batch."""

    by_candidate: dict[str, E]
    """The highest version."""
    replayed: set[tuple[str, int]]
    """Candidates and versions."""
    no_at: dict[str, datetime | None]
    """When a purpose last went off, as far as any version of the batch tells, by candidate."""
    withdrawn: dict[str, int]
    """The last version by which `match` was off, of whom there is one, by candidate."""


def newest(events: Iterable[E], *, now: datetime) -> Newest[E]:
    """What each person's highest version says, and the last no of any; one that is a replay after a no of the same batch
    does not hide that no.

    A no is never later than now: nobody is shut out by one that is said to be of next year.
    """
    found: dict[str, E] = {}
    no_at: dict[str, datetime | None] = {}
    withdrawn: dict[str, int] = {}
    replayed: set[tuple[str, int]] = set()
    for event in sorted(events, key=lambda event: (event.version, len(event.purposes))):
        before = found.get(event.candidate)
        known = no_at.get(event.candidate)
        if before is not None and is_replayed(before.purposes, event.purposes, event.lifts_no_until, known):
            replayed.add((event.candidate, event.version))
            continue
        if before is None or before.version < event.version:
            found[event.candidate] = event
        if not allows_match(event.purposes):
            withdrawn[event.candidate] = event.version
        told = None if event.no_at is None else min(event.no_at, now + CLOCKS_DIFFER)
        no_at[event.candidate] = later(known, told)
    return Newest(found, replayed, no_at, withdrawn)
