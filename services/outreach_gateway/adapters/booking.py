"""What the booking script is sent and what it answers: queues in columns, and slots back from milliseconds.

It is asked thousands of times a second, so what is sent is put together in one place, column by column, without a call for each message.
"""

import json
import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate, chain, compress, count, pairwise
from operator import attrgetter, ge
from typing import TypeVar

from services.outreach_gateway.model import Answer, Ask, NoSlot, Place, Queue, Rule, Slot, Window, shard_of
from services.outreach_gateway.ports.windows import Epoch

T = TypeVar("T")
MILLISECOND = timedelta(milliseconds=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FENCED = 2**32 - 1
_GOES, _STAYS, _TOLD, _NONE = range(4)
"""What a code says of a message (`book.lua`)."""
_ASKS_A_CALL = 500
"""Some hundredths of a second of Redis' time, where everybody has a dozen slots."""
_json = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


class _Shards(dict[str, int]):
    """`shard_of` by the end of an id; all ends that an id has are there."""

    def __missing__(self, end: str) -> int:
        return shard_of(end)


_SHARDS = _Shards({f"{last:02x}": shard_of(f"{last:02x}") for last in range(256)})


def shards_of(queues: Sequence[Queue]) -> list[int]:
    """Of each its person's."""
    return [_SHARDS[queue.candidate[-2:]] for queue in queues]


@dataclass(frozen=True, slots=True)
class Part:
    """What one call asks: about these shards, and for people of them."""

    epochs: Mapping[int, Epoch]
    places: Sequence[int] = ()
    """Where each is in the batch."""
    queues: Sequence[Queue] = ()
    """Of each."""
    shards: Sequence[int] = ()
    """Of each."""


def in_calls(
    epochs: Mapping[int, Epoch], queues: Sequence[Queue], shards: Sequence[int], *, one_shard_a_call: bool
) -> Iterator[Part]:
    """Calls about the shards of `epochs` and their people; while one runs, Redis answers nobody else."""
    if not one_shard_a_call:
        yield from _in_turns(epochs, queues, shards, [place for place, shard in enumerate(shards) if shard in epochs])
        return
    of_shard: dict[int, list[int]] = {shard: [] for shard in epochs}
    for place, shard in enumerate(shards):
        if shard in of_shard:
            of_shard[shard].append(place)
    for shard, places in of_shard.items():
        yield from _in_turns({shard: epochs[shard]}, queues, shards, places)


def _in_turns(
    epochs: Mapping[int, Epoch], queues: Sequence[Queue], shards: Sequence[int], places: Sequence[int]
) -> Iterator[Part]:
    """As few as may be; a queue is not parted."""
    some, of = [queues[place] for place in places], [shards[place] for place in places]
    waiting = [len(queue.waiting) for queue in some]
    if sum(waiting) <= _ASKS_A_CALL:
        if epochs:
            yield Part(epochs, places, some, of)
        return
    begins, asks = [0], 0
    for at, many in enumerate(waiting):
        if asks and asks + many > _ASKS_A_CALL:
            begins.append(at)
            asks = 0
        asks += many
    for at, end in pairwise([*begins, len(some)]):
        there = {shard: epochs[shard] for shard in sorted(set(of[at:end]))}
        yield Part(there, places[at:end], some[at:end], of[at:end])


@dataclass(frozen=True, slots=True)
class Asked:
    """What a call is sent, behind its keys, and what its answer is read with."""

    arguments: list[str | bytes]
    asks: Sequence[Ask]
    """Of all its people."""
    ends: Sequence[int]
    """Where each person's begin, and where the last one's end."""
    rules: Sequence[Rule]
    """What may stand against a slot, as the codes count it, from 1."""


def ask(settings: Sequence[int], part: Part) -> Asked:
    """What is said of all, then columns over its people; a calendar or a set of windows that several share is sent once."""
    queues = part.queues
    handed_on, waiting = [len(queue.taken) for queue in queues], [len(queue.waiting) for queue in queues]
    taken, slots, ends = _by_slot(queues, handed_on)
    asks = [one for queue in queues for one in queue.waiting]
    names, asked = _names(taken), _names(asks)
    packed = _doubles(slots)
    as_text = packed.decode("latin-1")  # a character each, so that a log is put together as text
    ask_ends = [0, *accumulate(waiting)]
    own = [one.slot_at for one in asks]
    own_slots = in_ms([slot for slot in own if slot is not None])
    if own_slots:
        logs = _with_own(
            names,
            as_text,
            ends,
            [name for name, its in zip(asked, own, strict=True) if its is not None],
            _doubles(own_slots).decode("latin-1"),
            _ends_of_own(own, ask_ends),
        )
    else:
        logs = [
            f"{''.join(names[at:end])}\n{as_text[8 * at : 8 * end]}" if at < end else "" for at, end in pairwise(ends)
        ]
    names_asked = asked if waiting.count(1) == len(waiting) else _together(asked, ask_ends)
    left = [one for queue in queues for one in queue.leaving]
    if left:
        leaving = [len(queue.leaving) for queue in queues]
        names_asked = [
            one + its for one, its in zip(names_asked, _together(_names(left), [0, *accumulate(leaving)]), strict=True)
        ]
    else:
        leaving = [0] * len(queues)
    calendar_of, calendars = _kinds([queue.open_hours for queue in queues])
    set_of, sets = _kinds([queue.windows for queue in queues])
    hours = chain.from_iterable([(len(one), *chain.from_iterable(one)) for one in calendars])
    windows = [window for one in sets for window in one]
    is_by_employer = any(window.scope == "employer" for window in windows)
    with_epochs = chain.from_iterable([(shard, epoch.name) for shard, epoch in part.epochs.items()])
    sizes, asked_sizes = map(len, logs), map(len, names_asked)
    return Asked(
        [
            _json(
                [
                    *settings,
                    len(calendars),
                    *hours,
                    len(sets),
                    *chain.from_iterable(map(_windows, sets)),
                    len(part.epochs),
                    *with_epochs,
                ]
            ),
            _counts([*calendar_of, *set_of, *part.shards, *handed_on, *waiting, *leaving, *sizes, *asked_sizes]),
            "".join(logs).encode("latin-1"),
            "".join(names_asked).encode("latin-1"),
            packed,
            _doubles(in_ms([one.until for one in asks])),
            _doubles(_with_gaps(own, own_slots)) if own_slots else b"",
            _doubles(in_ms([one.at for one in left])),
            _counts(_employers(taken, asks)) if is_by_employer else b"",
        ],
        asks,
        ask_ends,
        [Rule.HOURS, *[window.rule for window in windows]],
    )


def _by_slot(queues: Sequence[Queue], handed_on: Sequence[int]) -> tuple[list[Place], list[float], list[int]]:
    """What was handed on, person by person, their slots, and where each person's begin and end. Rows come as they come; a log is in
    one order."""
    taken = [one for queue in queues for one in queue.taken]
    slots = in_ms([one.at for one in taken])
    ends = [0, *accumulate(handed_on)]
    if not set(compress(count(1), map(ge, slots, slots[1:]))).issubset(ends):
        by_slot = attrgetter("at", "outreach", "employer")
        taken = [one for queue in queues for one in sorted(queue.taken, key=by_slot)]
        slots = in_ms([one.at for one in taken])
    return taken, slots, ends


def _ends_of_own(own: Sequence[datetime | None], ends: Sequence[int]) -> list[int]:
    """Among the slots that there are."""
    owned = [0, *accumulate([one is not None for one in own])]
    return [owned[end] for end in ends]


def _with_own(
    names: Sequence[str], slots: str, ends: Sequence[int], own: Sequence[str], own_slots: str, own_ends: Sequence[int]
) -> list[str]:
    """With the slots that what waits has, behind those of what was handed on."""
    return [
        f"{''.join(names[at:end])}{''.join(own[its:till])}\n{slots[8 * at : 8 * end]}{own_slots[8 * its : 8 * till]}"
        if at < end or its < till
        else ""
        for (at, end), (its, till) in zip(pairwise(ends), pairwise(own_ends), strict=True)
    ]


def _together(names: Sequence[str], ends: Sequence[int]) -> list[str]:
    """Of each person."""
    return ["".join(names[at:end]) for at, end in pairwise(ends)]


def _kinds(of: Sequence[T]) -> tuple[list[int], list[T]]:
    """Of each which it is, counted from 1, and all that there are. Who decides has one value for all who share it."""
    numbers: dict[int, int] = defaultdict(count(1).__next__)
    found = [numbers[id(one)] for one in of]
    return found, [*dict(zip(found, of, strict=True)).values()]


def _names(of: Sequence[Place | Ask]) -> list[str]:
    """As they stand in a log, each with the line's end behind it, in bytes of UTF-8 that are a character each; with another line's end
    in it (no id of ours has one) it would shift all behind it."""
    names = [f"{one.outreach}|{one.employer}\n" for one in of]
    text = "".join(names)
    if text.isascii() and text.count("\n") == len(names):
        return names
    return [name[:-1].replace("\n", "\v").encode().decode("latin-1") + "\n" for name in names]


def _employers(taken: Sequence[Place], asks: Sequence[Ask]) -> list[int]:
    numbers: dict[str, int] = defaultdict(count().__next__)
    return [numbers[one.employer] for one in taken] + [numbers[one.employer] for one in asks]


def _with_gaps(own: Sequence[datetime | None], slots: Iterable[float]) -> list[float]:
    slots = iter(slots)
    return [-1.0 if one is None else next(slots) for one in own]


def in_ms(moments: Sequence[datetime]) -> list[float]:
    """As `ms` has each; without its call, and in floats, which have them whole: there are thousands."""
    since = [moment - _EPOCH for moment in moments]
    return [one.days * 86_400_000.0 + one.seconds * 1000.0 + one.microseconds // 1000 for one in since]


def _doubles(column: Sequence[float]) -> bytes:
    return struct.pack(f"<{len(column)}d", *column)


def _counts(column: Sequence[int]) -> bytes:
    return struct.pack(f"<{len(column)}I", *column)


def _windows(windows: tuple[Window, ...]) -> list[int]:
    flat: list[int] = [len(windows)]
    for window in windows:
        flat += (window.length // MILLISECOND, window.cap, window.halved, int(window.scope == "employer"))
    return flat


@dataclass(slots=True)
class Answered:
    """What one call said."""

    different: Mapping[int, int | None]
    """Of each shard: people whose log was not what the rows say; None: its windows were not built here, or under another epoch."""
    answers: Sequence[list[Answer] | None]
    """Of each queue an answer an ask; None: it is of such a shard."""


def answered(part: Part, asked: Asked, found: bytes) -> Answered:
    """Of a call that asked this about these people."""
    now_ms, *counts = struct.unpack_from(f"<d{len(part.epochs)}I", found)
    different = {shard: None if many == _FENCED else many for shard, many in zip(part.epochs, counts, strict=True)}
    began = 8 + 4 * len(different)
    codes = struct.unpack_from(f"<{len(asked.asks)}I", found, began)
    told = struct.iter_unpack("<d", found[began + 4 * len(codes) :])
    now = time(now_ms)
    may_go: Answer = Slot(now, now, None)
    # Values are frozen: whoever may go now, and whoever is refused for the same reason, is told by the same one.
    shared = {_GOES: may_go, _FENCED: may_go}
    known, rules = shared.get, asked.rules

    def new(one: Ask, code: int) -> Answer:
        against, what = divmod(code, 4)
        if what == _NONE:
            shared[code] = answer = NoSlot(rules[against - 1])
            return answer
        at = one.slot_at if what == _STAYS and one.slot_at is not None else time(next(told)[0])
        return Slot(at, now, rules[against - 1] if against else None)

    answers = [known(code) or new(one, code) for one, code in zip(asked.asks, codes, strict=True)]
    of_queues = [answers[at:end] for at, end in pairwise(asked.ends)]
    if None not in different.values():
        return Answered(different, of_queues)
    return Answered(
        different, [None if different[of] is None else its for of, its in zip(part.shards, of_queues, strict=True)]
    )


def ms(moment: datetime) -> int:
    """Since 1970, as scores are."""
    since = moment - _EPOCH  # half the time of a division by a timedelta
    return since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000


def time(at: float) -> datetime:
    """The moment of a score."""
    return _EPOCH + int(at) * MILLISECOND
