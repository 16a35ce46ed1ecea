"""What may come in: text that the tables can keep, and models that refuse what they don't know."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from types import UnionType
from typing import Annotated, Any, Self, Union, get_args, get_origin

from pydantic import (
    AfterValidator,
    AnyUrl,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    StringConstraints,
    UrlConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, PydanticKnownError, core_schema

from shared.text import why_not_one_line, why_not_public, why_not_readable

_MOST_ENTRIES = 200
"""Of a list that sets no limit of its own."""
_MOST_UNKNOWN = 1000
_MOST_NAMED = 20
"""Unknown fields of an object that are told apart."""
_MOST_PARTS = 10_000
"""Of a field that holds anything at all."""
_UNSTORABLE_MARK = re.compile("[\x00\ud800-\udfff]")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_UNSTORABLE = "must not contain the character U+0000 or half of a surrogate pair"


def storable(value: str) -> str:
    """The text, unless PostgreSQL can't keep it: it refuses U+0000 and lone surrogates."""
    if _UNSTORABLE_MARK.search(value):
        raise ValueError(_UNSTORABLE)
    return value


def _one_line(value: str) -> str:
    if (wrong := why_not_one_line(value)) is not None:
        raise ValueError(f"must {wrong}")
    return value


def _readable(value: str) -> str:
    if (wrong := why_not_readable(value)) is not None:
        raise ValueError(f"must {wrong}")
    return value


def _public(value: AnyUrl) -> AnyUrl:
    if value.username is not None or value.password is not None:
        raise ValueError("must not hold a user name or password: what stands before an @ is not where the link leads")
    if (wrong := why_not_public(value.host or "")) is not None:
        raise ValueError(f"must {wrong}")
    return value


def _day(value: object) -> object:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise ValueError("must be a day such as 2026-11-22, without a time")
    return value


def soc_of_onet(value: object) -> object:
    """O*NET writes the occupations that it took over from the SOC as `29-1141.00`."""
    return value.removesuffix(".00") if isinstance(value, str) else value


Day = Annotated[date, BeforeValidator(_day)]
"""A day of the calendar; a moment is none, since it would be another day elsewhere."""
Text = Annotated[str, StringConstraints(strict=True, max_length=10_000), AfterValidator(storable)]
"""Text of several lines; narrow it with `Annotated[Text, Field(max_length=2_000)]`."""
LONGEST_LINE = 200
Line = Annotated[
    str,
    StringConstraints(strict=True, strip_whitespace=True, min_length=1, max_length=LONGEST_LINE),
    AfterValidator(storable),
    AfterValidator(_one_line),
]
"""A name or a title: one line, trimmed, not empty, at most 200 characters; narrow it in the same way."""

ReadableText = Annotated[Text, AfterValidator(_readable)]
"""`Text` that people will read: nothing in it that they can't see."""
ReadableLine = Annotated[Line, AfterValidator(_readable)]
"""`Line` that people will read: nothing in it that they can't see."""
PublicUrl = Annotated[AnyUrl, UrlConstraints(max_length=2000, allowed_schemes=["https"]), AfterValidator(_public)]
"""A link that people will be sent: https, to a host named in the public DNS, without user name and password."""


@dataclass(frozen=True, slots=True)
class Form:
    """Text of one form, as in `Annotated[str, Form(r"[0-9]{5}", "a ZIP code of five digits")]`; not coerced.

    Other text is told that it must be `words`; programs see the pattern in the schema.
    """

    pattern: str
    """Of the whole text."""
    words: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # noqa: ANN401 - pydantic's own
        return core_schema.no_info_after_validator_function(self._check, core_schema.str_schema(strict=True))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(schema), "pattern": f"^{self.pattern}$"}

    def _check(self, value: str) -> str:
        if not re.fullmatch(self.pattern, value):
            raise ValueError(f"must be {self.words}")
        return value


def _refuse_long_list(model: type[BaseModel], value: object, info: ValidationInfo) -> None:
    if not isinstance(value, list | tuple) or info.field_name is None:
        return
    most = _most_entries(model, info.field_name)
    if len(value) > most:
        context = {"field_type": "List", "max_length": most, "actual_length": len(value)}
        raise PydanticKnownError("too_long", context)


