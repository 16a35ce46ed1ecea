"""What the booking script is sent and what it answers: queues in columns, and slots back from milliseconds.

It is asked thousands of times a second, so what is sent is put together in one place, without a call for each message.
"""

import json
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain

from services.outreach_gateway.model import Answer, NoSlot, Place, Queue, Rule, Slot, Window
from services.outreach_gateway.ports.windows import Epoch

MILLISECOND = timedelta(milliseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOURS = -1
_NO_SLOT = -1
_FENCED = -1
_ASKS_A_CALL = 500
"""Some hundredths of a second of Redis' time, where everybody has a dozen slots."""
_json = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


@dataclass(frozen=True, slots=True)
class OfShard:
    """The people of one shard in one call: where their queues are in the batch; nobody, where its marker alone is asked for."""

    shard: int
    epoch: Epoch
    places: Sequence[int] = ()


def in_calls(shards: Iterable[OfShard], queues: Sequence[Queue], *, one_shard_a_call: bool) -> Iterator[list[OfShard]]:
    """What is asked in one call, of these queues: while it runs, Redis answers nobody else."""
    some: list[OfShard]
    shards, some, asks = list(shards), [], 0
    if shards and not one_shard_a_call and sum([len(queue.waiting) for queue in queues]) <= _ASKS_A_CALL:
        yield shards
        return
    for of in shards:
        if some and one_shard_a_call:
            yield some
            some, asks = [], 0
        part: list[int] = []
        for place in of.places:
            more = len(queues[place].waiting)
            if asks and asks + more > _ASKS_A_CALL:
                yield [*some, OfShard(of.shard, of.epoch, part)] if part else some
                some, part, asks = [], [], 0
            part.append(place)
            asks += more
        some.append(OfShard(of.shard, of.epoch, part))
    if some:
        yield some


def arguments(settings: Sequence[int], shards: Sequence[OfShard], queues: Sequence[Queue]) -> list[str | bytes]:
    """Of one call: what is said of all, then columns over its people; a calendar or a set of windows that several share is
    sent once."""
    calendars: dict[int, int] = {}
    sets: dict[int, int] = {}
    hours: list[int] = []
    windows: list[int] = []
    heads: list[str | int] = []
    people: list[int] = []
    names: list[str] = []
    slots: list[datetime] = []
    asked: list[str] = []
    times: list[datetime] = []
    owns: list[str] = []
    for of in shards:
        heads += (of.epoch.name, len(of.places))
        for place in of.places:
            queue = queues[place]
            calendar = calendars.get(id(queue.open_hours))
            if calendar is None:
                calendars[id(queue.open_hours)] = calendar = len(calendars) + 1
                hours += (len(queue.open_hours), *chain.from_iterable(queue.open_hours))
            limits = sets.get(id(queue.windows))
            if limits is None:
                sets[id(queue.windows)] = limits = len(sets) + 1
                windows += _windows(queue.windows)
            began, taken = len(slots), queue.taken
            if taken:
                if len(taken) > 1 and not _is_by_slot(taken):  # rows come as they come; the log is in one order
                    taken = tuple(sorted(taken, key=_by_slot))
                for one in taken:
                    names.append(f"{one.outreach}|{one.employer}\n")
                    slots.append(one.at)
            for ask in queue.waiting:
                name = f"{ask.outreach}|{ask.employer}\n"
                asked.append(name)
                times.append(ask.until)
                if ask.slot_at is None:
                    owns.append("-")
                else:
                    owns.append("+")
                    names.append(name)
                    slots.append(ask.slot_at)
            many = len(slots) - began
            if many:
                names.append("\n")
            for one in queue.leaving:
                asked.append(f"{one.outreach}|{one.employer}\n")
                times.append(one.at)
            people += (calendar, limits, len(taken), many, len(queue.waiting), len(queue.leaving))
    return [
        _json([*settings, len(calendars), *hours, len(sets), *windows, len(shards), *heads]),
        struct.pack(f"<{len(people)}I", *people),
        _lines(names),
        packed_ms(slots),
        _lines(asked),
        packed_ms(times),
        "".join(owns),
    ]


def _lines(names: Sequence[str]) -> str:
    """Each with the line's end behind it, and no other: what stands in a name (no id of ours has one) would shift all behind it."""
    text = "".join(names)
    return text if text.count("\n") == len(names) else "".join([name[:-1].replace("\n", "\v") + "\n" for name in names])


def _is_by_slot(taken: Sequence[Place]) -> bool:
    before = taken[0].at
    for one in taken[1:]:
        if one.at <= before:
            return False
        before = one.at
    return True


def _by_slot(one: Place) -> tuple[datetime, str, str]:
    return one.at, one.outreach, one.employer


def packed_ms(moments: Sequence[datetime]) -> bytes:
    """As `ms` has each, in doubles; without its call, for there are thousands."""
    since = [moment - _EPOCH for moment in moments]
    return struct.pack(
        f"<{len(since)}d",
        *[one.days * 86_400_000 + one.seconds * 1000 + one.microseconds // 1000 for one in since],
    )


def _windows(windows: tuple[Window, ...]) -> list[int]:
    flat: list[int] = [len(windows)]
    for window in windows:
        flat += (window.length // MILLISECOND, window.cap, window.halved, int(window.scope == "employer"))
    return flat


@dataclass(slots=True)
class Answered:
    """What one call said of one shard."""

    of: OfShard
    different: int
    """People whose log was not what the rows say."""
    answers: Sequence[list[Answer]] | None
    """An answer an ask, of each queue; None: these windows were not built here, or under another epoch."""


def answered(shards: Sequence[OfShard], queues: Sequence[Queue], found: bytes) -> list[Answered]:
    """Of each shard of a call."""
    said = list(map(int, found.split()))
    at, now_ms = 1, said[0]
    now = time(now_ms)
    told: list[Answered] = []
    # Values are frozen: whoever may go now, and whoever is refused for the same reason, is told by the same one.
    may_go: Answer = Slot(now, now, None)
    refused: dict[Rule, Answer] = {}
    for of in shards:
        different = said[at]
        at += 1
        if different == _FENCED:
            told.append(Answered(of, 0, None))
            continue
        answers: list[list[Answer]] = []
        for place in of.places:
            queue = queues[place]
            of_queue: list[Answer] = []
            for _ in queue.waiting:
                slot, against = said[at], said[at + 1]
                at += 2
                if slot == now_ms and against == 0:
                    of_queue.append(may_go)
                    continue
                rule = None if against == 0 else Rule.HOURS if against == _HOURS else queue.windows[against - 1].rule
                if slot != _NO_SLOT:
                    of_queue.append(Slot(time(slot), now, rule))
                    continue
                rule = rule or Rule.EXPIRED
                no = refused.get(rule)
                if no is None:
                    refused[rule] = no = NoSlot(rule)
                of_queue.append(no)
            answers.append(of_queue)
        told.append(Answered(of, different, answers))
    return told


def ms(moment: datetime) -> int:
    """Since 1970, as scores are."""
    since = moment - _EPOCH  # half the time of a division by a timedelta
    return since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000


def time(at: int) -> datetime:
    """The moment of a score."""
    return _EPOCH + at * MILLISECOND
