"""The body of a request: read when its route asks for it and not before, and never more than the route may take."""

import asyncio
from datetime import timedelta

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.web import any_body, gates, problems

BODY_WITHIN = timedelta(seconds=10)
MOST_READ = 8 * gates.BATCH_LIMIT
"""Up to so many bytes a body that is too long is read and thrown away: who still writes when we close may lose the answer
(RFC 9112, 9.6)."""
_CLOSE = {"Connection": "close"}  # the rest of a body that we don't read would be taken for the next request


class Limits:
    """Reads the body when the route asks for it: once its gates have let the request pass, as much as the route takes
    (`gates.limit`), within 10 s. Refuses a path or query with U+0000.

    A body that is compressed is a 415 for the route that reads it: inflating would undo the limit. A way out that takes any
    POST (`any_body`) gets an empty body instead of all these. What a route does not ask for, the server throws away.
    """

    def __init__(self, app: ASGIApp, *, within: timedelta = BODY_WITHIN) -> None:
        self._app = app
        self._within = within

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its body to be read, or none, or answer 400, 408 or 413."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body(scope, receive, self._within)
        try:
            body.check_head()
            await self._app(scope, body.receive, body.noting(send))
        except problems.Problem as problem:
            if body.is_answered:
                raise
            await problems.response(scope, problem)(scope, receive, send)


class _Body:
    """One request's body, on its way to the route."""

    def __init__(self, scope: Scope, receive: Receive, within: timedelta) -> None:
        self._scope = scope
        self._receive = receive
        self._within = within
        self._is_given = False
        self._must_close = False
        self.is_answered = False

    def check_head(self) -> None:
        """A 400 or 413 for what can be told without a look at the body."""
        try:
            _check_address(self._scope)
            length = Headers(scope=self._scope).get("content-length", "0")
            if not (length.isascii() and length.isdigit()):
                raise problems.malformed("The Content-Length header is not a number.")
            if len(length) > 19 or int(length) > MOST_READ:
                raise _too_large(gates.BATCH_LIMIT)
        except problems.Problem:
            self._is_given = self._must_close = True
            if not any_body.is_marked(self._scope):
                raise

    async def receive(self) -> Message:
        """The whole body, once; then what the server says: a route that streams learns that its client has left."""
        if self._must_close:
            return {"type": "http.request", "body": b"", "more_body": False}
        if self._is_given or self.is_answered:
            return await self._receive()
        self._is_given = True
        try:
            gates.pass_all(self._scope)
            body = await self._read(gates.limit(self._scope))
        except problems.Problem:
            if not any_body.is_marked(self._scope):
                raise
            self._must_close = True
            body = b""
        if body and _is_compressed(self._scope):
            raise _compressed()
        return {"type": "http.request", "body": body, "more_body": False}

    def noting(self, send: Send) -> Send:
        """`send`, which ends the connection where a body was left on it."""

        async def noting(message: Message) -> None:
            self.is_answered = True
            if message["type"] == "http.response.start" and self._must_close:
                MutableHeaders(scope=message).update(_CLOSE)
            await send(message)

        return noting

    async def _read(self, limit: int) -> bytes:
        try:
            async with asyncio.timeout(self._within.total_seconds()):
                return await self._stream(limit)
        except TimeoutError:
            detail = f"The body did not arrive within {self._within.total_seconds():g} seconds. Send it again."
            raise problems.Problem(408, "Request timeout", detail, headers=_CLOSE) from None

    async def _stream(self, limit: int) -> bytes:
        body, size = bytearray(), 0
        is_more = True
        while is_more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            chunk, is_more = message.get("body", b""), message.get("more_body", False)
            size += len(chunk)
            if size <= limit:
                body += chunk
            elif size > MOST_READ:
                break
        if size > limit:
            raise _too_large(limit)
        return bytes(body)


def _check_address(scope: Scope) -> None:
    query: bytes = scope["query_string"]
    if "\x00" in scope["path"] or b"%00" in query or b"\x00" in query:
        raise problems.malformed("The address holds the character U+0000, which no id and no value has.")


def _too_large(limit: int) -> problems.Problem:
    detail = f"A body may have at most {limit} bytes here. Send less at once."
    return problems.Problem(413, "Content too large", detail, type=problems.kind("too-large"), headers=_CLOSE)


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
