"""The worst that can be sent to each route, made from what its OpenAPI says that it takes."""

import io
import json
import secrets
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.web import gates

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
ZIP = "application/zip"
MANY = {"/v1/events", "/v1/hooks/{format}/{source}", "/join/file", "/me/profile/file"}
"""They take lists of events, and what another's program writes."""
CHOICES = {"/me", "/confirm/{token}", "/profile/{token}", "/me/profile"}
"""They take 128 KiB: long lists, in any script."""
Schema = Mapping[str, Any]
Place = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Worst:
    """A body that no honest caller sends."""

    what: str
    content_type: str
    raw: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Operation:
    """A method of a path, as the OpenAPI describes it."""

    method: str
    path: str
    described: Schema
    schemas: Mapping[str, Schema]

    @property
    def name(self) -> str:
        """`POST /v1/pools`."""
        return f"{self.method} {self.path}"

    @property
    def kinds(self) -> Sequence[str]:
        """Whose key opens it; none where no key is asked for."""
        return next((scopes for needed in self.described.get("security", ()) for scopes in needed.values()), ())

    @property
    def content(self) -> Mapping[str, Schema]:
        """The schemas of its bodies by content type."""
        content: Mapping[str, Mapping[str, Schema]] = self.described.get("requestBody", {}).get("content", {})
        return {kind: media.get("schema", {}) for kind, media in content.items()}


def limit_of(operation: Operation) -> int:
    """How many bytes a body may have there."""
    if operation.path in MANY:
        return gates.BATCH_LIMIT
    if operation.path in CHOICES:
        return 128 * 1024
    return gates.BODY_LIMIT if operation.path.startswith("/v1/") else gates.PAGE_LIMIT


def operations(document: Mapping[str, Any]) -> Iterator[Operation]:
    """All that a service's OpenAPI has."""
    schemas = document.get("components", {}).get("schemas", {})
    for path, item in document["paths"].items():
        for method, described in item.items():
            yield Operation(method.upper(), path, described, schemas)


def bodies(operation: Operation, size: int) -> Iterator[Worst]:
    """For each content type that the operation takes, all that is worst for it, of so many bytes at most."""
    for kind, schema in operation.content.items():
        if kind == FORM:
            yield from _forms(size)
        elif kind == MULTIPART:
            yield from _parts(size)
        elif kind == ZIP:
            yield from _zips(size)
        else:
            for what, raw in _jsons(schema, operation.schemas, size):
                yield Worst(what, kind, raw)


