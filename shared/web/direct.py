"""Routes of hot paths: their function is called with the request and the names in its path, and nothing general around it.

FastAPI finds out for each request anew what each parameter and dependency of a route is, and validates what our own function
has made: as much work again as reading a webhook. How a route is found, guarded, limited, described and refused stays the same.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.types import Receive, Scope, Send

from shared.web.routes import dependant_of

_Call = Callable[[Request], Awaitable[object]]


class DirectRoute(APIRoute):
    """Takes a coroutine function of the request and of texts in the path, which returns a model; an `APIRouter`'s `route_class`.

    TypeError for one that asks for more (a body, a query, a dependency with parameters): nothing here would give it that.
    """

    def __init__(self, path: str, endpoint: Callable[..., Awaitable[BaseModel]], **kind: Any) -> None:  # noqa: ANN401 - FastAPI's own
        super().__init__(path, endpoint, **kind)
        self._asks: Sequence[_Call] | None = None
        named = _request_of(self.dependant, in_path=True)
        if named is None:
            raise TypeError("expected a function that takes the request")
        self._named = named

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, once the route was found; its dependencies are asked as FastAPI would, in their order."""
        if scope["method"] not in (self.methods or ()):
            await super().handle(scope, receive, send)  # a 405
            return
        if self._asks is None:  # the application's own are known once it is put together
            found = dependant_of(scope)
            self._asks = [*map(_call, found.dependencies)] if found is not None else []
        request = Request(scope, receive, send)
        for ask in self._asks:
            await ask(request)
        answer: BaseModel = await self.endpoint(**{self._named: request}, **request.path_params)
        content = answer.model_dump_json(exclude_none=self.response_model_exclude_none)
        await Response(content, media_type="application/json")(scope, receive, send)


def _call(dependency: Dependant) -> _Call:
    asked, name = dependency.call, _request_of(dependency)
    if asked is None or dependency.dependencies:
        raise TypeError("expected a dependency of a direct route to have none of its own")
    return asked if name is not None else lambda _: asked()


def _request_of(dependant: Dependant, *, in_path: bool = False) -> str | None:
    """The name by which the request is taken; TypeError where anything else is."""
    others = (dependant.query_params, dependant.header_params, dependant.cookie_params, dependant.body_params)
    path = [] if in_path else dependant.path_params
    if any(others) or path or any(field.field_info.annotation is not str for field in dependant.path_params):
        raise TypeError("expected a direct route to take the request and texts in its path, and nothing else")
    return dependant.request_param_name
