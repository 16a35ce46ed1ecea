"""An SMTP connection after its login: commands in one write where the relay takes that (RFC 2920), and each answer in its turn."""

import asyncio
import re
from collections import deque
from typing import Self, cast

from aiosmtplib import (
    SMTP,
    SMTPReadTimeoutError,
    SMTPResponse,
    SMTPResponseException,
    SMTPServerDisconnected,
    SMTPStatus,
)

_NO_COMMAND = re.compile(rb"[\x00-\x1f\x7f]")
"""What would end a command, or hide in one."""
_LONGEST = 32 * 1024
"""Bytes of answers that nobody has read yet; the longest, that of EHLO, has a few hundred."""


class Conversation(asyncio.Protocol):
    """Takes a connection over from aiosmtplib, which made it, put TLS on it and logged in.

    aiosmtplib reads one answer to one command at a time and drops whatever more came with it, so nothing can be asked in
    one go there. Here an answer that nobody asked for ends the connection: no later command is taken to be answered by it.
    """

    def __init__(self, transport: asyncio.Transport, *, within: float, takes_groups: bool) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._within = within
        self.takes_groups = takes_groups
        """The relay says PIPELINING."""
        self.was_asked_together = False
        """What was said last was several commands in one write."""
        self.refused_group = False
        """One of them was refused, as by a relay that takes no more than one at a time."""
        self.wants_words = False
        """It asked for the words of a letter: there is no way back from there but to close the connection."""
        self._buffer = b""
        self._owed = 0
        """Answers that were asked for and have not come."""
        self._came: deque[SMTPResponse] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._wanted_by = 0.0
        """Of the loop's clock: until then the answer that is waited for has to come."""
        self._end: Exception | None = None

    @classmethod
    def of(cls, client: SMTP, *, within: float) -> Self:
        """SMTPServerDisconnected where the connection is gone already."""
        protocol = client.protocol
        if protocol is None or protocol.transport is None or protocol.transport.is_closing():
            raise SMTPServerDisconnected("Connection lost")
        transport = cast(asyncio.Transport, protocol.transport)
        found = cls(transport, within=within, takes_groups=client.supports_extension("pipelining"))
        transport.set_protocol(found)
        return found

    @property
    def is_open(self) -> bool:
        """Whether something can be asked, as far as this side knows."""
        return self._end is None and not self._transport.is_closing()

    def close(self) -> None:
        """At once, whatever was said."""
        self._transport.close()

    def say(self, *commands: bytes) -> None:
        """In one write; each is owed an answer. ValueError for what is no command, and then not one byte has left."""
        if _NO_COMMAND.search(b"".join(commands)):
            raise ValueError("a command holds a control character")
        self._write(b"\r\n".join((*commands, b"")))
        self._owed += len(commands)

    def send_words(self, content: bytes) -> None:
        """The words and the final dot, in one write; when it raises, not one byte has left. One answer is owed."""
        stuffed = content  # RFC 5321, section 4.5.2
        if content.rfind(b"\n.") >= 0:  # found from behind in a tenth of the time that `replace` takes, and rare
            stuffed = content.replace(b"\n.", b"\n..")
        first = b"." if stuffed.startswith(b".") else b""
        self._write(b"".join((first, stuffed, b".\r\n" if content.endswith(b"\r\n") else b"\r\n.\r\n")))
        self._owed += 1
        self.wants_words = False

    async def answer(self) -> SMTPResponse:
        """The next that is owed. SMTPServerDisconnected, SMTPReadTimeoutError, or SMTPResponseException for what is no answer."""
        if not self._came:
            await self._more()
        return self._came.popleft()

    async def ask(self, command: bytes) -> SMTPResponse:
        """One command and its answer."""
        self.say(command)
        return await self.answer()

    async def _more(self) -> None:
        if self._end is not None:
            raise self._end
        self._waiter = self._loop.create_future()
        self._wanted_by = self._loop.time() + self._within
        if self._timer is None:
            self._timer = self._loop.call_at(self._wanted_by, self._look_at_time)
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _look_at_time(self) -> None:
        """One timer for all answers, which looks again where the one that it was set for has come."""
        self._timer = None
        if self._waiter is None:
            return
        if self._loop.time() < self._wanted_by:
            self._timer = self._loop.call_at(self._wanted_by, self._look_at_time)
        else:
            self._stop(SMTPReadTimeoutError("no answer in time"))

    def _write(self, data: bytes) -> None:
        if not self.is_open:
            raise SMTPServerDisconnected("Connection lost")
        self._transport.write(data)

    def data_received(self, data: bytes) -> None:
        """Of the transport."""
        self._buffer += data
        while self._buffer and self._end is None:
            try:
                answer = self._read()
            except ValueError:
                self._stop(SMTPResponseException(SMTPStatus.invalid_response, "no answer of SMTP"))
                return
            if answer is None:
                return
            if not self._owed:  # such as a 421 before the relay closes: whoever comes next makes a new connection
                self._stop(SMTPServerDisconnected("Connection lost"))
                return
            self._owed -= 1
            self._came.append(answer)
            self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Of the transport; what came before is still read."""
        if self._end is None:
            self._end = SMTPServerDisconnected("Connection lost")
            self._end.__cause__ = exc
        if self._timer is not None:
            self._timer.cancel()
        self._wake()

    def _stop(self, why: Exception) -> None:
        self._end = why
        self._transport.close()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is None or self._waiter.done():
            return
        if self._came or self._end is None:
            self._waiter.set_result(None)
        else:
            self._waiter.set_exception(self._end)

    def _read(self) -> SMTPResponse | None:
        """The first answer in the buffer, which may have several lines (RFC 5321, 4.2.1); None while it is not whole.

        ValueError for what is none.
        """
        lines, begin = [], 0
        while (end := self._buffer.find(b"\n", begin)) >= 0:
            line, begin = self._buffer[begin:end], end + 1
            code = line[:3]
            if not code.isdigit() or len(code) < 3:
                raise ValueError("no code")
            lines.append(line[4:].strip())
            if line[3:4] != b"-":
                self._buffer = self._buffer[begin:]
                return SMTPResponse(int(code), b"\n".join(lines).decode("utf-8", "surrogateescape"))
        if len(self._buffer) > _LONGEST:
            raise ValueError("too long")
        return None