def greenhouse(count: int = 200_000) -> Iterator[Worst]:
    """Webhooks whose parts no OpenAPI of ours describes, with so many entries."""

    def hook(what: str, **person: Any) -> Worst:
        payload = {"application": {"candidate": {"id": 1, **person}, "jobs": [{"name": "x" * 900}] * 300}}
        raw = json.dumps({"action": "new_candidate_application", "payload": payload})
        return Worst(what, "application/json", raw.encode())

    for name in ("email_addresses", "phone_numbers", "addresses", "employments"):
        yield hook(f"numbers in {name}", **{name: [1] * count})
        yield hook(f"nothing in {name}", **{name: [None] * (count // 2)})
        yield hook(f"objects in {name}", **{name: [{"value": {}}] * (count // 5)})
        yield hook(f"a long text in {name}", **{name: [{"value": ", CO" + " " * (count * 3) + "x"}], "id": {}})
    yield hook("numbers in tags", tags=[1] * count)


def fullest(schema: Schema, schemas: Mapping[str, Schema]) -> Any:
    """The longest value that a schema describes, in ASCII; where it sets no length, a short one."""
    values = [_fullest_of(variant, schemas) for variant in _variants(schema, schemas)]
    return max(values, key=lambda value: len(json.dumps(value)), default=None)


def _fullest_of(variant: Schema, schemas: Mapping[str, Schema]) -> Any:
    if "enum" in variant:
        return max(variant["enum"], key=lambda value: len(json.dumps(value)))
    match variant.get("type"):
        case "array":
            return [fullest(variant.get("items", {}), schemas)] * variant.get("maxItems", 1)
        case "object":
            return {name: fullest(part, schemas) for name, part in variant.get("properties", {}).items()}
        case "string":
            return "x" * variant.get("maxLength", 30)
        case "integer" | "number":
            return 1_000_000
        case _:
            return None


def batches(count: int = 1000) -> Iterator[Worst]:
    """Lists of so many events, each wrong in many places."""
    for what, event in {
        "events of nothing": {},
        "events of unknown fields": {f"X{number}": 1 for number in range(80)},
        "events of wrong skills": {"data": {"profile": {"skills": [1] * 200}}},
        "events of wrong emails": {"data": {"person": {"emails": ["x" * 60] * 10}}},
    }.items():
        raw = json.dumps([event] * count, separators=(",", ":"))
        yield Worst(what, "application/cloudevents-batch+json", raw.encode())


def _filled(piece: bytes, size: int, *, begin: bytes = b"[", end: bytes = b"]", between: bytes = b",") -> bytes:
    count = max((size - len(begin) - len(end)) // (len(piece) + len(between)), 1)
    return begin + between.join([piece] * count) + end


def _jsons(schema: Schema, schemas: Mapping[str, Schema], size: int) -> Iterator[tuple[str, bytes]]:
    yield "numbers alone", _filled(b"1", size)
    yield "empty lists alone", _filled(b"[]", size)
    yield "small objects alone", _filled(b'{"":0}', size)
    yield "unknown fields", _fields(size)
    yield "one field again and again", _filled(b'"a":1', size, begin=b"{", end=b"}")
    yield "lists in lists", b"[" * size
    yield "lists in lists, as deep as can be read", b"[" * 900 + b"]" * 900
    yield "objects in objects", b'{"a":' * (size // 5)
    yield "one number", b"1" * size
    yield "a number that can be read", b"1" * 4000
    yield "one text", b'"' + b"x" * (size - 2) + b'"'
    yield "no UTF-8", b'{"a":"' + b"\xff" * (size - 8) + b'"}'
    yield "a text that has no end", b'"' + b"\\\\" * (size // 2 - 1)
    for place, kind in _places(schema, schemas):
        for what, inner in _inner(kind, size - 200):
            yield f"{what} in {'/'.join(place) or 'the whole'}", _at(place, inner)


def _inner(kind: str, room: int) -> Iterator[tuple[str, bytes]]:
    """What is put where a list, an object, a text or a number is expected, of so many bytes as can be."""
    if kind == "array":
        yield "numbers", _filled(b"1", room)
        yield "objects", _filled(b'{"":0}', room)
    elif kind == "object":
        yield "unknown fields", _fields(room)
    elif kind == "string":
        yield "one text", b'"' + b"x " * (room // 2 - 1) + b'"'
        yield "numbers", _filled(b"1", room)
    elif kind in ("integer", "number"):
        yield "a huge number", b"9" * 4000
        yield "a number beyond all", b"1e999"


def _fields(size: int) -> bytes:
    return b"{" + b",".join(b'"%06d":1' % number for number in range((size - 2) // 11)) + b"}"


def _at(place: Place, inner: bytes) -> bytes:
    """The JSON with `inner` at a place; `*` is the first entry of a list."""
    begin, end = b"", b""
    for name in place:
        begin += b"[" if name == "*" else json.dumps({name: 0})[:-2].encode()
        end = (b"]" if name == "*" else b"}") + end
    return begin + inner + end


def _places(schema: Schema, schemas: Mapping[str, Schema], at: Place = ()) -> Iterator[tuple[Place, str]]:
    """Every place of a body, and what is expected there."""
    for variant in _variants(schema, schemas):
        kind = variant.get("type")
        if isinstance(kind, str) and kind not in ("null", "boolean"):
            yield at, kind
        if kind == "array":
            for place, inner in _places(variant.get("items", {}), schemas, (*at, "*")):
                if inner != "string":
                    yield place, inner
        for name, part in variant.get("properties", {}).items():
            yield from _places(part, schemas, (*at, name))


def _variants(schema: Schema, schemas: Mapping[str, Schema]) -> Iterator[Schema]:
    if "$ref" in schema:
        yield from _variants(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    elif "anyOf" in schema or "allOf" in schema:
        for variant in (*schema.get("anyOf", ()), *schema.get("allOf", ())):
            yield from _variants(variant, schemas)
    else:
        yield schema


def _forms(size: int) -> Iterator[Worst]:
    def form(what: str, raw: bytes) -> Worst:
        return Worst(what, FORM, raw)

    yield form("fields without end", _filled(b"a=1", size, begin=b"", end=b"", between=b"&"))
    yield form("thousands of names", b"&".join(b"f%d=1" % number for number in range(size // 8)))
    yield form("names as many as are read", b"&".join(b"f%d.a.b.c.d=1" % number for number in range(399)))
    yield form("one list again and again", b"&".join([b"purposes=x"] * 399))
    yield form("one value", b"name=" + b"x" * (size - 8))
    yield form("one value of escapes", b"name=" + b"%22" * ((size - 8) // 3))
    yield form("no UTF-8", b"name=" + b"%ff" * ((size - 8) // 3))
    yield form("no escape", b"%" * size)
    yield form("bytes", b"\xff\x00" * (size // 2))


def _parts(size: int) -> Iterator[Worst]:
    boundary = secrets.token_hex(8)
    kind = f"{MULTIPART}; boundary={boundary}"
    part = f'--{boundary}\r\nContent-Disposition: form-data; name="scope"\r\n\r\nx\r\n'.encode()
    end = f"--{boundary}--\r\n".encode()
    yield Worst("parts without end", kind, part * (size // len(part) - 1) + end)
    yield Worst("headers without end", kind, f"--{boundary}\r\n".encode() + b"A: b\r\n" * (size // 8))
    yield Worst("no boundary", MULTIPART, part)


def _zips(size: int) -> Iterator[Worst]:
    def zipped(what: str, content: bytes, *, level: int = 9, names: Sequence[str] = ("resume.json",)) -> Worst:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as archive:
            for name in names:
                archive.writestr(name, content)
        return Worst(what, ZIP, out.getvalue())

    bomb = zipped("a bomb", b" " * (size * 500))
    yield bomb
    yield zipped("a bomb in a bomb", bomb.raw, names=("inner.zip",))
    yield zipped("as many lists as are inflated", b"[" + b"[]," * 330_000 + b"[]]")
    yield zipped("as many objects as are inflated", b"[" + b'{"":0},' * 140_000 + b"0]")
    yield zipped("entries without end", b"", names=[f"{number:x}" for number in range(size // 100)])
    yield Worst("directory entries alone", ZIP, b"PK\x03\x04" + b"PK\x01\x02" * (size // 4 - 1))
    yield Worst("no zip", ZIP, b"PK\x03\x04" + b"\xff" * (size - 4))
    yield Worst("an end again and again", ZIP, b"PK\x03\x04" + b"PK\x05\x06" * (size // 4 - 1))
