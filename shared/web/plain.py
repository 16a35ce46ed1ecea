"""Validation errors in plain words, without the value that was refused."""

from collections.abc import Iterable, Sequence
from typing import Any

_LONGEST_NAME = 64

_FIXED = {
    "missing": "is required",
    "extra_forbidden": "is not a field that is known here",
    "too_many_fields": "has far more fields than are known here",
    "too_many_parts": "has far more parts than are known here",
    "string_type": "must be text",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "is too large a number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "decimal_type": "must be a number",
    "decimal_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "date_type": "must be a date such as 2026-11-22",
    "date_parsing": "must be a date such as 2026-11-22",
    "date_from_datetime_parsing": "must be a date such as 2026-11-22",
    "date_from_datetime_inexact": "must be a date without a time",
    "datetime_type": "must be a time such as 2026-11-22T10:00:00Z",
    "datetime_parsing": "must be a time such as 2026-11-22T10:00:00Z",
    "datetime_from_date_parsing": "must be a time such as 2026-11-22T10:00:00Z",
    "timezone_aware": "needs its offset from UTC, as in 2026-11-22T10:00:00Z",
    "time_type": "must be a time of day such as 21:00",
    "time_parsing": "must be a time of day such as 21:00",
    "uuid_type": "must be a UUID",
    "uuid_parsing": "must be a UUID",
    "url_type": "must be a URL such as https://example.org/42",
    "url_parsing": "must be a URL such as https://example.org/42",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "set_type": "must be a list",
    "frozen_set_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "dataclass_type": "must be an object",
    "string_pattern_mismatch": "does not have the form that is expected",
    "string_unicode": "must be text in UTF-8",
    "json_invalid": "is not valid JSON",
}
_WITH_LIMIT = {
    "string_too_short": ("must have at least {min_length} characters", "min_length"),
    "string_too_long": ("must have at most {max_length} characters", "max_length"),
    "too_short": ("must have at least {min_length} entries", "min_length"),
    "too_long": ("must have at most {max_length} entries", "max_length"),
    "greater_than": ("must be more than {gt}", "gt"),
    "greater_than_equal": ("must be {ge} or more", "ge"),
    "less_than": ("must be less than {lt}", "lt"),
    "less_than_equal": ("must be {le} or less", "le"),
    "literal_error": ("must be {expected}", "expected"),
    "enum": ("must be {expected}", "expected"),
    "union_tag_invalid": ("must name one of {expected_tags}", "expected_tags"),
    "url_scheme": ("must begin with {expected_schemes}", "expected_schemes"),
}


def sentence(error: Any) -> str:  # noqa: ANN401 - pydantic's ErrorDetails or FastAPI's dict of the same shape
    """What is wrong, to be read after the field's name; built from the rule alone, never from the input."""
    kind, context = str(error["type"]), error.get("ctx") or {}
    if kind in _FIXED:
        return _FIXED[kind]
    if kind in ("too_short", "too_long") and context.get("field_type") == "Value":
        kind = f"string_{kind}"  # a limit that was added to text which is checked by a function
    if kind == "string_too_short" and context.get("min_length") == 1:
        return "must not be empty"
    if kind in _WITH_LIMIT:
        template, needed = _WITH_LIMIT[kind]
        return template.format(**context) if needed in context else "is not valid"
    if kind == "value_error" and isinstance(context.get("error"), ValueError):
        return str(context["error"])
    if kind == "value_error" and "reason" in context:
        return "must be an email such as name@example.org"  # pydantic's reason quotes the address
    return "is not valid"


def found(error: Any) -> str:  # noqa: ANN401 - as above
    """What stood there instead, to be read after the sentence; of a value its kind and its length alone."""
    kind, given = str(error["type"]), error.get("input")
    if kind in ("too_long", "string_too_long") and isinstance(given, list | tuple | str):
        return f"; found {len(given)}"
    return f"; found {_kind_of(given)}" if kind.endswith("_type") else ""


def _kind_of(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    kinds = {str: "text", int: "a number", float: "a number", list: "a list", dict: "an object", type(None): "null"}
    return kinds.get(type(value), "something else")


def pointer(loc: Iterable[int | str]) -> str:
    """A JSON Pointer (RFC 6901) as a URI fragment, as RFC 9457 shows it: `#/person/emails/0`."""
    parts = (str(part)[:_LONGEST_NAME].replace("~", "~0").replace("/", "~1") for part in loc)
    return "#" + "".join("/" + part for part in parts)


def field(loc: Sequence[int | str]) -> str:
    """The name of the form field an error belongs to: `quiet_hours.start`; an entry's error is its list's."""
    return ".".join(part for part in loc if isinstance(part, str))[:_LONGEST_NAME]
