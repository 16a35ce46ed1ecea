"""The engine of columns: a batch of people held against all pools at once."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.pool_matching.matching.columns import (
    Columns,
    Flags,
    Lists,
    Numbers,
    Small,
    Vocabulary,
    Words,
    once,
    ranges,
)
from services.pool_matching.matching.people import Batch, People
from services.pool_matching.matching.postings import Places, Sizes, posted
from services.pool_matching.matching.words import Steps, Word
from services.pool_matching.model import Person

BATCH = 512
"""So many people are made columns at once, which is what one batch of the service is: enough for numpy."""
_MOST = 32_768
"""So many postings are held against people at once, or one key's: what they touch stays near the processor."""
_STATE_BITS = 62
"""States with a bit of their own; what comes later shares the highest, and is looked at by name."""


class Packed:
    """Pools that stand still. What it finds is exactly what `RULES` find."""

    def __init__(self, pools: Columns, vocabulary: Vocabulary) -> None:
        self.columns = pools
        self.vocabulary = names = vocabulary
        self._sizes = sizes = Sizes(
            len(names.occupations.names), len(names.states.names), len(names.skills.names), len(names.employers.names)
        )
        self._steps = steps = Steps(pools)
        self._people = People(names, sizes, steps)
        found = posted(pools, sizes)
        self._places = Places(found.keys)
        self._begins, self._rows = found.begins, found.rows
        asked = steps.asked(pools)
        asked[(pools.skills_all.lengths > 0) & ~found.by_all] |= steps.check_all
        asked[(pools.skills_any.lengths > 0) & ~found.by_any] |= steps.check_any
        asked[(pools.states.lengths > 0) & ~found.by_state] |= steps.check_state
        self._asked = asked[found.rows]
        self._states = _states_asked(pools)
        self._is_posted = np.zeros(sizes.skills + 1, np.bool_)
        skills = found.keys % sizes.seconds - sizes.places
        self._is_posted[skills[skills >= 0]] = True
        self._row_bits = np.int64(max(1, len(pools)).bit_length())

    @property
    def nbytes(self) -> int:
        """Of memory, but for the vocabulary."""
        pools = self.columns
        arrays: list[NDArray[Any]] = [
            *(self._begins, self._rows, self._asked, self._states, self._is_posted),
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
        if not people or not len(self._rows):
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        some_gone = gone if gone.any() else None
        found = [
            self._some(people[first : first + BATCH], at, some_gone, first) for first in range(0, len(people), BATCH)
        ]
        return np.concatenate([who for who, _ in found]), np.concatenate([row for _, row in found])

    def _some(self, people: Sequence[Person], at: datetime, gone: Flags | None, first: int) -> tuple[Numbers, Numbers]:
        batch = self._people.columns(people, at)
        has = Has(batch.skills, self._sizes.skills)
        found = [self._exactly(batch, has, gone, *some) for some in self._passing(batch)]
        # A pool that names several occupations is found by each of them.
        each = once(np.concatenate(found)) if found else np.zeros(0, np.int64)
        return (batch.places + first)[each >> self._row_bits], each & ((1 << self._row_bits) - 1)

    def _looked_up(self, batch: Batch) -> tuple[Numbers, Numbers, Numbers]:
        """Who may belong to which postings, by their places and by their skills: where those begin, and how many they are."""
        sizes, occupations = self._sizes, batch.occupations
        owners = occupations.rows()
        codes = occupations.values * np.int64(sizes.seconds)
        states = batch.states[owners]
        somewhere = np.flatnonzero(states)
        skills = batch.skills.keep(np.flatnonzero(self._is_posted[batch.skills.values]))
        each = skills.lengths[owners]
        by_skill = np.repeat(codes + sizes.places, each) + skills.values[ranges(skills.starts[owners], each)]
        hits, at = self._places.find(np.concatenate((codes, (codes + states)[somewhere], by_skill)))
        who = np.concatenate((owners, owners[somewhere], np.repeat(owners, each)))[hits]
        at = 3 * at + batch.remote[who]
        begins = self._begins[at].astype(np.int64)
        return who, begins, self._begins[at + 2] - begins

    def _passing(self, batch: Batch) -> Iterator[tuple[Numbers, Numbers, Word]]:
        """Whom the words let pass: who, which pool, and what its word says; about so many at a time as are held against them at once."""
        owners, begins, lengths = self._looked_up(batch)
        waiting, count = list[tuple[Numbers, Numbers, Word]](), 0
        for some in _slices(lengths):
            waiting.append(self._verified(batch, owners[some], begins[some], lengths[some]))
            count += len(waiting[-1][0])
            if count >= _MOST:
                yield _together(waiting)
                waiting, count = [], 0
        if waiting:
            yield _together(waiting)

    def _verified(
        self, batch: Batch, owners: Numbers, begins: Numbers, lengths: Numbers
    ) -> tuple[Numbers, Numbers, Word]:
        at = ranges(begins, lengths)
        asked = self._asked[at]
        passes = np.flatnonzero(self._steps.fit(np.repeat(batch.words[owners], lengths), asked))
        return np.repeat(owners, lengths)[passes], self._rows[at[passes]].astype(np.int64), asked[passes]

    def _exactly(
        self, batch: Batch, has: "Has", gone: Flags | None, who: Numbers, rows: Numbers, asked: Word
    ) -> Numbers:
        """Of these who does belong, as person and row in one number."""
        pools, steps, fit = self.columns, self._steps, np.ones(len(who), np.bool_)
        if gone is not None:
            fit &= ~gone[rows]
        if len(some := np.flatnonzero(asked & steps.check_state)):
            fit[some] &= self._in_states(batch.states[who[some]], rows[some])
        for flag, lists, least in (
            (steps.check_all, pools.skills_all, None),
            (steps.check_any, pools.skills_any, pools.least),
        ):
            some = np.flatnonzero(asked & flag)
            if len(some := some[np.flatnonzero(fit[some])]):
                fit[some] = has.enough(who[some], rows[some], lists, least)
        if len(batch.shut_out):
            some = np.flatnonzero(batch.shuts_out[who])
            pairs = who[some] * self._sizes.employers + pools.employers[rows[some]]
            nearest = batch.shut_out.take(np.searchsorted(batch.shut_out, pairs), mode="clip")
            fit[some[np.flatnonzero(nearest == pairs)]] = False
        each = who << self._row_bits | rows
        return each[np.flatnonzero(fit)]

    def _in_states(self, states: Numbers, rows: Numbers) -> Flags:
        bits = np.minimum(states, _STATE_BITS + 1).astype(np.uint64)
        found: Flags = (self._states[rows] >> bits & np.uint64(1)).astype(np.bool_)
        if self._sizes.states > _STATE_BITS:
            some = np.flatnonzero(found & (self.columns.states.lengths[rows] > 0))
            found[some] = _named(states[some] - 1, rows[some], self.columns.states)
        return found


class Has:
    """Who of a batch has which skills: a bit each."""

    def __init__(self, skills: Lists, size: int) -> None:
        """`skills`: of each person, each once; there are `size` of them."""
        self._words = (size >> 6) + 1
        self._bits = np.zeros((len(skills.starts) - 1) * self._words, np.int64)
        np.add.at(self._bits, self._at(skills.rows(), skills.values), np.int64(1) << (skills.values & np.int64(63)))

    def enough(self, who: Numbers, rows: Numbers, lists: Lists, least: Small | None) -> Flags:
        """Whether people have as many of the listed as their rows ask for; `least` None: all."""
        lengths = lists.starts[rows + 1] - lists.starts[rows]
        skills = lists.values[ranges(lists.starts[rows], lengths)]
        theirs = self._bits[self._at(np.repeat(who, lengths), skills)] >> (skills & np.int64(63)) & 1
        counted = np.add.reduceat(theirs, np.cumsum(lengths) - lengths)
        enough: Flags = counted >= (lengths if least is None else least[rows])
        return enough

    def _at(self, who: Numbers, skills: Small) -> Numbers:
        return who * self._words + (skills >> 6)


def _slices(lengths: Numbers) -> Iterator[slice]:
    """Of what was looked up so much at once as is held against people at once."""
    ends = np.cumsum(lengths)
    first = 0
    while first < len(ends):
        done = int(ends[first - 1]) if first else 0
        after = max(first + 1, int(np.searchsorted(ends, done + _MOST, side="right")))
        yield slice(first, after)
        first = after


def _together(parts: Sequence[tuple[Numbers, Numbers, Word]]) -> tuple[Numbers, Numbers, Word]:
    if len(parts) == 1:
        return parts[0]
    who, rows, asked = zip(*parts, strict=True)
    return np.concatenate(who), np.concatenate(rows), np.concatenate(asked)


def _states_asked(pools: Columns) -> Words:
    """A bit for each state, one above its number, the lowest for whoever tells none; all of them where a pool names none."""
    found = np.where(pools.states.lengths == 0, ~np.uint64(0), np.uint64(0))
    bits = np.uint64(1) << np.minimum(pools.states.values + 1, _STATE_BITS + 1).astype(np.uint64)
    np.bitwise_or.at(found, pools.states.rows(), bits)
    return found


def _named(one: Numbers, rows: Numbers, lists: Lists) -> Flags:
    """Whether the one is listed in its row."""
    lengths = lists.starts[rows + 1] - lists.starts[rows]
    places = np.repeat(np.arange(len(rows)), lengths)
    is_it = lists.values[ranges(lists.starts[rows], lengths)] == np.repeat(one, lengths)
    found: Flags = np.bincount(places[is_it], minlength=len(rows)) > 0
    return found
