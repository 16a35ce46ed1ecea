"""One way to read what a page or a program posts: a form or JSON, into one pydantic model."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, get_args, get_origin
from urllib.parse import parse_qsl

from fastapi import Request
from pydantic import BaseModel, ValidationError

from shared import i18n
from shared.i18n import gettext
from shared.media_types import media_type
from shared.web import bodies, plain, problems
from shared.web.openapi import REF

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
MOST_FIELDS = 400

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Posted(Generic[M]):
    """What was posted: the model, or what is wrong with it by field, for the page to show again."""

    is_json: bool
    """Whether a program asked: it is answered in JSON, a browser with a page."""
    given: Mapping[str, Any]
    """As it was sent, to fill the page again; names of parts are dotted (`quiet_hours.start`), lists are lists."""
    value: M | None = None
    errors: Mapping[str, str] = field(default_factory=dict)
    """Field name to sentence, in the order of the model; the name is empty for what concerns no single field."""


async def read(request: Request, model: type[M], *, words: Mapping[str, str] | None = None) -> Posted[M]:
    """Read the body as JSON or as a form.

    `words` gives fields a sentence of their own for the page (`{"mail": "Enter your email"}`). In a form, an
    empty value is no value, a dotted name is part of an object, and only lists may repeat a name. JSON that is
    wrong raises a 422 problem; a wrong form is returned with its errors. 415 for anything else, 400 for no such syntax.
    """
    content_type = media_type(request.headers.get("content-type", "")).name
    raw = await request.body()
    if content_type == JSON:
        value = bodies.parse_model(raw, model)
        return Posted(is_json=True, given={}, value=value)
    if content_type != FORM:
        raise problems.unsupported(FORM, JSON)
    given = _fields(raw, model)
    try:
        return Posted(is_json=False, given=given, value=model.model_validate(_nested(given)))
    except ValidationError as error:
        return Posted(is_json=False, given=given, errors=_sentences(error, words or {}))


def described(model: type[BaseModel]) -> dict[str, Any]:
    """For a route's `openapi_extra`: the model in JSON, or the same in a form."""
    schema = model.model_json_schema(ref_template=REF)
    return {"requestBody": {"required": True, "content": {JSON: {"schema": schema}, FORM: {}}}}


def _fields(raw: bytes, model: type[BaseModel]) -> dict[str, Any]:
    try:
        pairs = parse_qsl(
            raw.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(raw),
            errors="strict",
            max_num_fields=MOST_FIELDS,
        )
    except ValueError:
        detail = f"The form can't be read: it must be URL-encoded UTF-8 with at most {MOST_FIELDS} fields."
        raise problems.malformed(detail) from None
    lists = _list_names(model)
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in lists:
            found.setdefault(name, []).extend([value] if value else [])
        elif found.get(name):
            raise problems.malformed("A field that takes one value is there twice.")
        else:
            found[name] = value
    return found


def _list_names(model: type[BaseModel], prefix: str = "") -> set[str]:
    found: set[str] = set()
    for name, info in model.model_fields.items():
        for part in _parts(info.annotation):
            if get_origin(part) in (list, tuple, set, frozenset):
                found.add(prefix + name)
            elif isinstance(part, type) and issubclass(part, BaseModel):
                found |= _list_names(part, f"{prefix}{name}.")
    return found


def _parts(annotation: Any) -> tuple[Any, ...]:  # noqa: ANN401 - annotations have no common type
    """The annotation itself, or the members of a union."""
    is_plain = isinstance(annotation, type) or get_origin(annotation) in (list, tuple, set, frozenset)
    return (annotation,) if is_plain else get_args(annotation)


def _nested(given: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, value in given.items():
        if value == "":
            continue
        *parents, last = name.split(".", maxsplit=3)
        node = tree
        for parent in parents:
            node = node.setdefault(parent, {})
            if not isinstance(node, dict):
                raise problems.malformed("A field is there as a value and as an object.")
        if isinstance(node.get(last), dict):
            raise problems.malformed("A field is there as a value and as an object.")
        node[last] = value
    return tree


def _sentences(error: ValidationError, words: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in error.errors(include_url=False, include_input=False):
        name = plain.field(item["loc"])
        found.setdefault(name, words.get(name) or _readable(name, plain.sentence(item)))
    return found


def _readable(name: str, sentence: str) -> str:
    if i18n.present().locale != "en":  # pydantic's rules have no other words: which field it is stands beside it
        return gettext("This is missing, or is not what is asked for here. Look at it again")
    label = name.rpartition(".")[2].replace("_", " ")
    text = f"{label} {sentence}" if label else sentence
    return text[:1].upper() + text[1:]
