"""What one caller can take of a process, and what is left for others; the server is real, so are the sockets."""

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from fastapi import Request
from fastapi.responses import HTMLResponse
from prometheus_client import REGISTRY
from starlette.responses import Response

from shared.web.app import create_app
from shared.web.budgets import EventStream, Streams
from shared.web.http_limits import HttpLimits
from shared.web.server import Server
from tests.waiting import others_run, until

SOON = timedelta(milliseconds=150)
"""For a time-out that is to come."""
NEVER = timedelta(minutes=10)
"""For one that is not."""
PATIENT = HttpLimits(head_within=NEVER, body_within=NEVER, write_within=NEVER)


@dataclass(frozen=True)
class Answer:
    """What came over the wire."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def problem(self, status: int) -> dict[str, Any]:
        """Its members; it must be a problem of this status that says what to do."""
        assert self.status == status, self
        assert self.headers["content-type"] == "application/problem+json"
        members: dict[str, Any] = json.loads(self.body)
        assert members["status"] == status
        assert members["detail"]
        return members


class Caller:
    """A connection, byte by byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, text: str | bytes) -> None:
        self.writer.write(text.encode() if isinstance(text, str) else text)

    def ask(self, path: str, *headers: str, method: str = "GET", body: str = "") -> None:
        lines = (f"{method} {path} HTTP/1.1", "Host: things.test", *headers)
        self.send("\r\n".join(lines) + "\r\n\r\n" + body)

    async def answer(self) -> Answer:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return Answer(int(head[0].split()[1]), headers, body)

    async def end(self) -> bytes:
        """What still comes until the other side closes."""
        try:
            return await self.reader.read()
        except ConnectionResetError:
            return b""

    def vanish(self) -> None:
        self.writer.transport.abort()


class Process:
    """A server of ours with a page, a route and streams; requests that are held are answered when the test lets them."""

    def __init__(self, limits: HttpLimits, trusted_proxies: tuple[str, ...]) -> None:
        self.app = create_app("Things", "things", ready=self._ready, limits=limits)
        self.streams = Streams(limits)
        self.entered, self.let_go = 0, threading.Event()
        self.app.get("/join", response_class=HTMLResponse)(self._page)
        self.app.get("/v1/things")(self._things)
        self.app.post("/v1/things")(self._make)
        self.app.get("/held", response_class=HTMLResponse)(self._held)
        self.app.get("/v1/held")(self._held)
        self.app.get("/v1/updates")(self._updates)
        self.server = Server(
            self.app,
            host="127.0.0.1",
            port=0,
            drain_for=timedelta(0),
            stop_within=timedelta(seconds=30),
            limits=limits,
            trusted_proxies=trusted_proxies,
        )
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.callers: list[Caller] = []

    async def _ready(self) -> Mapping[str, Callable[[], Awaitable[object]]]:
        return {}

    async def _page(self) -> Response:
        return HTMLResponse("you are here")

    async def _things(self, request: Request) -> dict[str, Any]:
        return {"from": request.client.host if request.client else None, "trailer": request.headers.get("x-trailer")}

    async def _make(self, request: Request) -> dict[str, Any]:
        await request.body()
        return {"trailer": request.headers.get("x-trailer")}

    async def _held(self) -> Response:
        self.entered += 1
        await asyncio.to_thread(self.let_go.wait)
        return Response("done")

    async def _updates(self, tenant: str = "emp_a", *, endless: bool = False) -> EventStream:
        async def frames() -> AsyncIterator[str]:
            yield ": listening\n\n"
            while endless:
                yield ": " + "x" * 1_000_000 + "\n\n"
                await others_run()  # as a feed asks its database
            await asyncio.Future()

        return EventStream(frames(), streams=self.streams, tenant=tenant)

    @property
    def port(self) -> int:
        port: int = self.server.servers[0].sockets[0].getsockname()[1]
        return port

    async def call(self) -> Caller:
        caller = Caller(*await asyncio.open_connection("127.0.0.1", self.port, limit=2**22))
        self.callers.append(caller)
        return caller

    async def asked(self, path: str, *headers: str, method: str = "GET", body: str = "") -> Answer:
        """An answer over a connection of its own."""
        caller = await self.call()
        caller.ask(path, "Connection: close", *headers, method=method, body=body)
        return await caller.answer()

    async def stream(self, tenant: str = "emp_a") -> tuple[Caller, Answer]:
        caller = await self.call()
        caller.ask(f"/v1/updates?tenant={tenant}")
        return caller, await caller.answer()

    def open(self) -> int:
        return len(self.server.server_state.connections)


