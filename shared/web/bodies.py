"""Reads JSON that others wrote, strictly: what is not plain JSON in UTF-8 is a 400, never a fault of ours."""

import codecs
import json
from typing import NoReturn, TypeVar

from pydantic import BaseModel, ValidationError

from shared.web import problems

M = TypeVar("M", bound=BaseModel)


def parse_json(raw: bytes) -> object:
    """The value in a JSON text (RFC 8259); a 400 problem when it is malformed, nested too deep, or holds NaN."""
    try:
        return json.loads(utf8(raw), parse_constant=_refuse)
    except RecursionError:
        raise problems.malformed("The JSON is nested too deep.") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise problems.malformed(f"The body is not valid JSON: see {place}.") from None
    except ValueError:  # not UTF-8, NaN, or a number of thousands of digits
        raise problems.malformed("The body is not JSON in UTF-8, or holds a number that JSON does not have.") from None


def utf8(raw: bytes) -> str:
    """The text without a byte order mark before it (RFC 8259, 8.1): some writers send it, and nobody sees it."""
    return raw.removeprefix(codecs.BOM_UTF8).decode("utf-8")


def parse_model(raw: bytes, model: type[M]) -> M:
    """The JSON text as a model; a 400 problem when it is no JSON, a 422 that names each wrong field."""
    value = parse_json(raw)
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise problems.invalid_model(error) from None


def _refuse(_: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")
