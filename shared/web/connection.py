"""One connection of a caller: how much of a request it may send unread, how long it may take, and whose place it gives up.

uvicorn parses with httptools, which bounds neither the size nor the time of a request's head (nor has uvicorn a setting for
it there), and counts connections only once a request has come. So the protocol is extended here, for which its version is
pinned; what it does itself stays its own.
"""

import asyncio
import json
from http import HTTPStatus
from typing import Any, cast

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from shared import metrics
from shared.web import budgets, problems
from shared.web.http_limits import HttpLimits
from shared.web.problems import Problem

_REST_IS_READ_FOR = 2.0
"""Seconds in which what still comes is thrown away: who writes when we close may lose the answer (RFC 9112, 9.6)."""
_MOST_AHEAD = 16
"""Requests that a caller may send before the first is answered."""
_REASONS = ("connections", "head_late", "head_large", "body_late", "ahead", "malformed", "not_read")


class Connections(ServerState):
    """All connections of a server; those that wait for their caller can make room, the longest first."""

    def __init__(self, limits: HttpLimits) -> None:
        super().__init__()
        self.limits = limits
        self.waiting: dict[Connection, None] = {}
        for reason in _REASONS:
            metrics.HTTP_REFUSED.labels(reason)

    def make_room(self) -> None:
        """Close who has waited longest if there are too many; the newest, when all others are being answered."""
        if len(self.connections) > self.limits.connections and self.waiting:
            next(iter(self.waiting)).leave_for_another()


class _RefusedError(Exception):
    """Ends the parsing of a request, with an answer; httptools passes it on as the cause of its own error."""

    def __init__(self, problem: Problem, reason: str) -> None:
        super().__init__(reason)
        self.problem, self.reason = problem, reason


