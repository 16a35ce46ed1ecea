"""What waits for a person is one queue. Pure functions of the rows: who stands in it, in which order, and what is asked."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from services.outreach_gateway.calendar import open_hours
from services.outreach_gateway.decisions import Asked, before_windows, question, windows_of
from services.outreach_gateway.model import (
    TAKES_ITS_SLOT,
    Ask,
    Cancel,
    Drop,
    Hold,
    Outreach,
    Person,
    Place,
    Policy,
    Queue,
    Rule,
    Standing,
)
from shared.facts import Fact, Known, Unknown


def in_order(waiting: Iterable[Outreach]) -> list[Outreach]:
    """The order in which what waits chooses its slots, and the only place that says it: what its person wanted next, the latest
    wish first; then by arrival."""
    rows = list(waiting)
    if len(rows) < 2:
        return rows
    by_arrival = sorted(rows, key=lambda row: (row.submitted_at, row.id))
    wished = [(row.wished_at, row) for row in by_arrival if row.wished_at is not None]
    return [
        *(row for _, row in sorted(wished, key=lambda one: one[0], reverse=True)),
        *(row for row in by_arrival if row.wished_at is None),
    ]


@dataclass(frozen=True, slots=True)
class Turn:
    """One message that stands in the queue: what the rules say of it now, and what the windows are asked."""

    asked: Asked
    verdict: Drop | Hold | Ask
    """A drop or a hold of what keeps its place until its slot comes."""
    ask: Ask


@dataclass(frozen=True, slots=True)
class Lined:
    """One person's rows, sorted out: who stands in the queue, and who was decided without it."""

    queue: Queue | None
    """None: the windows need not be asked."""
    turns: Sequence[Turn]
    """As `queue.waiting`."""
    decided: Sequence[tuple[Outreach, Drop | Hold | Cancel]]


def line_up(
    policy: Policy,
    person: Person,
    rows: Iterable[Outreach],
    *,
    sender: Callable[[str], Fact[Standing]],
    at: datetime,
    earlier: Mapping[str, Sequence[Outreach]] = MappingProxyType({}),
) -> Lined:
    """Asks the rules of all that waits for one person, and puts what they leave in the queue's order.

    `earlier` is what each of the employers wrote to the person lately. What its employer took back leaves, whatever else holds.
    """
    turns: list[Turn] = []
    decided: list[tuple[Outreach, Drop | Hold | Cancel]] = []
    taken: list[Outreach] = []
    waiting: list[Outreach] = []
    for row in rows:
        (taken if row.state in TAKES_ITS_SLOT else waiting).append(row)
    for row in in_order(waiting):
        if row.taken_back_at is not None:
            decided.append((row, Cancel(Rule.CANCELLED_BY_SENDER)))
            continue
        asked = Asked(policy, row, person, sender(row.employer), at, earlier.get(row.employer, ()))
        verdict = before_windows(policy, row, person, sender=asked.sender, at=at, earlier=asked.earlier)
        if isinstance(verdict, Ask):
            turns.append(Turn(asked, verdict, verdict))
        elif isinstance(person.consent, Known) and _keeps_its_place(row, verdict, at):
            turns.append(Turn(asked, verdict, question(asked)))
        else:
            decided.append((row, verdict))
    if isinstance(person.consent, Unknown) or not turns:
        return Lined(None, (), decided)
    consent = person.consent.value
    queue = Queue(
        candidate=consent.candidate,
        windows=windows_of(policy, consent),
        open_hours=open_hours(policy, consent, at=at),
        taken=_places(taken),
        leaving=_places([row for row, _ in decided]),
        waiting=tuple([turn.ask for turn in turns]),
    )
    return Lined(queue, turns, decided)


def _keeps_its_place(row: Outreach, verdict: Drop | Hold, at: datetime) -> bool:
    """Whether it stands in the queue all the same: who left a pool may be back in it before the slot comes."""
    if not row.has_place:
        return False
    if isinstance(verdict, Hold):
        return True
    return verdict.rule is Rule.NOT_A_MEMBER and (row.slot_at is None or row.slot_at > at)


def _places(rows: Iterable[Outreach]) -> tuple[Place, ...]:
    return tuple([Place(row.id, row.employer, row.slot_at) for row in rows if row.slot_at is not None])
