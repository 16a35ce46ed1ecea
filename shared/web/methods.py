"""HEAD on whatever GET answers, and an Allow header that names every method of an address (RFC 9110, 9.3.2 and 10.2.1)."""

from starlette.datastructures import Headers
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class _AnsweredError(Exception):
    """The headers were all that was asked for."""


class Heads:
    """Answers HEAD with what GET would, without the body; no stream begins. GET changes nothing, so HEAD does not."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a HEAD on as a GET."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        ended = False

        async def without_body(message: Message) -> None:
            nonlocal ended
            if message["type"] == "http.response.start" and not ended:
                ended = "content-length" not in Headers(scope=message)
                await send(message)
                if ended:
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
                    raise _AnsweredError  # a stream: its first part is not made
            elif not ended and not message.get("more_body", False):
                await send({"type": "http.response.body", "body": b"", "more_body": False})

        inner = {**scope, "method": "GET"}
        try:
            await self._app(inner, receive, without_body)
        except Exception:
            if not ended:
                raise
        finally:
            scope.update({name: value for name, value in inner.items() if name != "method"})  # what routing found


def allowed(scope: Scope) -> str:
    """The methods of this address, as an Allow header has them."""
    asked = {
        name: value for name, value in scope.items() if name != "fastapi"
    }  # what routing has noted of this request
    routes = scope["app"].router.routes
    found = [
        method
        for method in _METHODS
        if any(route.matches({**asked, "method": method})[0] is Match.FULL for route in routes)
    ]
    if "GET" in found:
        found.insert(1, "HEAD")
    return ", ".join(found)
