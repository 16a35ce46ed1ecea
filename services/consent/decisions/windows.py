"""How full a person's windows are, and from when on one more first message has room: the gateway's rules, for its person to see.

A window is `slot_good_for` longer than the policy states it, so that it holds for what arrives: what is shown is what is applied.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from services.consent.decisions.messages import last_word
from services.consent.model import Choices, Message, Reported
from shared.contracts.hours import Day, open_intervals
from shared.contracts.outreach_gateway import PolicyNumbers

_WEEK = timedelta(days=7)
_EPOCH, _MILLISECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(milliseconds=1)
_FREES_ITS_SLOT = frozenset({"bounced", "withheld"})


@dataclass(frozen=True, slots=True)
class Window:
    """At most so many in any stretch of this length."""

    stated: timedelta
    """As the policy or the person says it."""
    length: timedelta
    """As it is applied."""
    cap: int


@dataclass(frozen=True, slots=True)
class Fullness:
    """One cap of the network as it stands for one person."""

    cap: int
    """The policy's, or the person's own where that is tighter."""
    length: timedelta
    came: int
    """So many count now."""
    planned: int
    """So many more have their time."""


@dataclass(frozen=True, slots=True)
class Room:
    """All of one person's windows."""

    windows: tuple[Fullness, ...]
    gap: timedelta
    next_at: datetime | None
    """A first message of an employer that has not written yet comes no sooner; None: not as far ahead as is planned."""


def slots_of(messages: Sequence[Message]) -> list[datetime]:
    """The slots that count, of what was handed on or has its time; what did not arrive gave its own back."""
    return sorted(slot for one in messages if (slot := slot_of(one)) is not None)


def slot_of(message: Message) -> datetime | None:
    """The slot that it has."""
    if message.decided is None:
        return None
    last = last_word(message)
    gave_it_back = isinstance(last, Reported) and last.outcome in _FREES_ITS_SLOT
    return None if gave_it_back else message.decided.slot_at


def room(numbers: PolicyNumbers, choices: Choices, slots: Sequence[datetime], *, at: datetime) -> Room:
    """How full it is for who chose so, with these slots of the last hundred days and the coming days."""
    windows = _windows(numbers, choices, halved=_are_halved(numbers, slots, at))
    return Room(
        windows=tuple(
            Fullness(
                cap=window.cap,
                length=window.stated,
                came=sum(at - window.length < slot <= at for slot in slots),
                planned=sum(at < slot <= at + window.stated for slot in slots),
            )
            for window in windows[1:]
        ),
        gap=windows[0].stated,
        next_at=_earliest(numbers, choices, windows, slots, at),
    )


def _are_halved(numbers: PolicyNumbers, slots: Sequence[datetime], at: datetime) -> bool:
    silent = sum(slot <= at - timedelta(seconds=numbers.unanswered_after_seconds) for slot in slots)
    return 0 < numbers.halve_after_unanswered <= silent


def _windows(numbers: PolicyNumbers, choices: Choices, *, halved: bool) -> tuple[Window, ...]:
    """The gap first; then the caps, the shortest first."""
    longer = timedelta(seconds=numbers.slot_good_for_seconds)
    gap = max(timedelta(seconds=numbers.gap_seconds), timedelta(hours=choices.min_gap_hours or 0))
    found = [Window(gap, gap + longer, 1)]
    for one in sorted(numbers.at_most, key=lambda cap: cap.seconds):
        length, cap = timedelta(seconds=one.seconds), one.number
        if length <= _WEEK and choices.first_contacts_per_week is not None:
            cap = min(cap, choices.first_contacts_per_week)
        found.append(Window(length, length + longer, max(1, cap // 2) if halved else cap))
    return tuple(found)


def _earliest(
    numbers: PolicyNumbers, choices: Choices, windows: Sequence[Window], slots: Sequence[datetime], at: datetime
) -> datetime | None:
    until = at + timedelta(seconds=numbers.latest_slot_seconds)
    hours = _open(numbers, choices, at)
    moments = {at, *(start for start, _ in hours), *(slot + window.length for slot in slots for window in windows)}
    for moment in sorted(one for one in moments if at <= one <= until):
        if any(start <= moment < end for start, end in hours) and _has_room(windows, slots, moment):
            return moment
    return None


def _has_room(windows: Sequence[Window], slots: Sequence[datetime], moment: datetime) -> bool:
    """Whether no window would hold too many with one more then; windows that end later count too."""
    for window in windows:
        ends = [moment, *(slot for slot in slots if moment < slot < moment + window.length)]
        if any(sum(end - window.length < slot <= end for slot in slots) + 1 > window.cap for end in ends):
            return False
    return True


def _open(numbers: PolicyNumbers, choices: Choices, at: datetime) -> list[tuple[datetime, datetime]]:
    quiet = choices.quiet_hours
    day = Day(numbers.opens, numbers.closes, quiet.start if quiet else None, quiet.end if quiet else None)
    zones = (choices.time_zone,) if choices.time_zone else numbers.unknown_zone
    early = timedelta(seconds=numbers.slot_good_for_seconds)
    intervals = open_intervals(day, zones, at.astimezone(UTC).date(), closes_early=early)
    return [(_EPOCH + start * _MILLISECOND, _EPOCH + end * _MILLISECOND) for start, end in intervals]
