"""Makes the OpenAPI document whole: what self-described bodies define, and what every route may answer."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI

from shared.web import problems

REF = "#/components/schemas/{model}"
"""The `ref_template` for the schema of a body that a route describes itself (`openapi_extra`)."""


_AWAY = "A server that we stand on is away: `Retry-After` says when to try again"
_JSON, _HTML = "application/json", "text/html"
_PROBLEM: dict[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "RFC 9457: what was expected, what was found and what to do.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "description": "Stable: programs may branch on it."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {
                    "pointer": {"type": "string", "description": "A JSON pointer to the field (RFC 6901)."},
                    "detail": {"type": "string"},
                    "in": {"enum": ["path", "query", "header", "cookie"]},
                },
            },
        },
        "request_id": {"type": "string", "description": "For a question to the operator."},
    },
}


def install(app: FastAPI) -> None:
    """What self-described bodies define (`$defs`) lies with the other components, where their `REF`s point.

    Each error is a problem, or on a page that a browser asked for another page; a page whose form may come as JSON is
    answered with JSON then.
    """
    made = app.openapi

    def whole() -> dict[str, Any]:
        document = made()
        document.setdefault("components", {}).setdefault("schemas", {})["Problem"] = _PROBLEM
        for operation in _operations(document):
            _name_answers(operation)
        for schema in _own_schemas(document):
            document.setdefault("components", {}).setdefault("schemas", {}).update(schema.pop("$defs", {}))
        return document

    app.openapi = whole  # type: ignore[method-assign]  # FastAPI's documented way to extend the document


def _operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for item in document.get("paths", {}).values():
        yield from item.values()


def _name_answers(operation: dict[str, Any]) -> None:
    answers: dict[str, dict[str, Any]] = operation.setdefault("responses", {})
    is_page = any(_HTML in answer.get("content", {}) for answer in answers.values())
    takes_json = _JSON in operation.get("requestBody", {}).get("content", {})
    answers.setdefault("503", {"description": _AWAY})
    for status, answer in answers.items():
        if status[0] in "45":
            content = answer.setdefault("content", {})
            content[problems.MEDIA_TYPE] = {"schema": {"$ref": REF.format(model="Problem")}}
            if is_page:
                content.setdefault(_HTML, {})
        elif is_page and status[0] == "2":
            content = answer.setdefault("content", {})
            if "$ref" in content.get(_HTML, {}).get("schema", {}):  # no page is a model
                content[_JSON] = content.pop(_HTML)
            content.setdefault(_HTML, {})
            if takes_json:
                content.setdefault(_JSON, {})


def _own_schemas(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for operation in _operations(document):
        for media in operation.get("requestBody", {}).get("content", {}).values():
            yield media.get("schema", {})