@asynccontextmanager
async def serving(limits: HttpLimits = PATIENT, *, trusted_proxies: tuple[str, ...] = ()) -> AsyncIterator[Process]:
    process = Process(limits, trusted_proxies)
    process.thread.start()
    try:
        await until(lambda: process.server.started, what="the server listens")
        async with asyncio.timeout(180):
            yield process
    finally:
        process.let_go.set()
        for caller in process.callers:
            caller.vanish()
        process.server.should_exit = True
        await until(lambda: not process.thread.is_alive(), what="the server has ended")


def refused(reason: str) -> float:
    """How often something was refused for this reason, in this test process."""
    return REGISTRY.get_sample_value("fairpool_http_refused_total", {"reason": reason}) or 0.0


# -- a request that does not arrive ------------------------------------------------------------------------------------
@pytest.mark.parametrize("after_a_request", [False, True], ids=["the first", "the next on a connection"])
async def test_a_head_that_is_not_sent_whole_in_time_is_a_408_and_closed(*, after_a_request: bool) -> None:
    before = refused("head_late")
    async with serving(replace(PATIENT, head_within=SOON)) as process:
        caller = await process.call()
        if after_a_request:
            caller.ask("/v1/things")
            assert (await caller.answer()).status == 200
        caller.send("GET /join HTTP/1.1\r\nX-Slow: a")
        assert "Send the request again." in (await caller.answer()).problem(408)["detail"]
        assert await caller.end() == b""
    assert refused("head_late") == before + 1


@pytest.mark.parametrize("nothing", ["", "\r\n\r\n"], ids=["no byte", "empty lines"])
async def test_a_connection_on_which_nothing_is_asked_is_closed_without_a_word(nothing: str) -> None:
    async with serving(replace(PATIENT, head_within=SOON)) as process:
        caller = await process.call()
        caller.send(nothing)
        assert await caller.end() == b""
        await until(lambda: process.open() == 0, what="no connection is kept")


async def test_who_has_asked_may_be_idle_for_longer_than_a_head_may_take() -> None:
    async with serving(replace(PATIENT, head_within=SOON)) as process:
        caller, other = await process.call(), await process.call()
        caller.ask("/v1/things")
        assert (await caller.answer()).status == 200
        assert await other.end() == b""  # as much time has gone by as was allowed
        caller.ask("/v1/things")
        assert (await caller.answer()).status == 200


@pytest.mark.parametrize(
    "head",
    [
        "GET /join HTTP/1.1\r\n" + "X-A: b\r\n" * 2_000,
        "GET /join HTTP/1.1\r\nX-Endless: " + "a" * 10_000,
        "GET /" + "a" * 10_000,
        "GET /join HTTP/1.1\r\nX-Long: " + "a" * 10_000 + "\r\n\r\n",
        "POST /v1/things HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + "X-Trailer: b\r\n" * 2_000,
    ],
    ids=["lines without end", "a line without end", "an address without end", "whole", "behind the body"],
)
async def test_headers_larger_than_allowed_are_a_431_and_nothing_more_is_taken(head: str) -> None:
    before = refused("head_large")
    async with serving(replace(PATIENT, head_bytes=4096)) as process:
        caller = await process.call()
        caller.send(head)
        assert "4096 bytes" in (await caller.answer()).problem(431)["detail"]
        assert await caller.end() == b""
        assert (await process.asked("/v1/things", "X-Long: " + "a" * 3000)).status == 200
    assert refused("head_large") == before + 1


async def test_a_large_body_is_no_large_head() -> None:
    async with serving(replace(PATIENT, head_bytes=4096)) as process:
        caller = await process.call()
        for _ in range(3):
            caller.ask("/v1/things", "Content-Length: 200000", method="POST", body="x" * 200_000)
            assert (await caller.answer()).status == 200


async def test_a_body_that_is_not_sent_whole_in_time_is_a_408_and_closed() -> None:
    async with serving(replace(PATIENT, body_within=SOON)) as process:
        caller = await process.call()
        caller.ask("/v1/things", "Content-Length: 10", method="POST", body="1234")
        (await caller.answer()).problem(408)
        assert await caller.end() == b""
        assert (await process.asked("/v1/things")).status == 200


async def test_a_body_that_goes_on_behind_its_answer_is_cut_off() -> None:
    before = refused("body_late")
    limits = replace(PATIENT, body_within=SOON, api_requests=0)
    async with serving(limits) as process:
        caller = await process.call()
        caller.ask("/v1/things", "Content-Length: 1000000", method="POST", body="1234")
        (await caller.answer()).problem(503)  # before the body was read
        caller.send("5")
        assert await caller.end() == b""
    assert refused("body_late") == before + 1


