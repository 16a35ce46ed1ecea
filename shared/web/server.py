"""The HTTP server of a process: told to stop, it drains before it closes, so that no caller meets a closed door."""

import asyncio
import contextlib
import resource
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from types import FrameType

import structlog
import uvicorn
from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.beats import until_beat
from shared.web.connection import Connection, Connections
from shared.web.http_limits import HttpLimits

KEEP_ALIVE = timedelta(seconds=75)
"""An idle connection is closed by whoever calls, never by us under a request on its way: longer than the 60 s that
nginx and AWS' load balancers keep theirs."""
_PROBED_AFTER = 30
_PROBES_EVERY = 10
_TICK, _TICK_DRAINING = timedelta(seconds=1), timedelta(milliseconds=100)
"""Between two looks at whether to stop, which nobody waits for who says so."""
_FILES_BESIDE_CONNECTIONS = 256
"""Of a process: to PostgreSQL, Kafka and Redis, logs, and what comes and goes."""

log = structlog.get_logger()


class Server(uvicorn.Server):
    """uvicorn, which goes on for `drain_for` after the first signal.

    Meanwhile it is not ready, new requests are answered, and each answer asks the caller to close its connection; whoever
    spreads requests has that time to notice. A second signal, or a failure of the process, ends the wait.
    """

    def __init__(
        self,
        app: FastAPI,
        *,
        host: str,
        port: int,
        drain_for: timedelta,
        stop_within: timedelta,
        limits: HttpLimits | None = None,
        trusted_proxies: Sequence[str] = (),
        when_told: Callable[[], None] = lambda: None,
        when_started: Callable[[], None] = lambda: None,
    ) -> None:
        limits = _with_files_for(limits or HttpLimits())
        self._looks = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._should_exit = False
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                http=Connection,
                ws="none",
                forwarded_allow_ips=list(trusted_proxies),
                access_log=False,
                log_config=None,
                server_header=False,
                timeout_keep_alive=int(KEEP_ALIVE.total_seconds()),
                timeout_graceful_shutdown=int(stop_within.total_seconds()),
            )
        )
        self.server_state = Connections(limits)
        self._limits = limits
        self._drain_for = drain_for
        self._when_told = when_told
        self._when_started = when_started
        self._told: float | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen; whoever vanishes without a word is noticed by the kernel, which gives up what nobody confirms.

        It comes later than our own time-out, which counts whoever is there and takes nothing.
        """
        await super().startup(sockets)
        for listener in (listener for server in self.servers for listener in server.sockets):
            with socket.socket(fileno=socket.dup(listener.fileno())) as same:  # uvloop's own has no options
                _notice_who_vanishes(same, 2 * self._limits.write_within)
        self._when_started()

    def is_stopping(self) -> bool:
        """Whether the process was told to stop, or has to."""
        return self._told is not None or self.should_exit

    @property
    def should_exit(self) -> bool:
        """Whether to end now; whoever says so is heard at once."""
        return self._should_exit

    @should_exit.setter
    def should_exit(self, value: bool) -> None:
        self._should_exit = value
        self._look_now()

    def _look_now(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._looks.set)  # also from a signal's handler

    async def main_loop(self) -> None:
        """Look once a second (answers carry a date), ten times while it drains, and at once when told; uvicorn itself looks ten
        times a second for as long as it lives."""
        self._loop = asyncio.get_running_loop()
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(until_beat(_TICK_DRAINING if self._told is not None else _TICK)):
                    await self._looks.wait()
            self._looks.clear()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain at the first signal; at the second, stop."""
        if not self.is_stopping():
            self._when_told()
        if self._told is None and self._drain_for and self.started and not self.should_exit:
            self._captured_signals.append(sig)  # raised again at the end, as uvicorn does
            self._told = time.monotonic()
            self._look_now()
        else:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Whether to stop now."""
        if self._told is not None:
            drained = time.monotonic() - self._told >= self._drain_for.total_seconds()
            self.should_exit = self.should_exit or drained
        return await super().on_tick(counter)


def _notice_who_vanishes(listener: socket.socket, within: timedelta) -> None:
    """Connections take these options over from their listener (tcp(7))."""
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _PROBED_AFTER)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _PROBES_EVERY)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(within.total_seconds() * 1000))


def _with_files_for(limits: HttpLimits) -> HttpLimits:
    """The limits, with no more connections than the process may open files: accepting fails for all when there are none."""
    wanted = limits.connections + _FILES_BESIDE_CONNECTIONS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return limits
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed == wanted:
        return limits
    log.warning("few_files", may_open=allowed, wanted=wanted)
    return replace(limits, connections=max(allowed - _FILES_BESIDE_CONNECTIONS, allowed // 2))


class Draining:
    """While the process stops, each answer is the last one on its connection (RFC 9112, 9.6)."""

    def __init__(self, app: ASGIApp, *, is_stopping: Callable[[], bool]) -> None:
        self._app = app
        self._is_stopping = is_stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and complete the answer's headers."""

        async def completing(message: Message) -> None:
            if message["type"] == "http.response.start" and self._is_stopping():
                MutableHeaders(scope=message)["Connection"] = "close"
            await send(message)

        await self._app(scope, receive, completing)
