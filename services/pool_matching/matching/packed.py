"""The engine of columns: a batch of people held against all pools at once."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from itertools import chain, repeat
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from services.pool_matching.decisions import findable
from services.pool_matching.matching.columns import (
    ANY_TYPE,
    TYPES,
    Columns,
    Flags,
    Lists,
    Numbers,
    Small,
    Vocabulary,
    Words,
    ranges,
    starts_of,
)
from services.pool_matching.matching.postings import ANY_OCCUPATION, Places, Sizes, place, posted
from services.pool_matching.model import Person

BATCH = 512
"""So many people are held against the pools at once: enough for numpy, and what they touch stays near the processor."""
_MOST = 1_000_000
"""So many postings are held against people at once; where they have more, half as many people, and one alone in any case."""

_MOST_TOKENS = 10_000
"""Occupations of people whose tokens are remembered, alone or several together; in some 1 KB each."""

_YEARS_BITS, _PAY_BITS, _DATE_BITS = 17, 22, 22
_PAY_AT = np.uint64(_YEARS_BITS + 1)
_DATE_AT = np.uint64(_YEARS_BITS + _PAY_BITS + 2)
_GUARDS = np.uint64(
    1 << _YEARS_BITS | 1 << (_YEARS_BITS + _PAY_BITS + 1) | 1 << (_YEARS_BITS + _PAY_BITS + _DATE_BITS + 2)
)
"""A bit above each of the three steps of a word: what it lends in a subtraction is missing where a step is not reached."""
_STATE_BITS = 62
"""States with a bit of their own; what comes later shares the highest, and is looked at by name."""
_NOT_REMOTE = len(TYPES) + 1
"""By so many bits those who do not want remote work are above those who do."""
Wanted: TypeAlias = NDArray[np.uint16]
_CHECK_ALL, _CHECK_ANY, _CHECK_STATE = 1 << 13, 1 << 14, 1 << 15


@dataclass(frozen=True, slots=True)
class _Steps:
    """The values that pools ask for, each a step; a person reaches a step or not."""

    values: Small

    @classmethod
    def of(cls, asked: Small, bits: int) -> "_Steps":
        values = np.unique(asked[asked >= 0])
        if len(values) >= 1 << bits:
            raise OverflowError(
                f"{len(values)} different values of one criterion; a packed word has room for {1 << bits}"
            )
        return cls(values.astype(np.int32))

    def least(self, asked: Small) -> Words:
        """The step that a pool asks for where people need as much; 0: none."""
        return np.where(asked < 0, 0, np.searchsorted(self.values, asked) + 1).astype(np.uint64)

    def reached(self, theirs: Small) -> Words:
        """How many of those steps people reach; -1: not even the lowest."""
        return np.searchsorted(self.values, theirs, side="right").astype(np.uint64)

    def most(self, asked: Small) -> Words:
        """The step that a pool asks for where people may need no more than that: the less it gives, the higher."""
        return np.where(asked < 0, 0, len(self.values) - np.searchsorted(self.values, asked)).astype(np.uint64)

    def allowed(self, theirs: Small) -> Words:
        """How many of those steps suffice for people; -1: all."""
        return (len(self.values) - np.searchsorted(self.values, theirs)).astype(np.uint64)


@dataclass(frozen=True, slots=True)
class _Batch:
    """Those of some people who can be found at all, as columns, a row each."""

    places: Numbers
    """Where they stand among all."""
    steps: Words
    states: Small
    remote: Small
    wants: Numbers
    occupations: Lists
    """Tokens."""
    skills: Lists
    """Numbers; one more than all stands for those that nobody here asks for."""
    shut_out: Numbers
    """Of who shut out employers: row and employer in one number."""


class Packed:
    """Pools that stand still. What it finds is exactly what `RULES` find."""

    def __init__(self, pools: Columns, vocabulary: Vocabulary) -> None:
        self.columns = pools
        self.vocabulary = names = vocabulary
        self._sizes = Sizes(len(names.occupations.names), len(names.states.names), len(names.skills.names))
        self._employers = len(names.employers.names)
        self._years = _Steps.of(pools.years, _YEARS_BITS)
        self._pay = _Steps.of(pools.pay, _PAY_BITS)
        self._by = _Steps.of(pools.by, _DATE_BITS)
        keys, rows, all_is_certain, any_is_certain = posted(pools, self._sizes)
        distinct, begins = np.unique(keys, return_index=True)
        self._places = Places(distinct)
        self._keys = distinct
        self._begins = np.append(begins, len(keys))
        self._rows = rows.astype(np.int32)
        self._steps = self._steps_asked(pools)[rows]
        self._states = _states_asked(pools)[rows]
        flags = np.where((pools.skills_all.lengths > 0) & ~all_is_certain, _CHECK_ALL, 0)
        flags |= np.where((pools.skills_any.lengths > 0) & ~any_is_certain, _CHECK_ANY, 0)
        if self._sizes.states > _STATE_BITS:
            flags |= np.where(pools.states.lengths > 0, _CHECK_STATE, 0)
        self._wanted = (_types_asked(pools) | flags).astype(np.uint16)[rows]
        self._is_posted = np.zeros(self._sizes.skills + 1, np.bool_)
        skills = distinct % self._sizes.seconds - self._sizes.places
        self._is_posted[skills[skills >= 0]] = True
        self._has = np.zeros((BATCH, self._sizes.skills + 1), np.bool_)
        """By person and skill, of the batch that is under way."""
        self._tokens_of: dict[tuple[frozenset[str], ...], list[int]] = {}

    @property
    def nbytes(self) -> int:
        """Of memory, but for the vocabulary."""
        pools = self.columns
        arrays = [
            *(
                self._keys,
                self._begins,
                self._rows,
                self._steps,
                self._states,
                self._wanted,
                self._is_posted,
                self._has,
            ),
            *(pools.ids, pools.employers, pools.least, pools.years, pools.pay, pools.by, pools.remote, pools.types),
        ]
        lists = (pools.occupations, pools.states, pools.skills_all, pools.skills_any)
        texts = sum(8 + text.__sizeof__() for text in pools.texts)
        return (
            sum(one.nbytes for one in arrays)
            + sum(one.starts.nbytes + one.values.nbytes for one in lists)
            + texts
            + self._places.nbytes
        )

    def row(self, id_: str) -> int | None:
        """The row of the pool with this id."""
        ids, one = self.columns.ids, id_.encode()
        at = int(np.searchsorted(ids, np.bytes_(one)))
        return at if at < len(ids) and ids[at] == one else None

    def match(self, people: Sequence[Person], at: datetime, gone: Flags) -> tuple[Numbers, Numbers]:
        """Who belongs to which pools at that time, but for those that are `gone` (by row): person and row of each, in their order."""
        if not people or not len(self._keys):
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        found = [self._some(people[first : first + BATCH], at, gone, first) for first in range(0, len(people), BATCH)]
        return np.concatenate([who for who, _ in found]), np.concatenate([row for _, row in found])

    def _some(self, people: Sequence[Person], at: datetime, gone: Flags, first: int) -> tuple[Numbers, Numbers]:
        batch = self._batch(people, at)
        owners, begins, lengths = self._looked_up(batch)
        if len(people) > 1 and lengths.sum() > _MOST:
            half = len(people) // 2
            one, other = self._some(people[:half], at, gone, first), self._some(people[half:], at, gone, first + half)
            return np.concatenate((one[0], other[0])), np.concatenate((one[1], other[1]))
        who, rows, wanted = self._verified(batch, np.repeat(owners, lengths), ranges(begins, lengths))
        who, rows, wanted = _those(~gone[rows], who, rows, wanted)
        pools = self.columns
        for flag, lists, least in (
            (_CHECK_ALL, pools.skills_all, None),
            (_CHECK_ANY, pools.skills_any, pools.least),
        ):
            asked = np.flatnonzero(wanted & flag)
            if len(asked):
                fits = np.ones(len(who), np.bool_)
                theirs = batch.skills.rows(), batch.skills.values
                try:
                    self._has[theirs] = True
                    fits[asked] = _enough(self._has, who[asked], rows[asked], lists, least)
                finally:  # what stays would be a skill of whoever comes next
                    self._has[theirs] = False
                who, rows, wanted = _those(fits, who, rows, wanted)
        if self._sizes.states > _STATE_BITS:
            asked = np.flatnonzero(wanted & _CHECK_STATE)
            fits = np.ones(len(who), np.bool_)
            fits[asked] = _named(batch.states[who[asked]], rows[asked], pools.states)
            who, rows, wanted = _those(fits, who, rows, wanted)
        if len(batch.shut_out):
            employers = who * self._employers + pools.employers[rows]
            who, rows, wanted = _those(~np.isin(employers, batch.shut_out), who, rows, wanted)
        # A pool that names several occupations is found by each of them.
        each = np.sort(who * len(pools) + rows)
        each = each[np.flatnonzero(np.diff(each, prepend=-1))]
        who, rows = np.divmod(each, len(pools))
        return batch.places[who] + first, rows

    def _looked_up(self, batch: _Batch) -> tuple[Numbers, Numbers, Numbers]:
        """Who may belong to which postings, by their places and by their skills: where those begin, and how many they are."""
        sizes, occupations = self._sizes, batch.occupations
        owners = occupations.rows()
        codes = occupations.values * np.int64(sizes.seconds)
        anywhere, here = np.full(len(batch.states), place(-1, -1)), place(0, -1) + 3 * batch.states
        places = np.stack((anywhere, anywhere + batch.remote + 1, here, here + batch.remote + 1), axis=1)
        skills = batch.skills.keep(self._is_posted[batch.skills.values])
        each = skills.lengths[owners]
        by_skill = np.repeat(codes, each) + skills.values[ranges(skills.starts[owners], each)] + sizes.places
        keys = np.concatenate(((codes[:, None] + places[owners]).ravel(), by_skill))
        hits, at = self._places.find(keys)
        begins = self._begins[at]
        lengths = self._begins[at + 1] - begins
        who = np.concatenate((np.repeat(owners, places.shape[1]), np.repeat(owners, each)))
        return who[hits], begins, lengths

    def _verified(self, batch: _Batch, who: Numbers, at: Numbers) -> tuple[Numbers, Numbers, Wanted]:
        """Of these whom the packed words let pass."""
        fits = ((batch.steps[who] - self._steps[at]) & _GUARDS) == _GUARDS
        who, at = who[fits], at[fits]
        bits = np.minimum(batch.states + 1, _STATE_BITS + 1).astype(np.uint64)
        fits = ((self._states[at] >> bits[who]) & np.uint64(1)).astype(np.bool_)
        who, at = who[fits], at[fits]
        wanted = self._wanted[at]
        fits = (wanted & batch.wants[who]) != 0
        return who[fits], self._rows[at[fits]].astype(np.int64), wanted[fits]

    def _batch(self, people: Sequence[Person], at: datetime) -> _Batch:
        """Their columns. What is done here for each person is most of what a person costs among few pools: no call that can be spared."""
        names, size = self.vocabulary, self._sizes.skills
        state_of, tokens_of, employer_of = names.states.numbers.get, self._tokens, names.employers.numbers.get
        halves = [findable(person, at) for person in people]
        places = [place for place, both in enumerate(halves) if both is not None]
        found = [people[place] for place in places]
        profiles = [both[0] for both in halves if both is not None]
        consents = [both[1] for both in halves if both is not None]
        shut_out = [
            row * self._employers + number
            for row, consent in enumerate(consents)
            if consent.blocked_employers
            for number in (employer_of(employer, self._employers) for employer in consent.blocked_employers)
            if number < self._employers
        ]
        occupations = [
            tokens_of(tuple(person.lineages.values()), consent.sectors)
            for person, consent in zip(found, consents, strict=True)
        ]
        states = np.array([-1 if one.state is None else state_of(one.state, -1) for one in profiles], np.int32)
        remote = np.array([one.remote for one in profiles], np.int32)
        wants = np.array([_mask(one.employment_types) for one in profiles], np.int64)
        each = [person.skills for person in found]
        skills = map(names.skills.numbers.get, chain.from_iterable(each), repeat(size))
        return _Batch(
            np.array(places, np.int64),
            self._steps_of(
                np.array([-1 if one.years is None else one.years for one in profiles], np.int32),
                np.array([-1 if one.pay_floor is None else one.pay_floor for one in profiles], np.int32),
                np.array([_ordinal(one.available_from) for one in profiles], np.int32),
            ),
            np.where(states < self._sizes.states, states, np.int32(-1)),
            remote,
            np.where(remote == 1, wants, wants << _NOT_REMOTE),
            Lists.of(occupations),
            Lists(
                starts_of(np.array(list(map(len, each)), np.int64)), np.minimum(np.array(list(skills), np.int32), size)
            ),
            np.array(shut_out, np.int64),
        )

    def _tokens(self, lineages: tuple[frozenset[str], ...], sectors: Collection[str]) -> Sequence[int]:
        """The tokens of the occupations that are let be matched, and of all they lie in; with that of pools that name none.

        Whoever lets only some sectors be matched is not found by pools that name no occupation.
        """
        if sectors:
            allowed = [one for one in lineages if not one.isdisjoint(sectors)]
            return list(set[int]().union(*(self._tokens((one,), ()) for one in allowed)) - {ANY_OCCUPATION})
        found = self._tokens_of.get(lineages)
        if found is None:
            known, number_of = self._sizes.occupations, self.vocabulary.occupations.numbers.get
            numbers = {number_of(code, known) for lineage in lineages for code in lineage}
            found = [ANY_OCCUPATION, *(number + 1 for number in numbers if number < known)]
            if len(self._tokens_of) >= _MOST_TOKENS:
                self._tokens_of.clear()
            self._tokens_of[lineages] = found
        return found

    def _steps_asked(self, pools: Columns) -> Words:
        return _word(self._years.least(pools.years), self._pay.most(pools.pay), self._by.most(pools.by))

    def _steps_of(self, years: Small, pay: Small, since: Small) -> Words:
        return _word(self._years.reached(years), self._pay.allowed(pay), self._by.allowed(since)) | _GUARDS


def _word(years: Words, pay: Words, by: Words) -> Words:
    word: Words = years | pay << _PAY_AT | by << _DATE_AT
    return word


def _ordinal(day: date | None) -> int:
    return -1 if day is None else day.toordinal()


@lru_cache(maxsize=1024)
def _mask(types: tuple[str, ...]) -> int:
    mask = ANY_TYPE
    for one in types:
        mask |= TYPES[one]
    return mask


def _those(kept: Flags, who: Numbers, rows: Numbers, wanted: Wanted) -> tuple[Numbers, Numbers, Wanted]:
    return (who, rows, wanted) if kept.all() else (who[kept], rows[kept], wanted[kept])


def _states_asked(pools: Columns) -> Words:
    """A bit for each state, one above its number, the lowest for whoever tells none; all of them where a pool names none."""
    found = np.where(pools.states.lengths == 0, ~np.uint64(0), np.uint64(0))
    bits = np.uint64(1) << np.minimum(pools.states.values + 1, _STATE_BITS + 1).astype(np.uint64)
    np.bitwise_or.at(found, pools.states.rows(), bits)
    return found


def _types_asked(pools: Columns) -> Small:
    types = np.where(pools.types == 0, ANY_TYPE, pools.types).astype(np.int32)
    remotely, elsewhere = np.where(pools.remote == 0, 0, types), np.where(pools.remote == 1, 0, types << _NOT_REMOTE)
    return (remotely | elsewhere).astype(np.int32)


def _enough(has: Flags, who: Numbers, rows: Numbers, lists: Lists, least: Small | None) -> Flags:
    """Whether people have as many of the listed as their rows ask for; `least` None: all."""
    lengths = lists.starts[rows + 1] - lists.starts[rows]
    theirs = has[np.repeat(who, lengths), lists.values[ranges(lists.starts[rows], lengths)]]
    counted = np.add.reduceat(theirs, np.cumsum(lengths) - lengths, dtype=np.int64)
    fits: Flags = counted >= (lengths if least is None else least[rows])
    return fits


def _named(one: Small, rows: Numbers, lists: Lists) -> Flags:
    """Whether the one is listed in its row."""
    lengths = lists.starts[rows + 1] - lists.starts[rows]
    places = np.repeat(np.arange(len(rows)), lengths)
    is_it = lists.values[ranges(lists.starts[rows], lengths)] == np.repeat(one, lengths)
    found: Flags = np.bincount(places[is_it], minlength=len(rows)) > 0
    return found
