"""What one service knows of another's facts: the fact as it was told, or that nothing of it has arrived yet.

Every look-up of something that another service tells (how a tenant stands, a consent, a membership, a key) returns a `Fact`.
`Unknown` is no value of the fact and neither a yes nor a no: only what is known to be so is refused or allowed, and what needs the
rest waits. mypy refuses whoever reads `value` without having asked which it is.
"""

from dataclasses import dataclass
from typing import Generic, NoReturn, TypeAlias, TypeVar, assert_never

T = TypeVar("T")
U = TypeVar("U")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Known(Generic[T_co]):
    """As it was told last."""

    value: T_co

    def __bool__(self) -> NoReturn:
        raise TypeError("ask whether a fact is Known, and what it says then")


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nothing of it has arrived: it may be on its way, or lost and to be read back."""

    def __bool__(self) -> NoReturn:
        raise TypeError("what is unknown is neither yes nor no")


Fact: TypeAlias = Known[T] | Unknown
UNKNOWN = Unknown()


def fact(told: T | None) -> Fact[T]:
    """What a look-up found, where it finds None when nothing was told."""
    return UNKNOWN if told is None else Known(told)


def shown(found: Fact[T], otherwise: U) -> T | U:
    """For what is only shown, and decides nothing: the fact, or words for that it has not arrived."""
    match found:
        case Known(value):
            return value
        case Unknown():
            return otherwise
        case _:
            assert_never(found)
