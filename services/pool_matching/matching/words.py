"""What a pool asks for and what a person brings, each in one number, so that one look tells whether they fit."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Hashable, Sequence
from datetime import date
from itertools import accumulate
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from services.pool_matching.matching.columns import ANY_TYPE, TYPES, Columns, Flags, Numbers, Small
from shared.contracts.signup import CoarseProfile

Word: TypeAlias = NDArray[np.signedinteger[Any]]
"""32 bits, or 64."""

_TYPES = len(TYPES) + 1
_FLAGS = 3
_MOST = 100_000
"""So many values of people are remembered of each kind."""

K = TypeVar("K", bound=Hashable)


class Remembered(dict[K, int]):
    """What a function says of each value, asked once; of so many values. A dictionary answers several times as fast."""

    def __init__(self, of: Callable[[K], int]) -> None:
        super().__init__()
        self._of = of

    def __missing__(self, value: K) -> int:
        if len(self) >= _MOST:
            self.clear()
        found = self[value] = self._of(value)
        return found


class Steps:
    """What makes the words of some pools, and of whoever is held against them.

    Years, pay and date are steps: the values that these pools ask for, in their order. A person reaches a step or not. Kinds of
    employment are a bit each, of which one has to be the same. All together take as few bits as there are values: what pools ask
    for is coarse, so it is mostly 32.
    """

    def __init__(self, pools: Columns) -> None:
        """OverflowError: more different values than a word has room for."""
        self._values = years, pay, by = [_values(asked) for asked in (pools.years, pools.pay, pools.by)]
        bits = [len(values).bit_length() for values in self._values]
        at = list(accumulate(bits, lambda begins, size: begins + size + 1, initial=0))
        self._at = at_pay, at_date, at_types = at[1:]
        end = at_types + _TYPES + _FLAGS
        if end >= 64:
            raise OverflowError(
                f"{', '.join(str(len(one)) for one in self._values)} different values: a word has 64 bits"
            )
        self._dtype = np.dtype(np.int32 if end < 32 else np.int64)
        guards = sum(1 << (begins + size) for begins, size in zip(at, bits, strict=False))
        self._guards = self._dtype.type(guards)
        """A bit above each of the three steps: what it lends in a subtraction is missing where a step is not reached."""
        self._types = self._dtype.type((1 << (at_types + _TYPES)) - (1 << at_types))
        self.check_state, self.check_all, self.check_any = (
            self._dtype.type(1 << (at_types + _TYPES + place)) for place in range(_FLAGS)
        )
        """What the key of a posting and its word leave open, and is to be looked at."""
        self._of_years = Remembered[int | None](lambda has: 0 if has is None else bisect_right(years, has))
        self._of_pay = Remembered[int | None](
            lambda floor: (len(pay) if floor is None else len(pay) - bisect_left(pay, floor)) << at_pay
        )
        self._of_date = Remembered[date | None](
            lambda since: (len(by) if since is None else len(by) - bisect_left(by, since.toordinal())) << at_date
        )
        self._of_types = Remembered[tuple[str, ...]](
            lambda types: (ANY_TYPE | sum({TYPES[one] for one in types})) << at_types | guards
        )
        """A person's word is the sum of these four."""

    def asked(self, pools: Columns) -> Word:
        """The word of each of these pools."""
        (years, pay, by), (at_pay, at_date, at_types) = self._values, self._at
        types = np.where(pools.types == 0, ANY_TYPE, pools.types).astype(np.int64)
        asked: Numbers = (
            np.where(pools.years < 0, 0, np.searchsorted(years, pools.years) + 1)
            | np.where(pools.pay < 0, 0, len(pay) - np.searchsorted(pay, pools.pay)) << at_pay
            | np.where(pools.by < 0, 0, len(by) - np.searchsorted(by, pools.by)) << at_date
            | types << at_types
        )
        return asked.astype(self._dtype)

    def brought(self, profiles: Sequence[CoarseProfile]) -> Word:
        """The word of whoever shows each of these."""
        years, pay, since, types = self._of_years, self._of_pay, self._of_date, self._of_types
        words = [
            years[one.years] + pay[one.pay_floor] + since[one.available_from] + types[one.employment_types]
            for one in profiles
        ]
        return np.fromiter(words, self._dtype, len(words))

    def fit(self, theirs: Word, asked: Word) -> Flags:
        """Whether people reach all three steps that are asked for, and want one of the kinds of employment."""
        reached: Flags = ((theirs - asked) & self._guards) == self._guards
        reached &= (theirs & asked & self._types) != 0
        return reached


def _values(asked: Small) -> list[int]:
    return sorted(set(asked[asked >= 0].tolist()))
