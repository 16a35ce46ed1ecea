from datetime import date
from typing import Annotated, Any

import pytest
from pydantic import Field, TypeAdapter, ValidationError

from shared.web import plain
from shared.web.types import Line, RequestModel, Text

Short = Annotated[Line, Field(max_length=5)]


def sentence(kind: Any, value: object) -> str:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(kind).validate_python(value)
    return plain.sentence(caught.value.errors()[0])


@pytest.mark.parametrize("value", ["", "  ", "a\nb", "a\x00b", "\ud800", "a\u2028b", "\x7f", "x" * 201, 7, None, b"a"])
def test_a_line_is_one_line_of_text_that_can_be_stored(value: object) -> None:
    sentence(Line, value)


@pytest.mark.parametrize("value", ["a\x00b", "\udfff", "x" * 10_001, 7, None])
def test_text_can_be_stored_and_has_an_end(value: object) -> None:
    sentence(Text, value)


def test_text_may_have_lines_and_every_script() -> None:
    value = "Zoë\n\t東京 👩‍⚕️"
    assert TypeAdapter(Text).validate_python(value) == value


def test_a_narrower_line_says_its_own_limit() -> None:
    assert sentence(Short, "123456") == "must have at most 5 characters"
    assert sentence(Annotated[tuple[int, ...], Field(max_length=1)], [1, 2]) == "must have at most 1 entries"


class Nested(RequestModel):
    """A body whose parts may be anything."""

    anything: Any = None


def test_a_deep_body_is_walked_without_recursion() -> None:
    deep: Any = "\x00"
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(ValidationError):
        Nested(anything=deep)
    while isinstance(deep, list):  # taken apart by hand: to free it at once is recursion too
        deep = deep[0]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_nan_and_infinity_are_refused_where_a_number_is_expected(value: float) -> None:
    class Pay(RequestModel):
        amount: float

    with pytest.raises(ValidationError):
        Pay(amount=value)


class Wish(RequestModel):
    """Optional fields of each kind."""

    name: Line
    zone: Line | None = None
    words: tuple[str, ...] = ()
    count: int = 3
    until: date | None = None


@pytest.mark.parametrize("empty", [None, "", "  \n"])
def test_an_optional_field_that_is_null_or_blank_was_left_out(empty: str | None) -> None:
    wish = Wish.model_validate({"name": "a", "zone": empty, "words": empty, "count": empty, "until": empty})
    assert wish == Wish(name="a")
    assert wish.model_fields_set == {"name", "zone", "until"}  # null, where it means something, was said


@pytest.mark.parametrize(
    "given", [{"name": ""}, {"name": None}, {"name": "a", "count": "x"}, {"name": "a", "words": [None]}]
)
def test_what_is_required_or_means_something_else_stays_a_mistake(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Wish.model_validate(given)
