"""The span of a request: a trace begins here, by route template; a path may hold a token."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared import tracing
from shared.web import routes

_OWN_BUSINESS = ("/health/", "/metrics")


class Traces:
    """Begins a trace with each request. A client's own `traceparent` is not taken up: what it holds is not ours to check."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on inside its span."""
        if scope["type"] != "http" or scope["path"].startswith(_OWN_BUSINESS):
            await self._app(scope, receive, send)
            return
        with tracing.span("request", "server") as span:
            status = 0

            async def noting(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                await send(message)

            try:
                await self._app(scope, receive, noting)
            finally:
                method, route = routes.method(scope), routes.template(scope)
                tracing.note(span, name=f"{method} {route}", method=method, route=route, status=status)
