"""The relay: a pool of SMTP connections that stay open, and the one moment after which nobody can know."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Protocol, Self
from urllib.parse import unquote, urlsplit

import aiosmtplib
from aiosmtplib import SMTP, SMTPException, SMTPResponse, SMTPResponseException

from services.signup.courier.model import CalledOff, ConsentCheck, Handed, Letter, NotTaken, Refused, Taken, Unknown
from services.signup.courier.ports import Mark

_ENHANCED = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})\b")
_LEADING_DOT = re.compile(rb"^\.", re.MULTILINE)


class _Lost(Exception):  # noqa: N818 - a moment, not a mistake
    """The connection went away before the final dot."""


class SmtpRelay:
    """Hands letters over. No error's text goes anywhere: relays and aiosmtplib quote addresses in it."""

    def __init__(self, url: str, *, connections: int, within: timedelta) -> None:
        self._url = urlsplit(url)
        self._within = within.total_seconds()
        self._connections = connections
        self._free: asyncio.LifoQueue[SMTP] = asyncio.LifoQueue()

    async def __aenter__(self) -> Self:
        for _ in range(self._connections):
            self._free.put_nowait(self._client())
        return self

    async def __aexit__(self, *_: object) -> None:
        while not self._free.empty():
            client = self._free.get_nowait()
            if client.is_connected:
                try:
                    await client.quit(timeout=1)
                except (SMTPException, OSError):
                    client.close()

    async def answers(self) -> None:
        """Raises unless the relay greets and answers NOOP now."""
        client = self._client()
        try:
            await client.connect()
            await client.noop()
        finally:
            client.close()

    async def hand_over(self, letter: Letter, check: ConsentCheck | None, mark: Mark) -> Handed:
        """One attempt. `mark` is called when only the words are still to be sent, and none leaves unless it says yes.

        `check` stops the attempt at the last moment when it has grown too old (none: it needs no grant).
        """
        async with self._connection() as client:
            if check is not None and not check.lets_start(time.monotonic()):
                return CalledOff()
            try:
                refused = await self._until_the_words(client, letter)
                if refused is not None:
                    return refused
                if not await mark() or (check is not None and not check.lets_hand_over(time.monotonic())):
                    client.close()  # the only way out of DATA that hands nothing over
                    return CalledOff()
                protocol = _write_words(client, letter.content)
            except (SMTPException, OSError, _Lost) as error:
                client.close()
                return NotTaken(_word_for(error))
            except BaseException:
                client.close()
                raise
            # The final dot may be on its way from here on.
            return await self._answer_to_words(client, protocol)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[SMTP]:
        client = await self._free.get()
        try:
            yield client
        finally:
            self._free.put_nowait(client)

    async def _until_the_words(self, client: SMTP, letter: Letter) -> Refused | NotTaken | None:
        """MAIL, RCPT and DATA; None once the relay waits for the words."""
        if not client.is_connected:
            client.close()
            await client.connect()
            await client.ehlo()
        try:
            await client.mail(letter.sender)
            await client.rcpt(letter.recipient)
        except SMTPResponseException as error:
            return await self._said_no(client, SMTPResponse(error.code, error.message))
        answer = await client.execute_command(b"DATA")
        return None if answer.code == aiosmtplib.SMTPStatus.start_input else await self._said_no(client, answer)

    async def _said_no(self, client: SMTP, answer: SMTPResponse) -> Refused | NotTaken:
        if client.is_connected:
            try:
                await client.rset()
            except (SMTPException, OSError):
                client.close()
        return _no(answer)

    async def _answer_to_words(self, client: SMTP, protocol: "_Answering") -> Handed:
        try:
            answer = await protocol.read_response(timeout=self._within)
        except (SMTPException, OSError) as error:
            client.close()
            return Unknown(_word_for(error))
        except BaseException:
            client.close()
            raise
        if 200 <= answer.code < 300:
            return Taken()
        if answer.code == aiosmtplib.SMTPStatus.domain_unavailable:
            client.close()
        if 400 <= answer.code < 600:
            return _no(answer)
        client.close()
        return Unknown("an answer that is none")

    def _client(self) -> SMTP:
        secure = self._url.scheme == "smtps"
        return SMTP(
            hostname=self._url.hostname or "127.0.0.1",
            port=self._url.port,
            username=unquote(self._url.username) if self._url.username else None,
            password=unquote(self._url.password) if self._url.password else None,
            use_tls=secure,
            timeout=self._within,
        )


class _Answering(Protocol):
    async def read_response(self, timeout: float | None = None) -> SMTPResponse: ...  # noqa: ASYNC109 - aiosmtplib's


def _write_words(client: SMTP, content: bytes) -> _Answering:
    """The words and the final dot, in one write; when it raises, not one byte has left."""
    protocol = client.protocol
    if protocol is None:
        raise _Lost
    protocol.write(_LEADING_DOT.sub(b"..", content) + (b"" if content.endswith(b"\r\n") else b"\r\n") + b".\r\n")
    return protocol


def _no(answer: SMTPResponse) -> Refused | NotTaken:
    status = _ENHANCED.match(answer.message)
    detail = f"{answer.code} {status.group(1)}" if status else str(answer.code)
    return Refused(detail) if 500 <= answer.code < 600 else NotTaken(detail)


def _word_for(error: BaseException) -> str:
    if isinstance(error, SMTPResponseException):
        return str(error.code)
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return "the connection could not be made" if isinstance(error, aiosmtplib.SMTPConnectError) else "connection lost"
