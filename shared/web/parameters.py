"""Query parameters that a route does not know are refused: a slip such as `cursor` for `after` would go unseen.

Not on a page that people open: mail programs and their scanners put parameters of their own at the end of a link.
"""

from collections.abc import Iterator

from fastapi import Request
from fastapi.dependencies.models import Dependant

from shared.web import gates
from shared.web.problems import MOST_ERRORS, invalid
from shared.web.routes import dependant_of, is_page

_API = "/v1/"


async def refuse_unknown(request: Request) -> None:
    """A 422 that names the parameters which this route of the API does not have, and those that it has; first the key counts."""
    gates.pass_all(request.scope)
    if not request.scope["query_string"]:
        return
    dependant = dependant_of(request.scope)
    if dependant is None or not request.scope["path"].startswith(_API) or is_page(request.scope):
        return
    known = sorted(set(_names(dependant)))
    unknown = sorted(set(request.query_params) - set(known))
    if unknown:
        error = ValueError(f"is not a parameter here; known: {', '.join(known) or 'none'}")
        named = unknown[: MOST_ERRORS + 1]
        raise invalid([{"loc": ("query", name), "type": "value_error", "ctx": {"error": error}} for name in named])


def _names(dependant: Dependant) -> Iterator[str]:
    yield from (parameter.alias for parameter in dependant.query_params)
    for below in dependant.dependencies:
        yield from _names(below)
