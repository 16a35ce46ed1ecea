"""The HTTP server of a process: told to stop, it drains before it closes, so that no caller meets a closed door."""

import time
from collections.abc import Callable
from datetime import timedelta
from types import FrameType

import uvicorn
from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

KEEP_ALIVE = timedelta(seconds=75)
"""An idle connection is closed by whoever calls, never by us under a request on its way: longer than the 60 s that
nginx and AWS' load balancers keep theirs."""


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
        when_told: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                access_log=False,
                log_config=None,
                server_header=False,
                timeout_keep_alive=int(KEEP_ALIVE.total_seconds()),
                timeout_graceful_shutdown=int(stop_within.total_seconds()),
            )
        )
        self._drain_for = drain_for
        self._when_told = when_told
        self._told: float | None = None

    def is_stopping(self) -> bool:
        """Whether the process was told to stop, or has to."""
        return self._told is not None or self.should_exit

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain at the first signal; at the second, stop."""
        if not self.is_stopping():
            self._when_told()
        if self._told is None and self._drain_for and self.started and not self.should_exit:
            self._captured_signals.append(sig)  # raised again at the end, as uvicorn does
            self._told = time.monotonic()
        else:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Whether to stop now; asked ten times a second."""
        if self._told is not None:
            drained = time.monotonic() - self._told >= self._drain_for.total_seconds()
            self.should_exit = self.should_exit or drained
        return await super().on_tick(counter)


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
