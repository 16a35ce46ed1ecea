"""An SMTP server that does what a test tells it, at each step of the conversation."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

Step = Literal["greeting", "EHLO", "MAIL", "RCPT", "DATA", "dot"]
CLOSE = "close"
"""Instead of an answer: close the connection."""
SILENCE = "silence"
"""Instead of an answer: nothing."""

_YES: dict[Step, str] = {
    "greeting": "220 faulty.test",
    "EHLO": "250 faulty.test",
    "MAIL": "250 2.1.0 ok",
    "RCPT": "250 2.1.5 ok",
    "DATA": "354 go on",
    "dot": "250 2.0.0 taken",
}


@dataclass(slots=True)
class FaultyRelay:
    """Answers as `says` tells for a step, else yes; keeps what reached it whole, whatever it answered then."""

    says: dict[Step, str] = field(default_factory=dict)
    slow: dict[Step, float] = field(default_factory=dict)
    """Seconds before an answer."""
    reached: list[bytes] = field(default_factory=list)
    connections: int = 0
    url: str = ""

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        try:
            await self._answer("greeting", writer)
            while line := await reader.readline():
                verb = line.split(None, 1)[0].upper().decode()
                if verb == "DATA":
                    if not (await self._answer("DATA", writer)).startswith("354"):
                        continue
                    content = (await reader.readuntil(b"\r\n.\r\n"))[:-3]
                    self.reached.append(content)
                    await self._answer("dot", writer)
                elif verb in ("EHLO", "MAIL", "RCPT"):
                    await self._answer(verb, writer)  # type: ignore[arg-type]  # one of the steps
                else:
                    writer.write(b"221 bye\r\n" if verb == "QUIT" else b"250 ok\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, step: Step, writer: asyncio.StreamWriter) -> str:
        await asyncio.sleep(self.slow.get(step, 0))
        said = self.says.get(step, _YES[step])
        if said == CLOSE:
            raise ConnectionResetError
        if said == SILENCE:
            await asyncio.Event().wait()
        writer.write(f"{said}\r\n".encode())
        await writer.drain()
        return said


@asynccontextmanager
async def faulty_relay() -> AsyncIterator[FaultyRelay]:
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

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    relay.url = f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield relay
    finally:
        server.close()
        for task in list(talks):
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
