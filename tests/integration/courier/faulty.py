"""An SMTP server that does what a test tells it, at each step of the conversation."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

Step = Literal["greeting", "EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "dot"]
CLOSE = "close"
"""Instead of an answer: close the connection."""
SILENCE = "silence"
"""Instead of an answer: nothing."""

_YES: dict[Step, str] = {
    "greeting": "220 faulty.test",
    "STARTTLS": "220 go on",
    "AUTH": "235 2.7.0 welcome",
    "MAIL": "250 2.1.0 ok",
    "RCPT": "250 2.1.5 ok",
    "DATA": "354 go on",
    "dot": "250 2.0.0 taken",
}


@dataclass(slots=True)
class FaultyRelay:
    """Answers as `says` tells for a step, else yes; keeps what reached it whole, whatever it answered then."""

    says: dict[Step, str] = field(default_factory=dict)
    of: dict[str, str] = field(default_factory=dict)
    """Answers to RCPT by a part of the address, before `says`."""
    slow: dict[Step, float] = field(default_factory=dict)
    """Seconds before an answer."""
    round_trip: float = 0.0
    """Seconds that each answer takes, whatever its step."""
    meanwhile: dict[Step, Callable[[], Awaitable[object]]] = field(default_factory=dict)
    """What happens before it answers a step."""
    takes_groups: bool = True
    """Says PIPELINING (RFC 2920)."""
    wants_words_for_nobody: bool = False
    """Answers DATA as if there was a recipient."""
    tls: ssl.SSLContext | None = None
    """Offers STARTTLS with it."""
    password: str | None = None
    """Lets in nobody else, and nobody without TLS."""
    reached: list[bytes] = field(default_factory=list)
    half: list[bytes] = field(default_factory=list)
    """Words that no dot came after."""
    heard: list[str] = field(default_factory=list)
    """The verbs, in order."""
    connections: int = 0
    url: str = ""

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        known = self.password is None
        is_for_somebody = False
        try:
            await self._answer("greeting", writer)
            while line := await reader.readline():
                verb = line.split(None, 1)[0].upper().decode()
                self.heard.append(verb)
                match verb:
                    case "DATA" if not (is_for_somebody or self.wants_words_for_nobody):
                        await self._answer("DATA", writer, "503 5.5.1 for whom")
                    case "DATA":
                        if not (await self._answer("DATA", writer)).startswith("354"):
                            continue
                        content = (await reader.readuntil(b"\r\n.\r\n"))[:-3]
                        self.reached.append(content)
                        await self._answer("dot", writer)
                    case "EHLO":
                        await self._answer("EHLO", writer, self._offers(writer))
                    case "STARTTLS" if self.tls is not None:
                        if (await self._answer("STARTTLS", writer)).startswith("220"):
                            await writer.start_tls(self.tls)
                    case "AUTH":
                        right = line.split()[-1] == _plain(self.password)
                        known = (await self._answer("AUTH", writer, None if right else "535 5.7.8 no")).startswith(
                            "235"
                        )
                    case "MAIL":
                        await self._answer("MAIL", writer, None if known else "530 5.7.0 who are you")
                    case "RCPT":
                        said = next((said for part, said in self.of.items() if part in line.decode()), None)
                        is_for_somebody = (await self._answer("RCPT", writer, said)).startswith("25")
                    case _:
                        await asyncio.sleep(self.round_trip)
                        writer.write(b"221 bye\r\n" if verb == "QUIT" else b"250 ok\r\n")
        except asyncio.IncompleteReadError as error:
            self.half.append(error.partial)
        except (ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.close()

    def _offers(self, writer: asyncio.StreamWriter) -> str:
        is_safe = writer.get_extra_info("sslcontext") is not None
        offers = ["faulty.test", *(["PIPELINING"] if self.takes_groups else [])]
        if self.tls is not None and not is_safe:
            offers.append("STARTTLS")
        if self.password is not None and (is_safe or self.tls is None):
            offers.append("AUTH PLAIN")
        return "\r\n".join([*(f"250-{one}" for one in offers[:-1]), f"250 {offers[-1]}"])

    async def _answer(self, step: Step, writer: asyncio.StreamWriter, usual: str | None = None) -> str:
        if step in self.meanwhile:
            await self.meanwhile[step]()
        await asyncio.sleep(self.slow.get(step, 0) + self.round_trip)
        said = self.says.get(step) or usual or _YES[step]
        if said == CLOSE:
            raise ConnectionResetError
        if said == SILENCE:
            await asyncio.Event().wait()
        writer.write(f"{said}\r\n".encode())
        await writer.drain()
        return said


def _plain(password: str | None) -> bytes:
    return base64.b64encode(f"\0relay\0{password}".encode())


@asynccontextmanager
async def faulty_relay(*, implicit_tls: ssl.SSLContext | None = None) -> AsyncIterator[FaultyRelay]:
    """The server on a free port."""
    relay = FaultyRelay()
    talks: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talks.add(task)
        try:
            await relay.talk(reader, writer)
        except asyncio.CancelledError:
            writer.close()
        finally:
            talks.discard(task)

    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=implicit_tls)
    relay.url = f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield relay
    finally:
        server.close()
        for task in list(talks):
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