class Connection(HttpToolsProtocol):
    """A connection with limits: a head that is too late is a 408 and one too large a 431, and both end it.

    So do a body that does not end, and a caller that takes nothing of its answer. The time of a body whose request waits for
    it is `Limits`' to judge.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._all = cast(Connections, server_state)
        self._limits = self._all.limits
        self._head_timer: asyncio.TimerHandle | None = None
        self._body_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._end_timer: asyncio.TimerHandle | None = None
        self._in_head = self._in_body = self._is_over = False
        self._heads = self._head_size = self._lines_size = 0

    # -- what the transport tells ----------------------------------------------------------------------------------
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """A caller is there; its first request has to come in time."""
        super().connection_made(transport)
        metrics.HTTP_CONNECTIONS.inc()
        self._all.waiting[self] = None
        self._await_head()
        self._all.make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing of it stays."""
        metrics.HTTP_CONNECTIONS.dec()
        self._all.waiting.pop(self, None)
        for timer in (self._head_timer, self._body_timer, self._write_timer, self._end_timer):
            if timer is not None:
                timer.cancel()
        self._is_over = True
        super().connection_lost(exc)
        self._unset_keepalive_if_required()

    def data_received(self, data: bytes) -> None:
        """Read on, as far as the limits allow."""
        if self._is_over:
            return
        self._unset_keepalive_if_required()
        is_all_head, heads = not self._in_body, self._heads
        if is_all_head and self in self._all.waiting:
            self._await_head()  # behind a request in hand, an empty line is no head (RFC 9112, 2.2)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # nothing is offered; the request is answered as it is
        except httptools.HttpParserError as error:
            self._refuse(error)
            return
        if self._in_head:
            self._await_head()
            # Of a piece that another request ended in, the head's share is not known: it is let through.
            self._head_size += len(data) if is_all_head and heads == self._heads else 0
            if self._head_size > self._limits.head_bytes:
                self._give_up(_head_too_large(self._limits.head_bytes), "head_large")
        elif self._in_body:
            self._await_body()
        elif self in self._all.waiting and self._head_timer is None and self.timeout_keep_alive_task is None:
            # The rest of a body whose request was answered long ago: uvicorn would keep the connection for ever.
            seconds = self.timeout_keep_alive
            self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def pause_writing(self) -> None:
        """The caller takes less than it is sent."""
        super().pause_writing()
        self._write_timer = self.loop.call_later(self._limits.write_within.total_seconds(), self._takes_nothing)

    def resume_writing(self) -> None:
        """The caller takes its answer."""
        super().resume_writing()
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    # -- what the parser finds -------------------------------------------------------------------------------------
    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._in_head = True
        self._head_size = self._lines_size = 0

    def on_url(self, url: bytes) -> None:
        """A part of its address."""
        self._count(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A line of its head; one behind a body in chunks counts too, and is nothing that we read (RFC 9110, 6.5.1)."""
        self._count(name, value)
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """It is in hand from now on."""
        if len(self.pipeline) >= _MOST_AHEAD:
            raise _RefusedError(_too_far_ahead(), "ahead")
        self._heads += 1
        self._in_head, self._in_body = False, True
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        self._all.waiting.pop(self, None)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Its body is whole."""
        self._in_body = False
        if self._body_timer is not None:
            self._body_timer.cancel()
            self._body_timer = None
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """It is answered: the next one that was sent ahead is in hand, or the connection waits again."""
        if not self.pipeline:
            self._all.waiting[self] = None
        super().on_response_complete()

    # -- what is enough --------------------------------------------------------------------------------------------
    def leave_for_another(self) -> None:
        """Make room: whoever has begun to ask is told, an idle connection is closed as at its time."""
        metrics.HTTP_REFUSED.labels("connections").inc()
        has_asked = self._heads > 0 and not self._in_head
        if not (has_asked or self._is_over):
            self._write(budgets.busy())
        self._is_over = True
        self.transport.close()
        self._all.waiting.pop(self, None)
        self.connections.discard(self)

    def _await_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self._limits.head_within.total_seconds(), self._head_is_late)

    def _await_body(self) -> None:
        if self._body_timer is None:
            self._body_timer = self.loop.call_later(self._limits.body_within.total_seconds(), self._body_is_late)

    def _head_is_late(self) -> None:
        seconds = f"{self._limits.head_within.total_seconds():g}"
        if self._in_head:
            detail = (
                f"The request line and the headers did not arrive within {seconds} seconds. Send the request again."
            )
            self._give_up(Problem(408, "Request timeout", detail), "head_late")
        else:
            self._give_up(None, "head_late")

    def _body_is_late(self) -> None:
        if self in self._all.waiting:
            self._give_up(None, "body_late")
        else:
            self.cycle.keep_alive = False  # `Limits` has judged it, or does so now

    def _takes_nothing(self) -> None:
        metrics.HTTP_REFUSED.labels("not_read").inc()
        self.transport.abort()

    def _count(self, *parts: bytes) -> None:
        self._lines_size += sum(len(part) + 2 for part in parts)
        if self._lines_size > self._limits.head_bytes:
            raise _RefusedError(_head_too_large(self._limits.head_bytes), "head_large")

    def _refuse(self, error: httptools.HttpParserError) -> None:
        cause = error.__context__
        if isinstance(cause, _RefusedError):
            self._give_up(cause.problem, cause.reason)
        else:
            detail = "This is not a request as HTTP/1.1 has it. See what the program or proxy that sent it has written."
            self._give_up(problems.malformed(detail), "malformed")

    def _give_up(self, problem: Problem | None, reason: str) -> None:
        """End the connection: with an answer where one can still be given, and time for the caller to read it."""
        metrics.HTTP_REFUSED.labels(reason).inc()
        self._is_over = True
        is_in_hand = self not in self._all.waiting
        if is_in_hand and not self._in_body and reason != "ahead":
            self.cycle.keep_alive = False  # it is about the next head: what is in hand is answered, and is the last
            return
        if problem is None or (is_in_hand and (self.pipeline or self.cycle.response_started)):
            self.transport.close()
            return
        if is_in_hand:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            self._all.waiting[self] = None
        self._write(problem)
        self.transport.write_eof()
        self._end_timer = self.loop.call_later(_REST_IS_READ_FOR, self.transport.close)

    def _write(self, problem: Problem) -> None:
        content = json.dumps(problem.body()).encode()
        lines = [
            b"HTTP/1.1 %d %s" % (problem.status, HTTPStatus(problem.status).phrase.encode()),
            *(name + b": " + value for name, value in self.server_state.default_headers),
            b"content-type: " + problems.MEDIA_TYPE.encode(),
            b"content-length: %d" % len(content),
            *(f"{name.lower()}: {value}".encode() for name, value in problem.headers.items()),
            b"cache-control: no-store",
            b"x-content-type-options: nosniff",
            b"connection: close",
        ]
        self.transport.write(b"\r\n".join(lines) + b"\r\n\r\n" + content)


def _head_too_large(most: int) -> Problem:
    return Problem(
        431,
        "Request header fields too large",
        f"The request line and the headers may have at most {most} bytes together. Send fewer or shorter headers.",
        type=problems.kind("head-too-large"),
    )


def _too_far_ahead() -> Problem:
    detail = f"More than {_MOST_AHEAD} requests came before the first was answered. Wait for answers, or use more connections."
    return Problem(429, "Too many requests ahead", detail, type=problems.kind("too-many-at-once"))
