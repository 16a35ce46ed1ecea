"""Under what each pool is looked up: an occupation with whichever rejects more, a skill or a place."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.pool_matching.matching.columns import Columns, Flags, Lists, Numbers, Small, once, ranges, starts_of

ANY_OCCUPATION = 0
"""Of pools that name none; the others are one higher than their number."""
_STATES_POSTED = 16
"""Who asks for more is posted under all of them at once; they are verified anyway."""
_POSTED = 256
"""Occupations with states, or with skills: a pool of more is posted under its occupations alone, or it alone were thousands of postings."""
_MORE_SKILLS = 2.5
"""So many times as many skills as a pool names does a person have."""
_ALIKE = 8.0
"""So many pools of an occupation weigh as much as all pools do in what is rare there."""
_PART_OF_REMOTE = np.array((0, 2, 1))
"""By what a pool asks for, 0 or 1 or `NOT_ASKED`, which is the last."""
_SPREAD = np.uint64(0x9E37_79B9_7F4A_7C15)
"""2**64 divided by the golden ratio (Knuth, TAOCP 3, 6.4: multiplicative hashing)."""

Shares = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of the vocabulary these postings know; what came later is in none of them."""

    occupations: int
    states: int
    skills: int
    employers: int

    @property
    def places(self) -> int:
        """How many tokens of places there are: of any state 0, of each its number and one. Skills come behind them."""
        return 1 + self.states

    @property
    def seconds(self) -> int:
        """How many tokens go with an occupation."""
        return self.places + self.skills


@dataclass(frozen=True, slots=True)
class Postings:
    """Pools under their keys."""

    keys: Numbers
    """Each once, in their order."""
    begins: Small
    """Of key k those of pools that want nobody remote begin at `begins[3 * k]`, then come those to whom it is all one, then those
    that want who is remote: whoever is one or the other is held against two of the three, which stand together."""
    rows: Small
    """Of each posting."""
    by_state: Flags
    """Of each pool, whether a state that it asks for is certain by the key; the same of its skills."""
    by_all: Flags
    by_any: Flags


def crossed(first: Lists, second: Lists) -> tuple[Numbers, Small, Small]:
    """Each of a row's first with each of its second: the rows, and both values."""
    rows = first.rows()
    each = (second.starts[rows + 1] - second.starts[rows]) if len(rows) else rows
    return (
        np.repeat(rows, each),
        np.repeat(first.values, each),
        second.values[ranges(second.starts[rows], each)],
    )


def posted(pools: Columns, sizes: Sizes) -> Postings:
    """All of them."""
    first, seconds, best, is_named = _chosen(pools, sizes)
    rows, occupations, tokens = crossed(first, seconds)
    keys = occupations.astype(np.int64) * sizes.seconds + tokens
    parts = 3 * keys + _PART_OF_REMOTE[pools.remote[rows]]
    order = np.argsort(parts, kind="stable")
    distinct = once(keys)
    ends = (3 * distinct[:, None] + np.arange(3)).ravel()
    begins = np.append(np.searchsorted(parts[order], ends), len(rows)).astype(np.int32)
    return Postings(
        distinct,
        begins,
        rows[order].astype(np.int32),
        (best == 0) & is_named,
        (best == 1) & (pools.skills_all.lengths == 1),
        (best == 2) & (pools.least == 1),
    )


def _chosen(pools: Columns, sizes: Sizes) -> tuple[Lists, Lists, Numbers, Flags]:
    count = len(pools)
    named = pools.occupations.lengths
    rows = np.concatenate((pools.occupations.rows(), np.flatnonzero(named == 0)))
    codes = np.concatenate((pools.occupations.values + 1, np.full(int((named == 0).sum()), ANY_OCCUPATION, np.int32)))
    occupations = _grouped(rows, codes, count)
    leading = occupations.values[occupations.starts[:-1]].astype(np.int64)

    by_all, cost_all = _rarest(pools.skills_all, np.ones(count, np.int64), leading, sizes.skills)
    # Who has k of n lacks n - k of them at most: of any n - k + 1 they have one.
    enough = pools.skills_any.lengths - pools.least + 1
    by_any, cost_any = _rarest(pools.skills_any, enough, leading, sizes.skills)
    cost_any[enough * named > _POSTED] = np.inf
    places, cost_place, is_named = _places(pools, sizes)

    best = np.argmin((cost_place, cost_all, cost_any), axis=0)
    parts = [
        (places.rows(), places.values, best == 0),
        (by_all.rows(), by_all.values + np.int32(sizes.places), best == 1),
        (by_any.rows(), by_any.values + np.int32(sizes.places), best == 2),
    ]
    kept = [(rows[which[rows]], tokens[which[rows]]) for rows, tokens, which in parts]
    seconds = _grouped(np.concatenate([one for one, _ in kept]), np.concatenate([one for _, one in kept]), count)
    return occupations, seconds, best, is_named


