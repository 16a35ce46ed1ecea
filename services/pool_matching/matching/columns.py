"""Pools as columns: what each asks for in numbers, and enough of it in words to give the pool back."""

import json
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import chain
from typing import Generic, TypeAlias, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from services.pool_matching.model import Pool
from shared.contracts.pool_matching import Criteria
from shared.contracts.signup import EmploymentType

Numbers: TypeAlias = NDArray[np.int64]
Small: TypeAlias = NDArray[np.int32]
Flags: TypeAlias = NDArray[np.bool_]
Words: TypeAlias = NDArray[np.uint64]

TYPES: dict[str, int] = {name: 1 << place for place, name in enumerate(get_args(EmploymentType), 1)}
"""A bit each; the lowest is of pools that name none, and everybody has it."""
ANY_TYPE = 1
NOT_ASKED = -1
K = TypeVar("K", bound=Hashable)


class Names(Generic[K]):
    """A number for each name, in the order in which they come; none is ever taken back (`shrunk` makes new ones)."""

    def __init__(self) -> None:
        self.numbers: dict[K, int] = {}
        self.names: list[K] = []

    def number(self, name: K) -> int:
        """The name's; the next one, where it is new."""
        found = self.numbers.get(name)
        if found is None:
            self.names.append(name)
            found = self.numbers[name] = len(self.names) - 1
        return found


@dataclass(slots=True)
class Vocabulary:
    """What pools name. It only grows, so columns of one vocabulary can be joined, whatever their age."""

    occupations: Names[str] = field(default_factory=Names)
    skills: Names[str] = field(default_factory=Names)
    states: Names[str] = field(default_factory=Names)
    employers: Names[str] = field(default_factory=Names)


@dataclass(frozen=True, slots=True)
class Lists:
    """Several numbers a row, one row behind the other: those of row r are `values[starts[r]:starts[r + 1]]`."""

    starts: Numbers
    values: Small

    @classmethod
    def of(cls, rows: Sequence[Sequence[int]]) -> "Lists":
        """These rows."""
        lengths = np.array(list(map(len, rows)), np.int64)
        return cls(starts_of(lengths), np.array(list(chain.from_iterable(rows)), np.int32))

    @property
    def lengths(self) -> Numbers:
        """How many each row has."""
        return np.diff(self.starts)

    def rows(self) -> Numbers:
        """The row of each value."""
        return np.repeat(np.arange(len(self.starts) - 1), self.lengths)

    def take(self, rows: Numbers) -> "Lists":
        """These rows, in this order."""
        lengths = self.lengths[rows]
        return Lists(starts_of(lengths), self.values[ranges(self.starts[rows], lengths)])

    def keep(self, kept: Numbers) -> "Lists":
        """The values that stand there, in the rows they are in."""
        counts = np.bincount(self.rows()[kept], minlength=len(self.starts) - 1)
        return Lists(starts_of(counts), self.values[kept])


@dataclass(frozen=True, slots=True)
class Columns:
    """Pools, a row each. What a pool does not ask for is -1, or an empty row of a list."""

    ids: NDArray[np.bytes_]
    texts: list[bytes]
    """Version, name and criteria, as JSON."""
    employers: Small
    occupations: Lists
    states: Lists
    skills_all: Lists
    skills_any: Lists
    least: Small
    """Of `skills_any` so many."""
    years: Small
    pay: Small
    by: Small
    """A date as its ordinal."""
    remote: NDArray[np.int8]
    types: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: Numbers) -> "Columns":
        """These rows, in this order."""
        return Columns(
            self.ids[rows],
            [self.texts[row] for row in rows.tolist()],
            self.employers[rows],
            self.occupations.take(rows),
            self.states.take(rows),
            self.skills_all.take(rows),
            self.skills_any.take(rows),
            self.least[rows],
            self.years[rows],
            self.pay[rows],
            self.by[rows],
            self.remote[rows],
            self.types[rows],
        )

    def pool(self, row: int, vocabulary: Vocabulary) -> Pool:
        """The pool of this row."""
        version, name, criteria = json.loads(self.texts[row])
        employer = vocabulary.employers.names[self.employers[row]]
        return Pool(self.ids[row].decode(), employer, version, name, Criteria.model_validate(criteria))


