"""What the routing of a request says about it: the route's template, and whether a page is expected."""

from fastapi.dependencies.models import Dependant
from fastapi.responses import HTMLResponse
from starlette.datastructures import Headers
from starlette.types import Scope

UNMATCHED = "unmatched"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def template(scope: Scope) -> str:
    """The path with its parameters' names (`/confirm/{token}`), never with their values; `unmatched` without a route."""
    found = _matched(scope)
    path = getattr(found, "path_format", None) or getattr(found, "path", None)
    return path if isinstance(path, str) else UNMATCHED


def method(scope: Scope) -> str:
    """The request's method, or `other`: a client may write any word there."""
    return scope["method"] if scope["method"] in _METHODS else "other"


def shows_pages(scope: Scope) -> bool:
    """Whether the answer is to be a page: a browser asks, and the route shows pages (or there is none, outside /v1/)."""
    if "text/html" not in Headers(scope=scope).get("accept", ""):
        return False
    found = _matched(scope)
    if found is None:
        return not str(scope.get("path", "")).startswith("/v1/")
    return is_page(scope)


def is_page(scope: Scope) -> bool:
    """Whether the route is one that people open in a browser, whoever asks now."""
    answer = getattr(_matched(scope), "response_class", None)
    return isinstance(answer, type) and issubclass(answer, HTMLResponse)


def dependant_of(scope: Scope) -> Dependant | None:
    """What the matched route takes in, as FastAPI has it; None where nothing of FastAPI's matched."""
    found = getattr(_matched(scope), "dependant", None)
    return found if isinstance(found, Dependant) else None


def _matched(scope: Scope) -> object | None:
    # FastAPI keeps the route of an included router, with its whole path, apart from the one that Starlette sets.
    context = scope.get("fastapi", {}).get("effective_route_context")
    found: object | None = context if context is not None else scope.get("route")
    return found
