"""The edge as it is shipped, on a real nginx: what one key or one address can't take from others."""

import asyncio
import json
import re
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType

import httpx
import pytest

from tests.waiting import until

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
CONF = Path(__file__).parents[2] / "deploy/compose/nginx/nginx.conf"
SIGNUP, CONSENT, POOL_MATCHING = 8101, 8102, 8103
STREAM = (
    b"GET /v1/updates HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nAuthorization: Bearer fp_emp_a_%d\r\n\r\n"
)

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not here")


@dataclass
class Edge:
    """nginx with the shipped file, and one upstream behind all its ports that streams and says who asks."""

    folder: Path
    ports: dict[int, int] = field(default_factory=dict)
    streams: int = 0
    asked: list[bytes] = field(default_factory=list)
    """The first lines of what reached the upstream."""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.asked.append(head.partition(b" HTTP/")[0])
            if b"event-stream" in head:
                self.streams += 1
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n: listening\n\n")
                await reader.read()
                self.streams -= 1
            else:
                (origin,) = re.findall(rb"(?mi)^X-Forwarded-For: (.*)\r$", head)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(origin), origin))
        finally:
            writer.close()

    def conf(self, upstream: int, *, changes: dict[str, str]) -> Path:
        """The shipped file; addresses are this machine's, all else is as it is but for `changes`."""
        text = CONF.read_text()
        for shipped, port in self.ports.items():
            text = text.replace(f"listen {shipped};", f"listen 127.0.0.1:{port};")
        text = text.replace("listen 127.0.0.1:8100;", f"listen 127.0.0.1:{_free_port()};")
        asked = 'map "$server_port $uri" $service {'
        assert asked in text
        text = text.replace(asked, f"{asked} default 127.0.0.1:{upstream};")
        text = text.replace("resolver 127.0.0.11 valid=1s ipv6=off;", "").replace("/tmp/", f"{self.folder}/")  # noqa: S108 - what is replaced
        for old, new in changes.items():
            assert old in text
            text = text.replace(old, new)
        (self.folder / "nginx.conf").write_text(text)
        return self.folder / "nginx.conf"

    async def stream(self, key: int = 1) -> tuple[int, asyncio.StreamWriter]:
        """A stream's status, and what it is closed with."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.ports[POOL_MATCHING])
        writer.write(STREAM % key)
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 200 " not in head:
            assert b"Retry-After: 15" in head
            assert json.loads(await reader.read(2000))["title"] == "Too many streams"
        return int(head.split()[1]), writer

    async def get(self, service: int, path: str, **headers: str) -> httpx.Response:
        async with httpx.AsyncClient(trust_env=False) as client:
            return await client.get(f"http://127.0.0.1:{self.ports[service]}{path}", headers=headers)


async def _say(word: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(word), word))
    writer.close()


def _free_port() -> int:
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        port: int = made.getsockname()[1]
        return port


@asynccontextmanager
async def running(
    folder: Path, of_its_own: Mapping[str, str] = MappingProxyType({}), /, **changes: str
) -> AsyncIterator[Edge]:
    """`of_its_own` names containers of signup that are apart here, each with what it answers."""
    assert NGINX is not None
    edge = Edge(folder, {port: _free_port() for port in (SIGNUP, CONSENT, POOL_MATCHING, 8104)})
    upstream = await asyncio.start_server(edge.answer, "127.0.0.1", 0, backlog=1024)
    apart = []
    for name, word in of_its_own.items():
        apart.append(await asyncio.start_server(partial(_say, word.encode()), "127.0.0.1", 0))
        changes |= {f" {name}:8101;": f" 127.0.0.1:{apart[-1].sockets[0].getsockname()[1]};"}
    if apart:
        changes |= {'"~^8101 ': f'"~^{edge.ports[SIGNUP]} '}
    conf = edge.conf(upstream.sockets[0].getsockname()[1], changes=changes)
    nginx = subprocess.Popen((NGINX, "-c", str(conf), "-p", str(folder), "-g", "daemon off;"), stderr=subprocess.PIPE)  # noqa: ASYNC220 - starts at once

    async def listens() -> bool:
        assert nginx.poll() is None, nginx.stderr.read() if nginx.stderr else b""
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", edge.ports[SIGNUP])
        except OSError:
            return False
        writer.close()
        return True

    try:
        await until(listens, what="nginx listens")
        async with asyncio.timeout(180):
            yield edge
    finally:
        nginx.terminate()
        nginx.communicate()
        for server in (upstream, *apart):
            server.close()


async def test_six_hundred_streams_of_one_key_are_four_and_people_are_answered(tmp_path: Path) -> None:
    async with running(tmp_path) as edge:
        asked = [await edge.stream() for _ in range(600)]
        statuses = [status for status, _ in asked]
        assert (statuses[:4], set(statuses[4:])) == ([200] * 4, {429})
        for service, path in ((SIGNUP, "/join"), (CONSENT, "/u/token")):
            assert (await edge.get(service, path)).status_code == 200
        assert (await edge.stream(key=2))[0] == 200
        assert (await edge.get(POOL_MATCHING, "/v1/updates", Authorization="Bearer fp_emp_a_1")).status_code == 200
        asked[0][1].close()

        async def there_is_room() -> bool:
            return (await edge.stream())[0] == 200

        await until(there_is_room, what="the place of the one that left")


async def test_where_a_request_comes_from_is_said_by_the_edge_alone(tmp_path: Path) -> None:
    async with running(tmp_path) as edge:
        assert (await edge.get(SIGNUP, "/join", **{"X-Forwarded-For": "203.0.113.9"})).text == "127.0.0.1"


BY_PROGRAMS = ("/v1/events", "/v1/hooks/s_1", "/docs", "/openapi.json", "/asyncapi", "/v1%2fevents")
BY_PEOPLE = ("/", "/join", "/profile/v1/x", "/docsx", "/static/fairpool.css", "/.well-known/gpc.json")


async def test_programs_and_people_are_answered_by_processes_of_their_own(tmp_path: Path) -> None:
    async with running(tmp_path, {"signup": "edge", "signup-pages": "pages"}) as edge:
        for paths, whose in ((BY_PROGRAMS, "edge"), (BY_PEOPLE, "pages")):
            assert {path: (await edge.get(SIGNUP, path)).text for path in paths} == dict.fromkeys(paths, whose)


async def test_a_late_head_ends_its_connection_and_a_large_one_is_a_431(tmp_path: Path) -> None:
    async with running(tmp_path, **{"client_header_timeout 15s;": "client_header_timeout 1s;"}) as edge:
        reader, writer = await asyncio.open_connection("127.0.0.1", edge.ports[SIGNUP])
        writer.write(b"GET /join HTTP/1.1\r\nX-Slow: a")
        assert await reader.read() == b""
        large = await edge.get(SIGNUP, "/join", **{"X-Large": "a" * 9000})
        assert (large.status_code, large.json()["status"]) == (431, 431)
        many = await edge.get(SIGNUP, "/join", **{f"X-{number}": "a" * 4000 for number in range(10)})
        assert many.status_code == 431


async def test_a_body_that_trickles_in_takes_nothing_of_a_process_before_it_is_whole(tmp_path: Path) -> None:
    async with running(tmp_path) as edge:
        reader, writer = await asyncio.open_connection("127.0.0.1", edge.ports[SIGNUP])
        writer.write(b"POST /join HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nhal")
        await writer.drain()
        await edge.get(SIGNUP, "/join")
        assert edge.asked == [b"GET /join"]
        writer.write(b"f")
        assert b" 200 " in await reader.readline()
        assert edge.asked == [b"GET /join", b"POST /join"]
        writer.close()


async def test_a_page_is_refused_to_whoever_floods_it_and_programs_are_counted_apart(tmp_path: Path) -> None:
    async with running(tmp_path, **{"rate=100r/s": "rate=1r/m", "burst=500": "burst=2"}) as edge:
        answers = [await edge.get(SIGNUP, "/join") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert answers[-1].headers["retry-after"] == "1"
        assert answers[-1].json()["title"] == "Too many requests at once"
        assert (await edge.get(SIGNUP, "/v1/events")).status_code == 200
