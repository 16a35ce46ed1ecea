"""Ways out that any POST takes, whatever its body: a mail program that presses the button can't mend its request (RFC 8058)."""

from collections.abc import Mapping, Sequence

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.types import Scope

from shared.web import bodies, forms
from shared.web.problems import Problem

MULTIPART = "multipart/form-data"
MEDIA_TYPES = (forms.FORM, MULTIPART, forms.JSON)
_MOST_FIELDS = 20


def mark(app: FastAPI, prefix: str) -> None:
    """A POST below this path reaches its route also when its body is too long, too slow or no body at all: it counts as empty."""
    app.state.any_body = (*_marked(app), prefix)


def is_marked(scope: Scope) -> bool:
    """Whether the request is such a POST."""
    path: str = scope["path"]
    return scope["method"] == "POST" and path.startswith(_marked(scope.get("app")))


def _marked(app: object) -> tuple[str, ...]:
    found: tuple[str, ...] = getattr(getattr(app, "state", None), "any_body", ())
    return found


async def given(request: Request) -> Mapping[str, Sequence[object]]:
    """The fields of a form or of a JSON object, each with its values; none where the body can't be read."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        raw = await request.body()
        if content_type in (forms.FORM, MULTIPART):
            async with request.form(max_files=0, max_fields=_MOST_FIELDS) as form:
                return {name: form.getlist(name) for name in form}
        if content_type == forms.JSON or content_type.endswith("+json"):
            found = bodies.parse_json(raw)
            return {name: [value] for name, value in found.items()} if isinstance(found, dict) else {}
    except (Problem, HTTPException, ValueError):  # ValueError: a charset that is none, an escape that is broken
        return {}
    return {}