def _places(pools: Columns, sizes: Sizes) -> tuple[Lists, Shares, Flags]:
    """The tokens of each pool's places, the share of people who have one of them, and whether they are states by name."""
    count, lengths = len(pools), pools.states.lengths
    rows, states = pools.states.rows(), pools.states.values
    often = np.bincount(states, minlength=sizes.states).astype(np.float64)
    share = often / max(1.0, often.sum())
    is_named = (lengths > 0) & (lengths <= _STATES_POSTED) & (lengths * pools.occupations.lengths <= _POSTED)
    one_each = np.flatnonzero(~is_named)
    named = is_named[rows]
    tokens = np.concatenate((1 + states[named], np.zeros(len(one_each), np.int32)))
    cost = np.where(is_named, np.bincount(rows, weights=share[states], minlength=count), 1.0)
    return _grouped(np.concatenate((rows[named], one_each)), tokens.astype(np.int32), count), cost, is_named


def _rarest(lists: Lists, wanted: Numbers, leading: Numbers, skills: int) -> tuple[Lists, Shares]:
    """Of each row so many as are wanted, the rarest among pools of its occupation; and the share of people who have one of them.

    A row without any can't be looked up by one. Of a row that wants none nobody has enough: it needs no key at all.
    """
    count, rows = len(leading), lists.rows()
    _, where, often = np.unique(leading[rows] * skills + lists.values, return_inverse=True, return_counts=True)
    everywhere = np.bincount(lists.values, minlength=skills) / max(1, count)
    there = np.bincount(leading)[leading[rows]] if count else np.zeros(0, np.int64)
    share = np.minimum(1.0, _MORE_SKILLS * (often[where] + _ALIKE * everywhere[lists.values]) / (there + _ALIKE))
    order = np.lexsort((share, rows))
    rank = np.empty(len(rows), np.int64)
    rank[order] = np.arange(len(rows)) - lists.starts[:-1][rows[order]]
    taken = rank < wanted[rows]
    cost = np.where(lists.lengths == 0, np.inf, np.bincount(rows[taken], weights=share[taken], minlength=count))
    # One of them twice in a row would be one key twice.
    return lists.keep(np.flatnonzero(taken & _is_first(rows, lists.values, skills))), cost


def _is_first(rows: Numbers, values: Small, size: int) -> Flags:
    first = np.zeros(len(rows), np.bool_)
    first[np.unique(rows * size + values, return_index=True)[1]] = True
    return first


def _grouped(rows: Numbers, values: Small, count: int) -> Lists:
    order = np.argsort(rows, kind="stable")
    return Lists(starts_of(np.bincount(rows, minlength=count)), values[order])


class Places:
    """Where in their order each of some keys stands: an open table of four places a key."""

    def __init__(self, keys: Numbers) -> None:
        """`keys`: each once."""
        bits = max(4, (4 * len(keys)).bit_length())
        self._keys = keys
        self._shift, self._mask = np.uint64(64 - bits), (1 << bits) - 1
        self._table = np.full(1 << bits, -1, np.int32)
        left, at = np.arange(len(keys)), self._first(keys)
        while len(left):
            free = self._table[at] < 0
            slots, firsts = np.unique(at[free], return_index=True)
            self._table[slots] = left[free][firsts]
            out = self._table[at] != left
            left, at = left[out], (at[out] + 1) & self._mask

    def find(self, keys: Numbers) -> tuple[Numbers, Numbers]:
        """Which of these there are, and where they stand."""
        at = self._first(keys)
        found = self._table[at]
        which = np.flatnonzero(found >= 0)
        found, at = found[which], at[which]
        hits, places = [], []
        while len(which):
            is_it = self._keys[found] == keys[which]
            hits.append(which[is_it])
            places.append(found[is_it])
            which, at = which[~is_it], (at[~is_it] + 1) & self._mask
            found = self._table[at]
            some = found >= 0
            which, at, found = which[some], at[some], found[some]
        if not hits:
            return which, which
        return np.concatenate(hits), np.concatenate(places)

    @property
    def nbytes(self) -> int:
        """Of memory."""
        return self._table.nbytes

    def _first(self, keys: Numbers) -> Numbers:
        return ((keys.view(np.uint64) * _SPREAD) >> self._shift).view(np.int64)