def columns(pools: Iterable[Pool], vocabulary: Vocabulary) -> Columns:
    """The pools, in the order of their ids (by their bytes), of which each may be there once."""
    ordered = sorted(pools, key=lambda pool: pool.id.encode())
    asked = [pool.criteria for pool in ordered]
    count, names = len(ordered), vocabulary
    return Columns(
        np.array([pool.id.encode() for pool in ordered], dtype=np.bytes_ if ordered else "S1"),
        [_text(pool) for pool in ordered],
        np.fromiter((names.employers.number(pool.employer) for pool in ordered), np.int32, count),
        _lists([one.occupations for one in asked], names.occupations, once=True),
        _lists([one.states for one in asked], names.states, once=True),
        _lists([one.skills_all for one in asked], names.skills, once=True),
        _lists([one.skills_any for one in asked], names.skills),
        np.fromiter((one.skills_any_at_least or 1 for one in asked), np.int32, count),
        np.fromiter((_or_none(one.min_years) for one in asked), np.int32, count),
        np.fromiter((_or_none(one.pay_max) for one in asked), np.int32, count),
        np.fromiter((_day(one.available_by) for one in asked), np.int32, count),
        np.fromiter((NOT_ASKED if one.remote is None else one.remote for one in asked), np.int8, count),
        np.fromiter((sum({TYPES[name] for name in one.employment_types}) for one in asked), np.uint8, count),
    )


def joined(one: Columns, other: Columns) -> Columns:
    """All rows of both, in the order of their ids."""
    both = Columns(
        np.concatenate((one.ids, other.ids)),
        [*one.texts, *other.texts],
        np.concatenate((one.employers, other.employers)),
        _behind(one.occupations, other.occupations),
        _behind(one.states, other.states),
        _behind(one.skills_all, other.skills_all),
        _behind(one.skills_any, other.skills_any),
        np.concatenate((one.least, other.least)),
        np.concatenate((one.years, other.years)),
        np.concatenate((one.pay, other.pay)),
        np.concatenate((one.by, other.by)),
        np.concatenate((one.remote, other.remote)),
        np.concatenate((one.types, other.types)),
    )
    return both.take(np.argsort(both.ids, kind="stable"))


def shrunk(pools: Columns, vocabulary: Vocabulary) -> tuple[Columns, Vocabulary]:
    """The same with a vocabulary that forgets what these pools do not name, where that is more than half of it."""
    occupations, (in_occupations,) = _shrunk(vocabulary.occupations, pools.occupations.values)
    states, (in_states,) = _shrunk(vocabulary.states, pools.states.values)
    skills, (in_all, in_any) = _shrunk(vocabulary.skills, pools.skills_all.values, pools.skills_any.values)
    employers, (in_employers,) = _shrunk(vocabulary.employers, pools.employers)
    fewer = replace(
        pools,
        occupations=replace(pools.occupations, values=in_occupations),
        states=replace(pools.states, values=in_states),
        skills_all=replace(pools.skills_all, values=in_all),
        skills_any=replace(pools.skills_any, values=in_any),
        employers=in_employers,
    )
    return fewer, Vocabulary(occupations, skills, states, employers)


def starts_of(lengths: Numbers) -> Numbers:
    """Where each of so long rows begins, and at last where the last one ends."""
    starts = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=starts[1:])
    return starts


def ranges(starts: Numbers, lengths: Numbers) -> Numbers:
    """`start, start + 1, ...` of each, so long, one behind the other."""
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    return np.arange(total) + np.repeat(starts - ends + lengths, lengths)


def once(numbers: Numbers) -> Numbers:
    """Each of them once, in their order."""
    numbers = np.sort(numbers)
    is_new = np.ones(len(numbers), np.bool_)
    np.not_equal(numbers[1:], numbers[:-1], out=is_new[1:])
    return numbers[np.flatnonzero(is_new)]


def _shrunk(names: Names[str], *numbers: Small) -> tuple[Names[str], Sequence[Small]]:
    named = np.flatnonzero(np.bincount(np.concatenate(numbers), minlength=len(names.names)))
    if len(names.names) <= 2 * len(named):
        return names, numbers
    fewer = Names[str]()
    now = np.zeros(len(names.names), np.int32)
    now[named] = [fewer.number(names.names[number]) for number in named.tolist()]
    return fewer, [now[some] for some in numbers]


def _behind(one: Lists, other: Lists) -> Lists:
    starts = np.concatenate((one.starts, other.starts[1:] + one.starts[-1]))
    return Lists(starts, np.concatenate((one.values, other.values)))


def _lists(rows: Sequence[Sequence[str]], names: Names[str], *, once: bool = False) -> Lists:
    """What is counted stays as often as it is named."""
    number = names.number
    return Lists.of([[number(name) for name in (dict.fromkeys(row) if once else row)] for row in rows])


def _text(pool: Pool) -> bytes:
    criteria = pool.criteria.model_dump(mode="json", exclude_defaults=True)
    return json.dumps([pool.version, pool.name, criteria], separators=(",", ":")).encode()


def _or_none(asked: int | None) -> int:
    return NOT_ASKED if asked is None else asked


def _day(asked: date | None) -> int:
    return NOT_ASKED if asked is None else asked.toordinal()
