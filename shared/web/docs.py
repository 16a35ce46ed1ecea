"""The `/docs` page: routes, fields and keys from the OpenAPI document, without a script or another host."""

from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI

from shared.web import health, pages

_METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True, slots=True)
class Field:
    """One line of a table: a parameter or a part of a body."""

    name: str
    kind: str
    required: bool
    note: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One route with one method."""

    anchor: str
    method: str
    path: str
    summary: str
    description: str
    key_of: tuple[str, ...]
    """The kinds of tenant that may call; none: it needs no key."""
    parameters: tuple[Field, ...]
    body: tuple[Field, ...]
    body_types: tuple[str, ...]
    body_note: str
    success: str
    answer: tuple[Field, ...]
    others: tuple[tuple[str, str], ...]
    """Other answers that the route tells of itself: code and description."""


def page(app: FastAPI) -> bytes:
    """The documentation of everything in the application's schema."""
    shown = operations(app.openapi())
    return bytes(pages.SHARED.render("docs.html", title=app.title, version=app.version, operations=shown).body)


def operations(document: dict[str, Any]) -> list[Operation]:
    """What an OpenAPI document offers, in its order, health and metrics last."""
    found = [
        (method, path, item[method])
        for path, item in document.get("paths", {}).items()
        for method in _METHODS
        if method in item
    ]
    found.sort(key=lambda one: health.TAG in one[2].get("tags", ()))
    return [_operation(document, *one) for one in found]


def _operation(document: dict[str, Any], method: str, path: str, item: dict[str, Any]) -> Operation:
    content = item.get("requestBody", {}).get("content", {})
    responses = item.get("responses", {})
    success = next((code for code in responses if code.startswith("2")), "")
    answer = responses.get(success, {}).get("content", {})
    return Operation(
        anchor=item.get("operationId", f"{method}-{path}"),
        method=method.upper(),
        path=path,
        summary=item.get("summary", ""),
        description=item.get("description", ""),
        key_of=tuple(kind for one in item.get("security", []) for kinds in one.values() for kind in kinds),
        parameters=tuple(
            Field(f"{one['name']} ({one['in']})", _kind(one.get("schema", {})), one.get("required", False), _note(one))
            for one in item.get("parameters", [])
        ),
        body=tuple(_fields(document, _schema(content))),
        body_types=tuple(content),
        body_note=item.get("requestBody", {}).get("description", ""),
        success=success,
        answer=tuple(_fields(document, _schema(answer))),
        others=tuple(
            (code, one.get("description", ""))
            for code, one in sorted(responses.items())
            if code != success and code.isdigit()
        ),
    )


def _schema(content: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = next((media["schema"] for media in content.values() if "schema" in media), {})
    return found


def _fields(document: dict[str, Any], schema: dict[str, Any], prefix: str = "", depth: int = 0) -> list[Field]:
    """The fields of an object and of the objects in it, dotted, to a depth that no loop exceeds."""
    schema = _resolved(document, schema)
    if schema.get("type") == "array":
        return _fields(document, schema.get("items", {}), prefix or "[].", depth)
    found: list[Field] = []
    for name, part in schema.get("properties", {}).items():
        found.append(Field(prefix + name, _kind(part), name in schema.get("required", ()), _note(part)))
        inner = next((one for one in _inner(part) if "$ref" in one), None)
        if inner is not None and depth < 3:
            mark = "[]." if part.get("type") == "array" else "."
            found += _fields(document, inner, f"{prefix}{name}{mark}", depth + 1)
    return found


def _inner(part: dict[str, Any]) -> list[dict[str, Any]]:
    return [part, part.get("items", {}), *part.get("anyOf", []), *part.get("allOf", [])]


def _resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    reference = schema.get("$ref", "")
    found: dict[str, Any] = document.get("components", {}).get("schemas", {}).get(reference.rpartition("/")[2], schema)
    return found


def _kind(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_kind(part) for part in schema["anyOf"]))
    if "enum" in schema:
        return " or ".join(f"“{value}”" for value in schema["enum"])
    if "const" in schema:
        return f"“{schema['const']}”"
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    if "$ref" in schema:
        return "object"
    return str(schema.get("format") or schema.get("type", "anything"))


def _note(part: dict[str, Any]) -> str:
    schema = part.get("schema", part)
    inner: dict[str, Any] = next((one for one in schema.get("anyOf", []) if one.get("type") != "null"), {})
    said = [str(part.get("description") or schema.get("description") or inner.get("description") or "")]
    if "maxLength" in schema:
        said.append(f"At most {schema['maxLength']} characters.")
    if schema.get("default") not in (None, [], {}, ""):
        said.append(f"Without it: {schema['default']}.")
    return " ".join(one for one in said if one)
