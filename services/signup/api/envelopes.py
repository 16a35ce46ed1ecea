"""CloudEvents 1.0 as senders and whatever lies between write them: JSON format and binary mode, made one object.

The object has our attributes and `data`; `CloudEventIn` judges it. Attributes that others added are passed over (core
specification, "Extension Context Attributes"). What each rule stands on is in docs/cloudevents.md.
"""

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from shared.media_types import media_type
from shared.web import bodies, problems
from shared.web.problems import Problem

KNOWN = frozenset({"specversion", "id", "source", "type", "time", "subject", "datacontenttype", "dataschema", "data"})
_MOST_ATTRIBUTES = 200
"""What brokers and tracing add is a handful."""
_NAME = re.compile(r"[a-z0-9]+")
_PREFIX = b"ce-"
_NOT_ENCODED = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Envelope:
    """One event, before it is judged."""

    event: object
    """As the JSON format has it, without extensions and `data_base64`; anything at all where that is no object."""
    extensions: tuple[str, ...] = ()
    is_binary: bool = False
    """Its attributes came as headers."""


def from_json(given: object) -> Envelope:
    """An event in the JSON format; a 422 problem when its `data_base64` can't be read."""
    if not isinstance(given, dict):
        return Envelope(given)
    if len(given) > _MOST_ATTRIBUTES:
        raise problems.malformed(f"An event has at most {_MOST_ATTRIBUTES} attributes, extensions among them.")
    extensions = tuple(name for name in given if name not in KNOWN and _NAME.fullmatch(name))
    event = {name: value for name, value in given.items() if name in KNOWN or not _NAME.fullmatch(name)}
    packed = event.pop("data_base64", None)
    if packed is not None:
        if event.get("data") is not None:
            raise _wrong("body", "data_base64", "must not stand beside `data`")
        event["data"] = _unpacked(packed)
    return Envelope(event, extensions)


def from_headers(headers: Iterable[tuple[bytes, bytes]], raw: bytes) -> Envelope:
    """An event in binary mode: `ce-` headers, and `data` as the body; a 422 problem that names a header that can't be read.

    Its `ce-` headers are all that is judged: any other header is HTTP's own.
    """
    event: dict[str, Any] = {}
    extensions = []
    for header, value in headers:
        name = header.removeprefix(_PREFIX).decode("latin-1") if header.startswith(_PREFIX) else None
        if header == b"content-type":
            event["datacontenttype"] = value.decode("latin-1")
        elif name is None or name in ("data", "datacontenttype"):  # these have places of their own
            continue
        elif name in event:
            raise _wrong("header", f"ce-{name}", "must stand there once")
        elif name in KNOWN:
            event[name] = _decoded(name, value)
        elif not _NAME.fullmatch(name):
            raise _wrong("header", f"ce-{name}", "is no name of an attribute: the standard allows a to z and 0 to 9")
        else:
            extensions.append(name)
    return Envelope({**event, "data": bodies.parse_json(raw)}, tuple(extensions), is_binary=True)


def in_body(error: Mapping[str, Any]) -> Mapping[str, Any]:
    """A model's error with the place it has in the event."""
    return {**error, "loc": ("body", *error["loc"])}


def in_header(error: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same in binary mode, where attributes are headers."""
    name = error["loc"][0] if error["loc"] else None
    if name not in KNOWN - {"data"}:
        return in_body(error)
    return {**error, "loc": ("header", "content-type" if name == "datacontenttype" else f"ce-{name}")}


def json_in_utf8(value: str) -> str:
    """A `datacontenttype` that names JSON; ValueError for anything else. Parameters and case do not count."""
    kind = media_type(value)
    if not kind.is_json:
        raise ValueError("must be application/json: nothing else is read")
    if not kind.is_in_utf8:
        raise ValueError("must name no charset but utf-8")
    return value


def _unpacked(packed: object) -> object:
    if not isinstance(packed, str):
        raise _wrong("body", "data_base64", "must be text")
    try:
        raw = base64.b64decode(packed, validate=True)
    except ValueError:
        raise _wrong("body", "data_base64", "must be base64 (RFC 4648, section 4)") from None
    try:
        return bodies.parse_json(raw)
    except Problem:
        raise _wrong("body", "data_base64", "must hold JSON in UTF-8") from None


def _decoded(name: str, value: bytes) -> str:
    """HTTP protocol binding, 3.1.3.2: quotes are taken off, then percent-encoding, once."""
    if len(value) > 1 and value.startswith(b'"') and value.endswith(b'"'):
        value = _ESCAPED.sub(rb"\1", value[1:-1])
    if _NOT_ENCODED.search(value):
        raise _wrong("header", f"ce-{name}", "must have two hexadecimal digits after each %, as in %20 or %25")
    try:
        return unquote_to_bytes(value).decode("utf-8")
    except UnicodeDecodeError:
        raise _wrong("header", f"ce-{name}", "must be UTF-8 once its percent-encoding is undone") from None


def _wrong(place: str, name: str, why: str) -> Problem:
    return problems.invalid([{"loc": (place, name), "type": "value_error", "ctx": {"error": ValueError(why)}}])
