"""What every request passes: the access log, security headers, the last catch, and the limits on its body."""

import asyncio
import time
from datetime import timedelta

import structlog
from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared import metrics
from shared.messaging.errors import is_transient
from shared.web import any_body, problems, routes

BODY_LIMIT = 1024 * 1024
BODY_WITHIN = timedelta(seconds=10)
_READ_ANYWAY = 8
"""Up to so many times the limit a body is read and thrown away: who still writes when we close may lose the answer (RFC 9112, 9.6)."""


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
_CLOSE = {"Connection": "close"}  # the rest of a body that we don't read would be taken for the next request

log = structlog.get_logger()


class AccessLog:
    """Logs and counts each answer by its route's template: a path may hold a token."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and note what became of it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, started = 0, time.perf_counter()

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
    metrics.HTTP_REQUESTS.labels(method, route, shown).inc()
    metrics.HTTP_REQUEST_SECONDS.labels(method, route, shown).observe(seconds)
    if not route.startswith(("/health/", "/metrics")):
        log.info("http_request", method=method, route=route, status=shown, ms=round(seconds * 1000, 1))


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
                headers = MutableHeaders(scope=message)
                headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
                headers["Referrer-Policy"] = "no-referrer"
                headers["X-Content-Type-Options"] = "nosniff"
                headers.setdefault("Cache-Control", "no-store")
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


class Limits:
    """Reads the body before the route runs: at most 1 MiB, within 10 s; refuses a path or query with U+0000.

    A body that is compressed is a 415 for the route that reads it: inflating would undo the limit. A way out that takes any
    POST (`any_body`) gets an empty body instead of all these.
    """

    def __init__(self, app: ASGIApp, *, limit: int = BODY_LIMIT, within: timedelta = BODY_WITHIN) -> None:
        self._app = app
        self._limit = limit
        self._within = within

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its whole body, or none, or answer 400, 408 or 413."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            body = await self._read(scope, receive)
        except problems.Problem as problem:
            if not any_body.is_marked(scope):
                await problems.response(scope, problem)(scope, receive, send)
                return
            await self._app(scope, _replay(b"", receive, None), _closing(send))
            return
        refused = _compressed() if body and _is_compressed(scope) else None
        await self._app(scope, _replay(body, receive, refused), send)

    async def _read(self, scope: Scope, receive: Receive) -> bytes:
        if "\x00" in scope["path"] or b"%00" in scope["query_string"]:
            raise problems.malformed("The address holds the character U+0000, which no id and no value has.")
        length = Headers(scope=scope).get("content-length", "0")
        if not (length.isascii() and length.isdigit()):
            raise problems.malformed("The Content-Length header is not a number.")
        if len(length) > 19 or int(length) > self._limit * _READ_ANYWAY:
            raise self._too_large()
        try:
            async with asyncio.timeout(self._within.total_seconds()):
                return await self._stream(Request(scope, receive))
        except TimeoutError:
            detail = f"The body did not arrive within {self._within.total_seconds():g} seconds. Send it again."
            raise problems.Problem(408, "Request timeout", detail, headers=_CLOSE) from None

    async def _stream(self, request: Request) -> bytes:
        body, size = bytearray(), 0
        async for chunk in request.stream():
            size += len(chunk)
            if size <= self._limit:
                body += chunk
            elif size > self._limit * _READ_ANYWAY:
                break
        if size > self._limit:
            raise self._too_large()
        return bytes(body)

    def _too_large(self) -> problems.Problem:
        detail = f"A body may have at most {self._limit} bytes. Send less at once."
        return problems.Problem(413, "Content too large", detail, type=problems.kind("too-large"), headers=_CLOSE)


def _closing(send: Send) -> Send:
    async def closing(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(_CLOSE)
        await send(message)

    return closing


def _is_compressed(scope: Scope) -> bool:
    codings = ",".join(Headers(scope=scope).getlist("content-encoding")).split(",")
    return any(coding.strip().lower() not in ("", "identity") for coding in codings)


def _compressed() -> problems.Problem:
    detail = (
        "The header Content-Encoding says that the body is compressed. Send the body as it is, without this header."
    )
    return problems.Problem(
        415,
        "Unsupported content coding",
        detail,
        type=problems.kind("content-encoding"),
        headers={"Accept-Encoding": "identity"},
    )


def _replay(body: bytes, receive: Receive, refused: problems.Problem | None) -> Receive:
    """The body once; who reads one that is refused is told why, and who needs none is not disturbed."""
    given = False

    async def replaying() -> Message:
        nonlocal given
        if given:
            return await receive()  # waits for the client to leave; an answer that streams needs to know
        given = True
        if refused is not None:
            raise refused
        return {"type": "http.request", "body": body, "more_body": False}

    return replaying
