"""A value that is made quickly is the value that it would have been."""

import copy
import pickle
from dataclasses import FrozenInstanceError, dataclass, field, fields, replace
from typing import Any, Generic, TypeVar

import pytest

from services.outreach_gateway import decisions, model, queue
from services.outreach_gateway.ports import outreach
from shared.messaging import envelope
from shared.values import made_quickly

T = TypeVar("T")
QUICK = [
    kind
    for module in (model, decisions, queue, outreach, envelope)
    for kind in vars(module).values()
    if isinstance(kind, type)
    and kind.__module__ == module.__name__
    and "__init__" in vars(kind)
    and "become" in vars(kind)["__init__"].__globals__
]


@dataclass(frozen=True, slots=True)
class Slow(Generic[T]):
    """As Python makes it."""

    one: T
    other: str = "x"


@made_quickly
@dataclass(frozen=True, slots=True)
class Quick(Generic[T]):
    """The same."""

    one: T
    other: str = "x"


def test_it_is_equal_hashed_copied_and_written_as_before() -> None:
    value = Quick([1])
    assert (value.one, value.other, repr(value)) == ([1], "x", repr(Slow([1])).replace("Slow", "Quick"))
    assert value == Quick([1], other="x") != Quick([1], "y")
    assert hash(Quick((1, 2))) == hash(Slow((1, 2)))
    assert replace(value, other="z") == Quick([1], "z")
    assert copy.deepcopy(value) == value == pickle.loads(pickle.dumps(value))  # noqa: S301 - of our own
    assert type(value) is Quick and isinstance(value, Quick)
    match value:
        case Quick(one, other):
            assert (one, other) == ([1], "x")


@pytest.mark.parametrize("given", [(), (1, "x", 2)], ids=["nothing", "too much"])
def test_it_asks_for_what_it_asked_for(given: tuple[Any, ...]) -> None:
    with pytest.raises(TypeError, match=r"Quick\.__init__\(\)"):
        Quick(*given)


def test_it_is_frozen_once_it_is_made() -> None:
    with pytest.raises(FrozenInstanceError):
        Quick(1).one = 2  # type: ignore[misc]  # that it may not is what is asked


@pytest.mark.parametrize("kind", QUICK)
def test_each_that_is_made_so_keeps_every_field_and_is_frozen(kind: Any) -> None:
    names = [one.name for one in fields(kind)]
    value = kind(*range(len(names)))
    assert [getattr(value, name) for name in names] == [*range(len(names))]
    for name in names:
        with pytest.raises(FrozenInstanceError):
            setattr(value, name, None)
        with pytest.raises(FrozenInstanceError):
            delattr(value, name)


def test_there_are_such() -> None:
    assert {model.Outreach, decisions.Asked, queue.Turn, outreach.Settled, envelope.Received} <= {*QUICK}


def _cases() -> list[type]:
    @dataclass(slots=True)
    class NotFrozen:
        one: int

    @dataclass(frozen=True)
    class NoSlots:
        one: int

    @dataclass(frozen=True, slots=True)
    class Makes:
        one: list[int] = field(default_factory=list)

    @dataclass(frozen=True, slots=True, kw_only=True)
    class ByName:
        one: int

    @dataclass(frozen=True, slots=True)
    class Checks:
        one: int

        def __post_init__(self) -> None: ...

    @dataclass(frozen=True, slots=True)
    class Of(Slow[int]):
        more: int = 1

    return [NotFrozen, NoSlots, Makes, ByName, Checks, Of]


@pytest.mark.parametrize("kind", _cases())
def test_of_which_more_is_asked_than_to_keep_its_fields_is_refused(kind: type) -> None:
    with pytest.raises(TypeError):
        made_quickly(kind)
