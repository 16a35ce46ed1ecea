"""A name for each request, in its answer, in its log lines and in what it is told: how two sides speak of the same one."""

import re
import uuid

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = "X-Request-Id"
_RAW = HEADER.lower().encode()
_KEY = "fairpool.request_id"
# A UUID, with or without dashes: nginx, Envoy and traces write these. In a freer form a client could bring a name or an
# email into the log.
_WELL_FORMED = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def request_id(scope: Scope) -> str | None:
    """The request's name; None outside of a request."""
    found: str | None = scope.get(_KEY)
    return found


def forget() -> None:
    """What goes on after the request, for others too, does not log under its name."""
    structlog.contextvars.unbind_contextvars("request_id")


class RequestIds:
    """Takes over a well-formed `X-Request-Id`, or makes one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on under its name."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = next((value for header, value in scope["headers"] if header == _RAW), b"").decode("latin-1").strip()
        name = scope[_KEY] = given if _WELL_FORMED.fullmatch(given) else str(uuid.uuid4())

        async def naming(message: Message) -> None:
            if message["type"] == "http.response.start":
                others = (pair for pair in message.get("headers", ()) if pair[0] != _RAW)
                message["headers"] = [*others, (_RAW, name.encode())]
            await send(message)

        bound = structlog.contextvars.bind_contextvars(request_id=name)
        try:
            await self._app(scope, receive, naming)
        finally:
            structlog.contextvars.reset_contextvars(**bound)
