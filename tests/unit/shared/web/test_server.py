"""What a caller meets while a process stops; the server is real, in a thread of its own."""

import signal
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta

import anyio
import httpx
import pytest

from shared.web.app import create_app
from shared.web.server import KEEP_ALIVE, Server
from tests.waiting import until

LONG = timedelta(seconds=60)


class Told:
    """A server that a test tells to stop, and a route that answers when the test lets it."""

    def __init__(self, drain_for: timedelta) -> None:
        self.entered, self.let_go, self.serves = threading.Event(), threading.Event(), threading.Event()
        self.app = create_app("Things", "things", ready=self._ready, is_stopping=lambda: self.server.is_stopping())
        self.app.get("/slow")(self._slow)
        self.server = Server(
            self.app, host="127.0.0.1", port=0, drain_for=drain_for, stop_within=LONG, when_started=self.serves.set
        )
        self.thread = threading.Thread(target=self.server.run, daemon=True)

    async def _ready(self) -> Mapping[str, Callable[[], Awaitable[object]]]:
        return {}

    async def _slow(self) -> str:
        self.entered.set()
        await anyio.to_thread.run_sync(self.let_go.wait)
        return "done"

    def stop(self) -> None:
        self.server.handle_exit(signal.SIGTERM, None)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.servers[0].sockets[0].getsockname()[1]}"


@asynccontextmanager
async def serving(drain_for: timedelta) -> AsyncIterator[tuple[Told, httpx.AsyncClient]]:
    told = Told(drain_for)
    told.thread.start()
    try:
        await until(lambda: told.server.started, what="the server listens")
        async with httpx.AsyncClient(base_url=told.url, trust_env=False) as client:
            yield told, client
    finally:
        told.let_go.set()
        told.server.should_exit = True
        await until(lambda: not told.thread.is_alive(), what="the server has ended")


async def test_told_to_stop_it_still_answers_and_asks_each_caller_to_leave() -> None:
    async with serving(LONG) as (told, client):
        assert "connection" not in (await client.get("/health/live")).headers
        told.stop()
        for _ in range(2):
            answer = await client.get("/health/live")
            assert (answer.status_code, answer.headers["connection"]) == (200, "close")
        assert told.thread.is_alive()


async def test_what_was_asked_before_the_end_is_answered_and_then_the_door_is_closed() -> None:
    async with serving(timedelta(milliseconds=1)) as (told, client), anyio.create_task_group() as group:
        answers = []

        async def ask() -> None:
            answers.append(await client.get("/slow"))

        group.start_soon(ask)
        await until(told.entered.is_set, what="the request is in hand")
        told.stop()
        await until(lambda: not told.server.servers[0].is_serving(), what="nothing new is taken")
        with pytest.raises(httpx.ConnectError):
            await client.get("/health/live")
        told.let_go.set()
        await until(lambda: bool(answers), what="the answer is there")
        assert (answers[0].status_code, answers[0].json(), answers[0].headers["connection"]) == (200, "done", "close")


@pytest.mark.parametrize("drain_for", [timedelta(0), LONG])
async def test_a_second_signal_or_no_time_to_drain_ends_it_at_once(drain_for: timedelta) -> None:
    async with serving(drain_for) as (told, _):
        told.stop()
        if drain_for:
            told.stop()
        await until(lambda: not told.thread.is_alive(), what="the server has ended")


async def test_whoever_has_to_know_is_told_of_the_first_signal_alone() -> None:
    told = []
    server = Server(
        Told(LONG).app, host="127.0.0.1", port=0, drain_for=LONG, stop_within=LONG, when_told=lambda: told.append(1)
    )
    for _ in range(2):
        server.handle_exit(signal.SIGTERM, None)
    assert told == [1]


async def test_what_waits_for_the_start_is_done_once_it_listens() -> None:
    async with serving(LONG) as (told, _):
        await until(told.serves.is_set, what="it was told")


def test_idle_connections_outlive_those_of_usual_load_balancers() -> None:
    assert timedelta(seconds=60) < KEEP_ALIVE
    server = Told(LONG).server
    assert server.config.timeout_keep_alive == KEEP_ALIVE.total_seconds()