@cache
def _most_entries(model: type[BaseModel], name: str) -> int:
    """What the field's own annotation says, also inside of `... | None`."""
    field = model.model_fields[name]
    rules = [*field.metadata, *_rules(field.annotation)]
    return next((rule.max_length for rule in rules if getattr(rule, "max_length", None) is not None), _MOST_ENTRIES)


def _rules(annotation: Any) -> list[Any]:  # noqa: ANN401 - annotations have no common type
    """What is annotated in the members of a union; not what is said of a list's entries."""
    if get_origin(annotation) not in (Union, UnionType):
        return []
    noted = [rule for member in get_args(annotation) for rule in getattr(member, "__metadata__", ())]
    return [inner for rule in noted for inner in getattr(rule, "metadata", [rule])]


@cache
def _holds_models(model: type[BaseModel], name: str) -> bool:
    """Whether objects in the field are models, which look at their own parts."""
    waiting: list[Any] = [model.model_fields[name].annotation]
    while waiting:
        part = waiting.pop()
        if isinstance(part, type) and issubclass(part, RequestModel):
            return True
        waiting.extend(get_args(part))
    return False


def _check_parts(value: object, *, into_objects: bool) -> None:
    waiting, seen = [value], 0  # a list, not recursion: nesting is the sender's choice
    while waiting:
        part = waiting.pop()
        seen += 1
        if isinstance(part, str):
            storable(part)
        elif isinstance(part, dict) and into_objects:
            waiting.extend(part.keys())
            waiting.extend(part.values())
        elif isinstance(part, list | tuple):
            waiting.extend(part)
        if seen + len(waiting) > _MOST_PARTS:
            raise PydanticCustomError("too_many_parts", "has far more parts than are known here")


def is_empty(value: object) -> bool:
    """Whether it is null or blank text: where it is optional, it was left out."""
    return value is None or (isinstance(value, str) and not value.strip())


def _without_empty(model: type[BaseModel], given: dict[Any, Any]) -> dict[Any, Any]:
    """Empty text where null can stand is null; what is empty where it can't be is left out."""
    optional = _optional(model)
    empty = [name for name, value in given.items() if name in optional and is_empty(value)]
    if not empty:
        return given
    kept = {name: value for name, value in given.items() if name not in empty}
    return kept | {name: None for name in empty if optional[name]}


@cache
def _optional(model: type[BaseModel]) -> Mapping[str, bool]:
    """The fields that may be left out, and whether null may stand there."""
    return {
        field.alias or name: type(None) in get_args(field.annotation)
        for name, field in model.model_fields.items()
        if not field.is_required()
    }


def _with_few_unknown(model: type[BaseModel], given: dict[Any, Any]) -> dict[Any, Any]:
    """So many unknown fields as are told, and no more: each costs an error."""
    known = _known(model)
    if len(given) <= len(known) + _MOST_NAMED:
        return given
    unknown = [name for name in given if name not in known]
    beyond = set(unknown[_MOST_NAMED:])
    return {name: value for name, value in given.items() if name not in beyond}


@cache
def _known(model: type[BaseModel]) -> frozenset[str]:
    """Every name that a field goes by."""
    names = set(model.model_fields)
    for field in model.model_fields.values():
        alias = field.validation_alias
        names.update(choice for choice in getattr(alias, "choices", [alias]) if isinstance(choice, str))
    return frozenset(names)


class RequestModel(BaseModel):
    """A request's body or a part of it: unknown fields, NaN, infinity and text that can't be stored are refused.

    An optional field that is null or empty text is one that was left out (null, where it means something, is null).
    How many entries a list and how many fields an object has is looked at before any of them, and of unknown fields 20
    are told: an error for each of half a million would cost a minute.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)

    @model_validator(mode="wrap")
    @classmethod
    def _meant(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:  # noqa: ANN401 - as below
        if not isinstance(value, dict):
            return handler(value)
        if len(value) > len(cls.model_fields) + _MOST_UNKNOWN:
            raise PydanticCustomError("too_many_fields", "has far more fields than are known here")
        return handler(_without_empty(cls, _with_few_unknown(cls, value)))

    @field_validator("*", mode="before")
    @classmethod
    def _storable_throughout(cls, value: Any, info: ValidationInfo) -> Any:  # noqa: ANN401 - before validation it may be anything
        _refuse_long_list(cls, value, info)
        if isinstance(value, str):
            storable(value)
        elif isinstance(value, dict | list | tuple):
            _check_parts(value, into_objects=info.field_name is None or not _holds_models(cls, info.field_name))
        return value
