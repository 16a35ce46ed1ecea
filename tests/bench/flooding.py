"""`python -m tests.bench.flooding`: an adversary. Told in JSON on standard input what to flood; it ends with its input, and says what it got.

Three things at once, as fast as they are answered: the worst bodies without a key on every route that takes one, hundreds of
streams with one employer's key, and that employer's pools renamed and changed. Its priority is low: an adversary has
processors of its own, and is to take none that the services want.
"""

import asyncio
import itertools
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from tests.bench.harness import say
from tests.worst_bodies import bodies, limit_of, operations

STREAMS, STRANGERS, CHANGERS = 400, 24, 8
_NICE = 5
_RETRIES_AFTER = 1.0
_WORST = (
    "numbers alone",
    "unknown fields",
    "one list again and again",
    "names as many as are read",
    "parts without end",
)
"""Of each route's bodies those whose handling costs most."""


@dataclass(frozen=True, slots=True)
class Target:
    """What the adversary was told."""

    ports: Sequence[int]
    """signup, consent, pool matching."""
    described: Sequence[dict[str, object]]
    """Their OpenAPI documents."""
    key: str
    pools: Sequence[str]


@dataclass(slots=True)
class Flood:
    """All of it; `answers` are counted by what was sent and the status."""

    target: Target
    answers: Counter[str] = field(default_factory=Counter)
    _addresses: Iterator[int] = field(default_factory=lambda: itertools.cycle(range(1, 9)))
    _bodies: Sequence[tuple[int, bytes]] = ()

    def __post_init__(self) -> None:
        self._bodies = tuple(self._worst())  # takes seconds

    async def run(self) -> None:
        """Until it is cancelled."""
        worst = self._bodies
        async with asyncio.TaskGroup() as group:
            for number in range(STRANGERS):
                group.create_task(self._again_and_again("stranger", worst[number::STRANGERS] or worst))
            for number in range(STREAMS):
                group.create_task(self._stream(number))
            for number in range(CHANGERS):
                group.create_task(self._again_and_again("change", list(self._changes(number))))

    def _worst(self) -> Iterator[tuple[int, bytes]]:
        for port, described in zip(self.target.ports, self.target.described, strict=False):
            for operation in operations(described):
                path = operation.path.replace("{", "").replace("}", "")
                if operation.method == "GET":
                    yield port, _request("GET", path, b"", "")
                for body in bodies(operation, limit_of(operation)):
                    if operation.method != "GET" and body.what.partition(" in ")[0] in _WORST:
                        yield port, _request(operation.method, path, body.raw, body.content_type)

    def _changes(self, number: int) -> Iterator[tuple[int, bytes]]:
        for turn in range(40):
            pool = self.target.pools[(turn * CHANGERS + number) % len(self.target.pools)]
            changed = {"name": f"n{turn}"} if turn % 2 else {"min_years": turn % 4, "occupations": ["29-0000"]}
            raw = json.dumps(changed).encode()
            yield self.target.ports[2], _request("PATCH", f"/v1/pools/{pool}", raw, "application/json", self.target.key)

    async def _again_and_again(self, what: str, requests: Sequence[tuple[int, bytes]]) -> None:
        open_ones: dict[int, tuple[asyncio.StreamReader, asyncio.StreamWriter]] = {}
        for port, request in itertools.cycle(requests):
            try:
                if port not in open_ones:
                    open_ones[port] = await self._connection(port)
                reader, writer = open_ones[port]
                writer.write(request)
                status, closes = await _answer(reader)
                self.answers[f"{what} {status}"] += 1
                if closes:
                    open_ones.pop(port)[1].close()
            except (OSError, asyncio.IncompleteReadError, ValueError):
                self.answers[f"{what} closed"] += 1
                if port in open_ones:
                    open_ones.pop(port)[1].close()
                await asyncio.sleep(0.05)

    async def _stream(self, number: int) -> None:
        request = _request("GET", "/v1/updates", b"", "", self.target.key, accept="text/event-stream")
        await asyncio.sleep(number / STREAMS)
        while True:
            with suppress(OSError, asyncio.IncompleteReadError):
                reader, writer = await self._connection(self.target.ports[2])
                writer.write(request)
                status = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
                self.answers[f"stream {status}"] += 1
                while status == "200" and await reader.read(65_536):
                    pass
                writer.close()
            await asyncio.sleep(_RETRIES_AFTER)

    async def _connection(self, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """From one of eight addresses."""
        return await asyncio.open_connection(
            "127.0.0.1", port, local_addr=(f"127.0.8.{next(self._addresses)}", 0), limit=2**20
        )


def _request(method: str, path: str, raw: bytes, kind: str, key: str = "", accept: str = "*/*") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\nContent-Length: {len(raw)}\r\n"
    head += f"Content-Type: {kind}\r\n" if kind else ""
    head += f"Authorization: Bearer {key}\r\n" if key else ""
    return head.encode() + b"\r\n" + raw


async def _answer(reader: asyncio.StreamReader) -> tuple[str, bool]:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    status = head.split()[1].decode()
    if b"transfer-encoding: chunked" in head:
        while (size := int(await reader.readline(), 16)) > 0:
            await reader.readexactly(size + 2)
        await reader.readline()
    else:
        await reader.readexactly(int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0))
    return status, b"connection: close" in head


async def main() -> None:
    """Flood between two lines on standard input, any number of times; at the end of each say what was answered."""
    flood = Flood(Target(**json.loads(sys.stdin.readline())))
    os.nice(_NICE)
    say("ready")
    while await asyncio.to_thread(sys.stdin.readline):
        flood.answers.clear()
        running = asyncio.create_task(flood.run())
        await asyncio.to_thread(sys.stdin.readline)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        say(json.dumps(flood.answers))


if __name__ == "__main__":
    asyncio.run(main())
