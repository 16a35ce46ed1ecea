"""The relay: a pool of SMTP connections that stay open, and the one moment after which nobody can know."""

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Self
from urllib.parse import unquote, urlsplit

import aiosmtplib
import structlog
from aiosmtplib import SMTP, SMTPException, SMTPResponse, SMTPResponseException, SMTPServerDisconnected, SMTPStatus

from services.signup.courier.adapters.answers import is_about_groups, read_no
from services.signup.courier.adapters.conversation import Conversation
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

_ANSWERS_WITHIN = 1.5  # seconds, less than readiness gives a check
_LET_IN_LATELY = 60.0  # seconds
_GOODBYE_WITHIN = 1.0  # seconds
_BELIEVED_AFTER = 2
"""Letters in a row that went in turns alone: one may be a relay that was started anew in between."""
_ASKED_IN_TURNS_FOR = 3600.0  # seconds, a relay that could not take commands in one write
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Place:
    """One of the pool; its connection is made when a letter needs one."""

    talk: Conversation | None = None


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
        self._free: asyncio.LifoQueue[_Place] = asyncio.LifoQueue()
        self._looking: asyncio.Task[RefusesUs | NotTaken | None] | None = None
        self._let_in_at: float | None = None
        self._sender: str | None = None
        self._in_turns_until: float | None = None
        self._groups_that_failed = 0

    def open(self) -> Self:
        """Its connections live as long as the block."""
        return self

    async def __aenter__(self) -> Self:
        for _ in range(self._connections):
            self._free.put_nowait(_Place())
        return self

    async def __aexit__(self, *_: object) -> None:
        while not self._free.empty():
            talk = self._free.get_nowait().talk
            if talk is not None and talk.is_open:
                with suppress(SMTPException, OSError):
                    async with asyncio.timeout(_GOODBYE_WITHIN):
                        await talk.ask(b"QUIT")
                talk.close()

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

        To a relay that takes commands in one write, MAIL, RCPT and DATA are one, so it is two exchanges instead of four; `clear`
        is asked once it wants the words. The only way out of DATA that hands nothing over is to close the connection.
        """
        place = await self._free.get()
        try:
            return await self._hand_over(place, letter, clear, mark)
        finally:
            self._free.put_nowait(place)

    async def _hand_over(self, place: _Place, letter: Letter, clear: Clear, mark: Mark) -> Handed:
        try:
            if (no := await self._until_the_recipient(place, letter)) is not None:
                return no
            talk = _of(place)
            cleared = await clear()
            if not isinstance(cleared, Cleared):
                await self._reset(talk)
                return cleared
            if not talk.wants_words:
                answer = await talk.ask(b"DATA")
                if answer.code != SMTPStatus.start_input:
                    return await self._said_no(talk, "DATA", answer)
                talk.wants_words = True
            if cleared.check is not None and not cleared.check.is_fresh(self._now()):
                cleared = await clear()
            if not isinstance(cleared, Cleared):
                talk.close()
                return cleared
            if not await mark():
                talk.close()
                return CalledOff("not_marked")
            if cleared.check is not None and not cleared.check.lets_hand_over(self._now()):
                talk.close()
                return CalledOff("late")
            talk.send_words(letter.content)
        except (SMTPException, OSError) as error:
            _close(place)
            return NotTaken(_word_for(error))
        except BaseException:
            _close(place)
            raise
        # The final dot may be on its way from here on.
        return await self._answer_to_words(talk)

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

    async def _until_the_recipient(self, place: _Place, letter: Letter) -> Refused | RefusesUs | NotTaken | None:
        """None once the relay takes the recipient.

        Some say PIPELINING and cannot do it, or something between us and them cannot: what fails as that would is tried once
        more on a new connection, and then with one command at a time. Where that alone goes through twice in a row, it is the
        way for an hour.
        """
        was_kept = place.talk is not None and place.talk.is_open
        try:
            no = await self._ask(place, letter)
        except (SMTPException, OSError):
            if place.talk is None or not place.talk.was_asked_together:
                raise
        else:
            if place.talk is None or not place.talk.refused_group:
                if no is None and place.talk is not None and place.talk.was_asked_together:
                    self._groups_that_failed = 0
                return no
        _close(place)
        place.talk = None
        if was_kept:
            return await self._until_the_recipient(place, letter)
        no = await self._ask(place, letter, in_turns=True)
        if no is None:
            self._groups_that_failed += 1
            if self._groups_that_failed >= _BELIEVED_AFTER:
                self._groups_that_failed = 0
                self._in_turns_until = self._now() + _ASKED_IN_TURNS_FOR
                _log.warning("relay_takes_no_groups", hours=_ASKED_IN_TURNS_FOR / 3600)
        return no

    async def _ask(
        self, place: _Place, letter: Letter, *, in_turns: bool = False
    ) -> Refused | RefusesUs | NotTaken | None:
        """MAIL and RCPT, and DATA where all go in one write. A kept connection that the relay had closed is made anew."""
        self._sender = letter.sender
        was_open = place.talk is not None and place.talk.is_open
        if not was_open:
            _close(place)
            client = self._client()
            if (no := await self._enter(client)) is not None:
                return no
            place.talk = Conversation.of(client, within=self._within)
        talk = _of(place)
        mail, rcpt = f"MAIL FROM:<{letter.sender}>".encode("ascii"), f"RCPT TO:<{letter.recipient}>".encode("ascii")
        in_turns = in_turns or (self._in_turns_until is not None and self._now() < self._in_turns_until)
        together = talk.was_asked_together = talk.takes_groups and not in_turns
        try:
            talk.say(*((mail, rcpt, b"DATA") if together else (mail,)))
            answer = await talk.answer()
        except SMTPServerDisconnected:
            if was_open:
                return await self._ask(place, letter, in_turns=in_turns)
            raise
        if answer.code == SMTPStatus.domain_unavailable and was_open:
            talk.close()
            return await self._ask(place, letter, in_turns=in_turns)
        if answer.code != SMTPStatus.completed:
            is_final = answer.code == SMTPStatus.domain_unavailable or answer.code >= 500
            talk.refused_group = together and is_final
            return await self._said_no(talk, "MAIL", answer, unread=2 if together else 0)
        if not together:
            talk.say(rcpt)
        answer = await talk.answer()
        if answer.code not in (SMTPStatus.completed, SMTPStatus.will_forward):
            talk.refused_group = together and is_about_groups(answer)
            return await self._said_no(talk, "RCPT", answer, unread=1 if together else 0)
        if together:
            answer = await talk.answer()
            if answer.code != SMTPStatus.start_input:
                # Only a no leaves no doubt that the relay takes what comes next for a command.
                talk.wants_words = answer.code < SMTPStatus.domain_unavailable
                talk.refused_group = is_about_groups(answer)
                return await self._said_no(talk, "DATA", answer)
            talk.wants_words = True
        return None

    async def _said_no(
        self, talk: Conversation, step: Step, answer: SMTPResponse, *, unread: int = 0
    ) -> Refused | RefusesUs | NotTaken:
        """What it means; `unread`: answers to what was said in the same write, the last of them to DATA."""
        no = read_no(step, answer)
        if isinstance(no, RefusesUs) or answer.code == SMTPStatus.domain_unavailable:
            talk.close()  # another login may be let in
            return no
        with suppress(SMTPException):
            for _ in range(unread):
                # A relay may ask for words that are for nobody.
                talk.wants_words = (await talk.answer()).code < SMTPStatus.domain_unavailable
        await self._reset(talk)
        return no

    async def _reset(self, talk: Conversation) -> None:
        """The connection is good for the next letter, or closed."""
        if talk.wants_words:
            talk.close()
        elif talk.is_open:
            try:
                answer = await talk.ask(b"RSET")
            except (SMTPException, OSError):
                talk.close()
            else:
                # Another answer is one to something else: nothing after it is what it seems.
                if answer.code != SMTPStatus.completed:
                    talk.close()

    async def _answer_to_words(self, talk: Conversation) -> Handed:
        try:
            answer = await talk.answer()
        except (SMTPException, OSError) as error:
            talk.close()
            return NoAnswer(_word_for(error))
        except BaseException:
            talk.close()
            raise
        if 200 <= answer.code < 300:
            return Taken()
        if answer.code == SMTPStatus.domain_unavailable:
            talk.close()
        if 400 <= answer.code < 600:
            return read_no("words", answer)
        talk.close()
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


def _of(place: _Place) -> Conversation:
    if place.talk is None:
        raise SMTPServerDisconnected("Connection lost")
    return place.talk


def _close(place: _Place) -> None:
    if place.talk is not None:
        place.talk.close()


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
