"""All pools in force: most of them packed, what changed since beside them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Protocol

import numpy as np

from services.pool_matching.matching.columns import Flags, Vocabulary, columns, joined, shrunk
from services.pool_matching.matching.packed import Packed
from services.pool_matching.matching.readable import Readable
from services.pool_matching.model import Person, Pool

PACKED_AT = 0.01
"""Of the pools, what may have changed before they are packed again."""
_FEWEST = 64
"""So few are never worth it."""
_REMEMBERED = 20_000
"""Pools that were given back, of which the next batch finds many again; in some 2 KB each."""


class Engine(Protocol):
    """Says which pools people belong to."""

    def match(self, people: Sequence[Person], at: datetime) -> list[list[Pool]]:
        """Of each person the pools they belong to at that time, in the order of their ids."""


@dataclass(slots=True)
class Packing:
    """What is packed anew, whatever changes meanwhile. `run` may go on in a thread; the index takes its result."""

    _packed: Packed
    _gone: Flags
    _fresh: Sequence[Pool]
    changed: set[str] = field(default_factory=set)
    """Ids of pools that changed since it began."""

    def run(self) -> Packed:
        """The pools as they were when it began."""
        stays = self._packed.columns.take(np.flatnonzero(~self._gone))
        names = self._packed.vocabulary
        return Packed(*shrunk(joined(stays, columns(self._fresh, names)), names))


class PoolIndex:
    """The pools in force. A change is there for the next batch, and costs the same however many pools there are.

    A changed pool leaves a tombstone in what is packed, and is held against people by the rules until all is packed again, which
    is swapped in at once. Not for two threads at a time, but for `Packing.run`.
    """

    def __init__(self, pools: Iterable[Pool] = ()) -> None:
        names = Vocabulary()
        self._packed = Packed(columns(pools, names), names)
        self._gone = np.zeros(len(self._packed.columns), np.bool_)
        self._fresh = Readable()
        self._packing: Packing | None = None
        self._remembered: dict[int, Pool] = {}

    def __len__(self) -> int:
        return int(len(self._gone) - self._gone.sum()) + len(self._fresh.pools)

    @property
    def nbytes(self) -> int:
        """Of memory for what is packed."""
        return self._packed.nbytes

    @property
    def behind(self) -> int:
        """How many changes are not packed yet."""
        return len(self._fresh.pools) + int(self._gone.sum())

    def change(self, changes: Mapping[str, Pool | None]) -> None:
        """These are as they are now, by id; None: deleted."""
        for id_, pool in changes.items():
            row = self._packed.row(id_)
            if row is not None:
                self._gone[row] = True
            if pool is None:
                self._fresh.discard(id_)
            else:
                self._fresh.put(pool)
            if self._packing is not None:
                self._packing.changed.add(id_)

    def packing(self) -> Packing | None:
        """What is to be run now, and given to `swap`; None: too little changed, or it is under way."""
        if self._packing is not None or self.behind < max(_FEWEST, PACKED_AT * len(self)):
            return None
        fresh = list(self._fresh.pools.values())
        self._packing = Packing(self._packed, self._gone.copy(), fresh)
        return self._packing

    def swap(self, packed: Packed) -> None:
        """Takes the result in; what changed since it began stays beside it."""
        if self._packing is None:
            raise RuntimeError("nothing is being packed")
        changed, self._packing = self._packing.changed, None
        fresh = Readable(pool for id_, pool in self._fresh.pools.items() if id_ in changed)
        gone = np.zeros(len(packed.columns), np.bool_)
        rows = [row for id_ in changed if (row := packed.row(id_)) is not None]
        gone[rows] = True
        self._packed, self._gone, self._fresh, self._remembered = packed, gone, fresh, {}

    def give_up(self) -> None:
        """The packing failed: everything stays as it is, and the next one may begin."""
        self._packing = None

    def match(self, people: Sequence[Person], at: datetime) -> list[list[Pool]]:
        """By both engines."""
        found = self._fresh.match(people, at)
        who, rows = self._packed.match(people, at, self._gone)
        known, pool = self._remembered.get, self._pool
        pools = [known(row) or pool(row) for row in rows.tolist()]
        begins = np.searchsorted(who, np.arange(len(people) + 1)).tolist()
        for some, (first, after) in zip(found, pairwise(begins), strict=True):
            is_sorted = not some
            some += pools[first:after]
            if not is_sorted:
                some.sort(key=lambda pool: pool.id.encode())
        return found

    def rows(self, people: Sequence[Person], at: datetime) -> tuple[list[int], list[int]]:
        """Of what is packed alone, as places of people and rows: for who measures."""
        who, rows = self._packed.match(people, at, self._gone)
        return who.tolist(), rows.tolist()

    def _pool(self, row: int) -> Pool:
        if len(self._remembered) >= _REMEMBERED:
            self._remembered.clear()
        pool = self._remembered[row] = self._packed.columns.pool(row, self._packed.vocabulary)
        return pool
