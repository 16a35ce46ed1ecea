"""What every request passes: the access log, security headers and the last catch."""

import time
from functools import cache

import structlog
from prometheus_client import Counter, Histogram
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared import metrics
from shared.messaging.errors import is_transient
from shared.web import gates, problems, routes


def content_security_policy(*forms_lead_to: str) -> str:
    """What a page may load: nothing but its style and pictures from this host.

    Browsers hold a form to `form-action` also where its answer sends them on: another host has to be named.
    """
    return "; ".join(
        (
            "default-src 'none'",
            "style-src 'self'",
            "img-src 'self'",
            " ".join(("form-action 'self'", *forms_lead_to)),
            "base-uri 'none'",
            "frame-ancestors 'none'",
        )
    )


CONTENT_SECURITY_POLICY = content_security_policy()

_ALWAYS = {b"referrer-policy": b"same-origin", b"x-content-type-options": b"nosniff"}
"""`same-origin`, and not `no-referrer`: other hosts get no address of a page either way, and browsers write a true `Origin` into what our
own pages send (Fetch, "append a request Origin header"), by which those without `Sec-Fetch-Site` are known (`shared.web.holders`).
"""
_UNLESS_GIVEN = ((b"content-security-policy", CONTENT_SECURITY_POLICY.encode()), (b"cache-control", b"no-store"))
ARRIVED = "fairpool.arrived"
"""When a request's head was here, by `time.perf_counter`, in its scope."""
log = structlog.get_logger()


class AccessLog:
    """Logs and counts each answer by its route's template: a path may hold a token.

    The log names the tenant whose key, or signature, was shown and works: never the key, nor what else was sent as one.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and note what became of it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, started = 0, time.perf_counter()
        scope[ARRIVED] = started

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            _note(scope, status, time.perf_counter() - started)


def _note(scope: Scope, status: int, seconds: float) -> None:
    method, route = routes.method(scope), routes.template(scope)
    shown = str(status) if status else "none"  # none: the client left, or the process is stopping
    answers, took = _figures(method, route, shown)
    answers.inc()
    took.observe(seconds)
    if not route.startswith(("/health/", "/metrics")):
        tenant = gates.noted_tenant(scope)
        whose = {"tenant": tenant} if tenant is not None else {}
        log.info("http_request", method=method, route=route, status=shown, ms=round(seconds * 1000, 1), **whose)


@cache
def _figures(method: str, route: str, status: str) -> tuple[Counter, Histogram]:
    """The series of these: to find them costs as much as all else that is noted."""
    return metrics.HTTP_REQUESTS.labels(method, route, status), metrics.HTTP_REQUEST_SECONDS.labels(
        method, route, status
    )


class SecurityHeaders:
    """Gives each answer the headers that keep pages to this host and out of frames, caches and referrers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and complete the answer's headers; a route may set its own Cache-Control and policy."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def completing(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = [pair for pair in message.get("headers", ()) if pair[0] not in _ALWAYS]
                names = {name for name, _ in given}
                defaults = (pair for pair in _UNLESS_GIVEN if pair[0] not in names)
                message["headers"] = [*given, *_ALWAYS.items(), *defaults]
            await send(message)

        await self._app(scope, receive, completing)


class Boundary:
    """Turns what nobody caught into an answer and a log line, both without its words.

    A transient error (a server away or busy) is a 503, never a 4xx: some vendors drop an event for good on a 4xx, and mail
    providers repeat an unsubscribe on a 503. The rest is a 500.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; nothing is raised for the server to print."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answered = False

        async def noting(message: Message) -> None:
            nonlocal answered
            answered = True
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except ClientDisconnect:
            log.info("client_left", route=routes.template(scope))
        except Exception as error:
            transient = is_transient(error)
            log.exception("request_failed", route=routes.template(scope), transient=transient, exc_info=error)
            if not answered:
                problem = problems.unavailable() if transient else problems.unexpected()
                await problems.response(scope, problem)(scope, receive, send)