async def test_what_is_no_http_is_a_problem_and_closed() -> None:
    async with serving() as process:
        caller = await process.call()
        caller.send("HELLO\x00 there\r\n\r\n")
        (await caller.answer()).problem(400)
        assert await caller.end() == b""


async def test_lines_behind_a_body_are_no_headers() -> None:
    async with serving() as process:
        body = "2\r\n{}\r\n0\r\nX-Trailer: believed\r\n\r\n"
        answer = await process.asked("/v1/things", "Transfer-Encoding: chunked", method="POST", body=body)
        assert json.loads(answer.body) == {"trailer": None}


async def test_requests_sent_ahead_are_answered_and_too_many_end_the_connection() -> None:
    async with serving() as process:
        caller = await process.call()
        caller.send("GET /v1/things HTTP/1.1\r\nHost: x\r\n\r\n" * 10)
        assert [(await caller.answer()).status for _ in range(10)] == [200] * 10
        caller.send("GET /v1/held HTTP/1.1\r\nHost: x\r\n\r\n" * 50)
        assert await caller.end() == b""


@pytest.mark.parametrize(
    ("behind", "goes_on"),
    [("\r\n", True), ("GET /join HTTP/1.1\r\nX-Slow: a", False), ("HELLO\x00 there\r\n\r\n", False)],
    ids=["an empty line", "a head without end", "no HTTP"],
)
async def test_what_comes_behind_a_request_in_hand_does_not_take_its_answer(behind: str, *, goes_on: bool) -> None:
    async with serving(replace(PATIENT, head_within=SOON)) as process:
        caller = await process.call()
        caller.ask("/v1/held")
        await until(lambda: process.entered == 1, what="it is in hand")
        caller.send(behind)
        other = await process.call()
        assert await other.end() == b""  # as much time has gone by as a head may take
        process.let_go.set()
        answer = await caller.answer()
        assert (answer.status, answer.body) == (200, b"done")
        if goes_on:
            caller.ask("/v1/things")
            assert (await caller.answer()).status == 200
        else:
            assert await caller.end() == b""


# -- places ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("flooded", "other"), [("/v1/held", "/join"), ("/held", "/v1/things")])
async def test_what_is_full_for_programs_is_not_full_for_people_nor_the_other_way(flooded: str, other: str) -> None:
    before = refused("requests")
    async with serving(replace(PATIENT, api_requests=3, page_requests=3)) as process:
        callers = [await process.call() for _ in range(3)]
        for caller in callers:
            caller.ask(flooded)
        await until(lambda: process.entered == 3, what="all places are taken")
        refusal = await process.asked(flooded)
        assert "Send the same again" in refusal.problem(503)["detail"]
        assert refusal.headers["retry-after"] == "1"
        assert (await process.asked(other)).status == 200
        assert (await process.asked("/health/live")).status == 200
        process.let_go.set()
        assert [(await caller.answer()).status for caller in callers] == [200] * 3
        assert (await process.asked(flooded)).status == 200
    assert refused("requests") == before + 1


async def test_one_address_does_not_get_all_places() -> None:
    async with serving(replace(PATIENT, origin_requests=2), trusted_proxies=("127.0.0.0/8",)) as process:
        one = "X-Forwarded-For: 2001:db8::1"
        for _ in range(2):
            (await process.call()).ask("/held", one)
        await until(lambda: process.entered == 2, what="the address has its share")
        for same in (one, "X-Forwarded-For: 2001:db8::2"):
            refusal = await process.asked("/join", same)
            assert "Wait for an answer" in refusal.problem(429)["detail"]
            assert refusal.headers["retry-after"]
        assert (await process.asked("/join", "X-Forwarded-For: 2001:db8:0:1::1")).status == 200
        assert (await process.asked("/health/live", one)).status == 200


@pytest.mark.parametrize(
    ("trusted", "believed"), [((), "127.0.0.1"), (("127.0.0.0/8",), "192.0.2.7"), (("192.0.2.0/24",), "127.0.0.1")]
)
async def test_only_a_trusted_proxy_says_where_a_request_comes_from(trusted: tuple[str, ...], believed: str) -> None:
    async with serving(trusted_proxies=trusted) as process:
        answer = await process.asked("/v1/things", "X-Forwarded-For: 203.0.113.9, 192.0.2.7")
        assert json.loads(answer.body)["from"] == believed


