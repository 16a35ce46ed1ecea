"""What the booking script is sent and what it answers: queues as flat arguments, and slots back from milliseconds."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain

from services.outreach_gateway.model import Answer, Ask, NoSlot, Place, Queue, Rule, Slot, Window

MILLISECOND = timedelta(milliseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOURS = -1
_NO_SLOT = -1
_ASKS_A_CALL = 500
"""About an eighth of a second of Redis' time, where everybody has a dozen slots."""


def in_parts(queues: Sequence[tuple[int, Queue]]) -> Iterator[list[int]]:
    """The places of people who are asked for in one call: while it runs, Redis answers nobody else."""
    some: list[int] = []
    asks = 0
    for place, queue in queues:
        if some and asks + len(queue.waiting) > _ASKS_A_CALL:
            yield some
            some, asks = [], 0
        some.append(place)
        asks += len(queue.waiting)
    if some:
        yield some


def arguments(queues: Sequence[Queue]) -> list[str | int]:
    """The batch's own arguments; a calendar or a set of windows that several people share is sent once."""
    calendars: dict[int, tuple[int, list[str | int]]] = {}
    sets: dict[int, tuple[int, list[str | int]]] = {}
    people: list[str | int] = []
    for queue in queues:
        calendar = calendars.get(id(queue.open_hours)) or calendars.setdefault(
            id(queue.open_hours), (len(calendars) + 1, _calendar(queue.open_hours))
        )
        windows = sets.get(id(queue.windows)) or sets.setdefault(
            id(queue.windows), (len(sets) + 1, _windows(queue.windows))
        )
        people += (calendar[0], windows[0], *_places(queue.taken), *_places(queue.leaving), len(queue.waiting))
        for ask in queue.waiting:
            slot = _NO_SLOT if ask.slot_at is None else ms(ask.slot_at)
            people += (member(ask.outreach, ask.employer), ms(ask.until), slot)
    return [
        len(calendars),
        *chain.from_iterable(flat for _, flat in calendars.values()),
        len(sets),
        *chain.from_iterable(flat for _, flat in sets.values()),
        *people,
    ]


def _places(places: Sequence[Place]) -> list[str | int]:
    flat: list[str | int] = [len(places)]
    for place in places:
        flat += (member(place.outreach, place.employer), ms(place.at))
    return flat


def _calendar(intervals: tuple[tuple[int, int], ...]) -> list[str | int]:
    return [len(intervals), *chain.from_iterable(intervals)]


def _windows(windows: tuple[Window, ...]) -> list[str | int]:
    flat: list[str | int] = [len(windows)]
    for window in windows:
        flat += (window.length // MILLISECOND, window.cap, window.halved, int(window.scope == "employer"))
    return flat


def answers(queues: Sequence[Queue], found: bytes) -> Iterator[tuple[bool, list[Answer]]]:
    """Of each queue whether the person's log was not what the rows say, and an answer an ask."""
    answer = map(int, found.split())
    now = time(next(answer))
    for queue in queues:
        differs = next(answer) == 1
        yield differs, [_answer(ask, queue, next(answer), next(answer), now) for ask in queue.waiting]


def _answer(ask: Ask, queue: Queue, slot_ms: int, against: int, now: datetime) -> Answer:
    if against == 0:
        rule = None
    elif against == _HOURS:
        rule = Rule.HOURS
    else:
        rule = queue.windows[against - 1].rule
    if slot_ms == _NO_SLOT:
        return NoSlot(rule or Rule.EXPIRED)
    return Slot(time(slot_ms), now, rule)


def member(outreach: str, employer: str) -> str:
    """Of a person's sorted set."""
    return f"{outreach}|{employer}"


def ms(moment: datetime) -> int:
    """Since 1970, as scores are."""
    return (moment - _EPOCH) // MILLISECOND


def time(at: int) -> datetime:
    """The moment of a score."""
    return _EPOCH + at * MILLISECOND
