"""The relay: a pool of SMTP connections that stay open, and the one moment after which nobody can know."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Protocol, Self
from urllib.parse import unquote, urlsplit

import aiosmtplib
from aiosmtplib import SMTP, SMTPException, SMTPResponse, SMTPResponseException, SMTPServerDisconnected

from services.signup.courier.adapters.answers import read_no
from services.signup.courier.model import (
    CalledOff,
    Cleared,
    Handed,
    Letter,
    NoAnswer,
    NotTaken,
    Refused,
    RefusesUs,
    Step,
    Taken,
)
from services.signup.courier.ports import Clear, Mark
from shared.clock import elapsed

_LEADING_DOT = re.compile(rb"^\.", re.MULTILINE)
_ANSWERS_WITHIN = 1.5  # seconds, less than readiness gives a check
_LET_IN_LATELY = 60.0  # seconds


class _Lost(Exception):  # noqa: N818 - a moment, not a mistake
    """The connection went away before the final dot."""


class SmtpRelay:
    """Hands letters over. No error's text goes anywhere: relays and aiosmtplib quote addresses in it.

    `smtp://` never uses TLS, `smtp+starttls://` and `smtps://` never go on without it: the relay's certificate must be for
    its host, signed by the authorities in `ca` or those of the system. User and password are in the URL.
    """

    def __init__(
        self,
        url: str,
        *,
        connections: int,
        within: timedelta,
        ca: Path | None = None,
        now: Callable[[], float] = elapsed,
    ) -> None:
        self._url = urlsplit(url)
        self._within = within.total_seconds()
        self._connections = connections
        self._now = now
        self._tls = None if self._url.scheme == "smtp" else ssl.create_default_context(cafile=ca)
        self._free: asyncio.LifoQueue[SMTP] = asyncio.LifoQueue()
        self._looking: asyncio.Task[RefusesUs | NotTaken | None] | None = None
        self._let_in_at: float | None = None
        self._sender: str | None = None

    def open(self) -> Self:
        """Its connections live as long as the block."""
        return self

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

    async def answers(self) -> RefusesUs | NotTaken | None:
        """Whether the relay lets us in now, and why not; a slow one that let us in a minute ago is given its time."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        done, _ = await asyncio.wait({self._looking}, timeout=_ANSWERS_WITHIN)
        if not done and self._let_in_at is not None and self._now() - self._let_in_at < _LET_IN_LATELY:
            return None
        return await asyncio.shield(self._looking)

    async def _look(self) -> RefusesUs | NotTaken | None:
        client = self._client()
        try:
            if (no := await self._enter(client)) is not None:
                return no
            if self._sender is not None:
                await client.mail(self._sender)
            await client.noop()
        except SMTPResponseException as error:
            no_sender = read_no("MAIL", SMTPResponse(error.code, error.message))
            return NotTaken(str(error.code), away=True) if isinstance(no_sender, Refused) else no_sender
        except (SMTPException, OSError) as error:
            return NotTaken(_word_for(error), away=True)
        finally:
            client.close()
        return None

    async def hand_over(self, letter: Letter, clear: Clear, mark: Mark) -> Handed:
        """One attempt. `clear` is asked once the relay takes the recipient, and again when it was slow to ask for the words.

        `mark` is called when only the words are still to be sent, and none leaves unless it says yes, or later than the
        check that `clear` gave lets it.
        """
        async with self._connection() as client:
            try:
                if (no := await self._until_the_recipient(client, letter)) is not None:
                    return no
                cleared = await clear()
                if not isinstance(cleared, Cleared):
                    await self._reset(client)
                    return cleared
                answer = await client.execute_command(b"DATA")
                if answer.code != aiosmtplib.SMTPStatus.start_input:
                    return await self._said_no(client, "DATA", answer)
                if cleared.check is not None and not cleared.check.is_fresh(self._now()):
                    cleared = await clear()
                # The only way out of DATA that hands nothing over is to close the connection.
                if not isinstance(cleared, Cleared):
                    client.close()
                    return cleared
                if not await mark():
                    client.close()
                    return CalledOff("not_marked")
                if cleared.check is not None and not cleared.check.lets_hand_over(self._now()):
                    client.close()
                    return CalledOff("late")
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

    async def _enter(self, client: SMTP) -> RefusesUs | NotTaken | None:
        """Connection, TLS and login; None once mails can be handed over."""
        step: Step = "connect"
        try:
            await client.connect()
            step = "EHLO"
            await client.ehlo()
            if self._url.scheme == "smtp+starttls":
                step = "TLS"
                await client.starttls()
                step = "EHLO"
                await client.ehlo()
            if self._url.username:
                step = "AUTH"
                await client.login(unquote(self._url.username), unquote(self._url.password or ""))
        except (SMTPException, OSError) as error:
            client.close()
            return _kept_out(step, error)
        except BaseException:
            client.close()
            raise
        self._let_in_at = self._now()
        return None

    async def _until_the_recipient(self, client: SMTP, letter: Letter) -> Refused | RefusesUs | NotTaken | None:
        """MAIL and RCPT; None once the relay takes the recipient. A kept connection that it had closed is made anew."""
        self._sender = letter.sender
        was_open = client.is_connected
        if not was_open:
            client.close()
            if (no := await self._enter(client)) is not None:
                return no
        step: Step = "MAIL"
        try:
            await client.mail(letter.sender)
            step = "RCPT"
            await client.rcpt(letter.recipient)
        except SMTPResponseException as error:
            if was_open and step == "MAIL" and error.code == aiosmtplib.SMTPStatus.domain_unavailable:
                return await self._until_the_recipient(client, letter)
            return await self._said_no(client, step, SMTPResponse(error.code, error.message))
        except SMTPServerDisconnected:
            if was_open and step == "MAIL":
                return await self._until_the_recipient(client, letter)
            raise
        return None

    async def _said_no(self, client: SMTP, step: Step, answer: SMTPResponse) -> Refused | RefusesUs | NotTaken:
        no = read_no(step, answer)
        if isinstance(no, RefusesUs):
            client.close()  # another login may be let in
        else:
            await self._reset(client)
        return no

    async def _reset(self, client: SMTP) -> None:
        if client.is_connected:
            try:
                await client.rset()
            except (SMTPException, OSError):
                client.close()

    async def _answer_to_words(self, client: SMTP, protocol: "_Answering") -> Handed:
        try:
            answer = await protocol.read_response(timeout=self._within)
        except (SMTPException, OSError) as error:
            client.close()
            return NoAnswer(_word_for(error))
        except BaseException:
            client.close()
            raise
        if 200 <= answer.code < 300:
            return Taken()
        if answer.code == aiosmtplib.SMTPStatus.domain_unavailable:
            client.close()
        if 400 <= answer.code < 600:
            return read_no("words", answer)
        client.close()
        return NoAnswer("an answer that is none")

    def _client(self) -> SMTP:
        return SMTP(
            hostname=self._url.hostname or "127.0.0.1",
            port=self._url.port,
            use_tls=self._url.scheme == "smtps",
            start_tls=False,  # `_enter` does it, so that what fails has a name
            tls_context=self._tls,
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


def _kept_out(step: Step, error: SMTPException | OSError) -> RefusesUs | NotTaken:
    """What it means that the relay did not let us in."""
    if isinstance(error, SMTPResponseException):
        no = read_no(step, SMTPResponse(error.code, error.message))
        return NotTaken(str(error.code), away=True) if isinstance(no, Refused) else no
    if isinstance(error, ssl.SSLCertVerificationError) or isinstance(error.__cause__, ssl.SSLCertVerificationError):
        return RefusesUs("TLS", "its certificate is not for this host, or nobody we trust signed it")
    if isinstance(error, OSError):  # disconnects and timeouts of aiosmtplib are that too
        return NotTaken(_word_for(error), away=True)
    return RefusesUs(step, "it offers no STARTTLS" if step == "TLS" else "it offers no login that we know")


def _word_for(error: BaseException) -> str:
    if isinstance(error, SMTPResponseException):
        return str(error.code)
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return "the connection could not be made" if isinstance(error, aiosmtplib.SMTPConnectError) else "connection lost"
