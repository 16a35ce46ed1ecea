"""Makes the OpenAPI document whole."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI

REF = "#/components/schemas/{model}"
"""The `ref_template` for the schema of a body that a route describes itself (`openapi_extra`)."""


def install(app: FastAPI) -> None:
    """What self-described bodies define (`$defs`) lies with the other components, where their `REF`s point."""
    made = app.openapi

    def whole() -> dict[str, Any]:
        document = made()
        for schema in _own_schemas(document):
            document.setdefault("components", {}).setdefault("schemas", {}).update(schema.pop("$defs", {}))
        return document

    app.openapi = whole  # type: ignore[method-assign]  # FastAPI's documented way to extend the document


def _own_schemas(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for item in document.get("paths", {}).values():
        for operation in item.values():
            for media in operation.get("requestBody", {}).get("content", {}).values():
                yield media.get("schema", {})