async def test_a_tenant_has_so_many_streams_and_each_has_its_own() -> None:
    before = refused("tenant_streams")
    async with serving(replace(PATIENT, tenant_streams=4)) as process:
        streams = [await process.stream() for _ in range(4)]
        assert [answer.status for _, answer in streams] == [200] * 4
        _, refusal = await process.stream()
        assert "You have 4 streams open" in refusal.problem(429)["detail"]
        assert refusal.headers["retry-after"] == "15"
        assert (await process.stream("emp_b"))[1].status == 200
        streams[0][0].vanish()

        async def there_is_room() -> bool:
            return (await process.stream())[1].status == 200

        await until(there_is_room, what="the place of the one that left")
    assert refused("tenant_streams") > before


async def test_streams_hold_no_place_of_requests_and_are_bounded_in_all() -> None:
    limits = replace(PATIENT, api_requests=1, origin_requests=1, streams=3)
    async with serving(limits) as process:
        for tenant in ("a", "b", "c"):
            assert (await process.stream(tenant))[1].status == 200
        assert (await process.asked("/v1/things")).status == 200
        (await process.stream("d"))[1].problem(503)


async def test_whoever_takes_nothing_of_a_stream_loses_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.web.server._notice_who_vanishes", lambda *_: None)  # the kernel would do it as well
    before = refused("not_read")
    async with serving(replace(PATIENT, write_within=SOON, tenant_streams=1)) as process:
        deaf = socket.create_connection(("127.0.0.1", process.port))
        with deaf:
            deaf.sendall(b"GET /v1/updates?endless=true HTTP/1.1\r\nHost: x\r\n\r\n")  # and is never read
            await until(lambda: refused("not_read") == before + 1, what="it is given up")

            async def there_is_room() -> bool:
                return (await process.stream())[1].status == 200

            await until(there_is_room, what="its place is free")


async def test_the_kernel_gives_up_whoever_vanished() -> None:
    async with serving(replace(PATIENT, write_within=timedelta(seconds=7))) as process:
        await process.stream()
        (connection,) = process.server.server_state.connections
        accepted = connection.transport.get_extra_info("socket").fileno()
        with socket.socket(fileno=socket.dup(accepted)) as same:
            assert same.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 14_000
            assert same.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1


# -- connections -------------------------------------------------------------------------------------------------------
async def test_silent_connections_make_room_for_whoever_asks() -> None:
    before = refused("connections")
    async with serving(replace(PATIENT, connections=5)) as process:
        silent = [await process.call() for _ in range(5)]
        silent[1].send("GET /join HTTP/1.1\r\n")
        await until(lambda: process.open() == 5, what="all connections are taken")
        for _ in range(2):
            asking = await process.call()
            asking.ask("/join")
            assert (await asking.answer()).status == 200
        (await silent[0].answer()).problem(503)  # the longest there
        (await silent[1].answer()).problem(503)
        assert await silent[0].end() == b""
        await until(lambda: process.open() == 5, what="no more than allowed")
    assert refused("connections") == before + 2


async def test_when_all_are_being_answered_the_next_one_is_a_503() -> None:
    async with serving(replace(PATIENT, connections=2)) as process:
        callers = [await process.call() for _ in range(2)]
        for caller in callers:
            caller.ask("/v1/held")
        await until(lambda: process.entered == 2, what="both are in hand")
        late = await process.call()
        refusal = await late.answer()
        refusal.problem(503)
        assert refusal.headers["retry-after"] == "1"
        assert await late.end() == b""
        process.let_go.set()
        assert [(await caller.answer()).status for caller in callers] == [200] * 2


async def test_the_figures_say_what_is_open_and_in_hand() -> None:
    def figures() -> list[float]:
        named = [("fairpool_http_in_hand", {"kind": kind}) for kind in ("stream", "page", "api")]
        found = (
            REGISTRY.get_sample_value(name, labels) for name, labels in (*named, ("fairpool_http_connections", {}))
        )
        return [value or 0.0 for value in found]

    before = figures()

    def are(*expected: int) -> bool:
        return [now - then for now, then in zip(figures(), before, strict=True)] == list(expected)

    async with serving() as process:
        stream, _ = await process.stream()
        (await process.call()).ask("/held")
        await until(lambda: are(1, 1, 0, 2), what="a page is in hand, a stream is open")
        stream.vanish()
        await until(lambda: are(0, 1, 0, 1), what="the stream's place is free")
        process.let_go.set()
        await until(lambda: are(0, 0, 0, 1), what="the page is answered")
    assert are(0, 0, 0, 0)


def test_the_connections_are_more_than_all_budgets_together() -> None:
    assert HttpLimits().connections > HttpLimits().in_hand
