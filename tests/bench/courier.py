"""Letters: written and handed to a mail catcher on this machine, beside bare aiosmtplib with the same pool and the same bytes.

`python -m tests.bench.courier`: five rounds, interleaved. What is compared first: each letter reads as the standard library's own
message does, in all headers and parts; and the catcher has as many mails as were sent, with these bytes.
"""

import asyncio
import email
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from email.message import EmailMessage
from email.policy import SMTP, default

import aiosmtplib

from services.signup.courier.adapters.smtp import SmtpRelay
from services.signup.courier.model import Cleared, Letter, Mail, Taken
from shared.contracts.outreach_gateway import Words
from shared.security.words import seal_words
from tests.bench import harness
from tests.fakes.clock import NOON
from tests.unit.courier.jobs import JOB
from tests.unit.courier.test_letters import CANDIDATE, LETTERS, PAIR, PERSON

LETTERS_A_ROUND, CONNECTIONS = 400, 8
BODY = (
    "We would like to talk with you about a night shift in Denver.\n\n"
    + "It says what the job is, and who we are. " * 14
)


class Catcher(asyncio.Protocol):
    """Answers as a relay does, and counts what it took: no more work than a socket makes."""

    taken: int = 0
    size: int = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport, self._data, self._buffer = transport, False, b""
        transport.write(b"220 catcher\r\n")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while True:
            end = b"\r\n.\r\n" if self._data else b"\r\n"
            line, found, rest = self._buffer.partition(end)
            if not found:
                return
            self._buffer = rest
            if self._data:
                Catcher.taken, Catcher.size, self._data = Catcher.taken + 1, Catcher.size + len(line) + 2, False
                self._transport.write(b"250 taken\r\n")
            elif line.upper().startswith(b"DATA"):
                self._data = True
                self._transport.write(b"354 go on\r\n")
            else:
                self._transport.write(b"250 OK\r\n")


def mails() -> list[Mail]:
    """As many as a round has, each with words of its own."""
    return [
        Mail(
            kind="outreach", id=f"o_{number}", candidate=CANDIDATE, employer="emp_denverhealth", version=1,
            good_until=NOON + timedelta(minutes=10),
            sealed=seal_words(Words(outreach=f"o_{number}", subject=f"Night shift {number}", body=BODY, job=JOB), PAIR.public),
        )
        for number in range(LETTERS_A_ROUND)
    ]  # fmt: skip


def written(sent: Sequence[Mail]) -> list[Letter]:
    """The letters of these."""
    found = [LETTERS.outreach(mail, PERSON, "Denver Health", at=NOON) for mail in sent]
    return [replace(one) for one in found if isinstance(one, Letter)]


def compared_with_the_standard_library(letter: Letter) -> None:
    """The same message by EmailMessage reads the same, in all headers and parts."""
    ours = email.message_from_bytes(letter.content, policy=default)
    assert isinstance(ours, EmailMessage)
    theirs = EmailMessage(SMTP.clone(max_line_length=998))
    for name, value in ours.items():
        if name not in ("Content-Type", "MIME-Version"):
            theirs[name] = str(value)
    text, html = (part.get_content() for part in ours.iter_parts() if isinstance(part, EmailMessage))
    theirs.set_content(text)
    theirs.add_alternative(html, subtype="html")
    again = email.message_from_bytes(theirs.as_bytes(), policy=default)
    assert isinstance(again, EmailMessage)
    for name in ("From", "To", "Subject", "Date", "Message-ID", "List-Unsubscribe", "List-Unsubscribe-Post"):
        assert str(again[name]) == str(ours[name]), name
    assert [part.get_content() for part in again.iter_parts() if isinstance(part, EmailMessage)] == [text, html]


async def ours(sent: Sequence[Mail], port: int) -> float:
    """Letters a second, each written and handed over through our pool."""
    began = time.perf_counter()
    places = asyncio.Semaphore(CONNECTIONS)
    async with SmtpRelay(f"smtp://127.0.0.1:{port}", connections=CONNECTIONS, within=timedelta(seconds=30)) as relay:

        async def one(mail: Mail) -> None:
            async with places:
                (letter,) = written([mail])
                assert isinstance(await relay.hand_over(letter, _cleared, _marked), Taken)

        await asyncio.gather(*map(one, sent))
    return len(sent) / (time.perf_counter() - began)


async def _cleared() -> Cleared:
    return Cleared(None)


async def _marked() -> bool:
    return True


async def bare(letters: Sequence[Letter], port: int) -> float:
    """Letters a second that are written already, by `sendmail` of as many clients."""
    began = time.perf_counter()
    waiting = iter(letters)

    async def client() -> None:
        async with aiosmtplib.SMTP(hostname="127.0.0.1", port=port, use_tls=False, start_tls=False) as smtp:
            for letter in waiting:
                await smtp.sendmail(letter.sender, [letter.recipient], letter.content)

    await asyncio.gather(*(client() for _ in range(CONNECTIONS)))
    return len(letters) / (time.perf_counter() - began)


def main() -> None:
    """Both, in turns."""
    sent = mails()
    letters = written(sent)
    for letter in letters[:20]:
        compared_with_the_standard_library(letter)

    async def measured(is_ours: bool) -> float:
        Catcher.taken = Catcher.size = 0
        server = await asyncio.get_running_loop().create_server(Catcher, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            rate = await (ours(sent, port) if is_ours else bare(letters, port))
        size = sum(len(letter.content) for letter in letters)
        assert Catcher.taken == len(sent)
        assert abs(Catcher.size - size) <= len(sent) * 4, "the same bytes, but for dots and links of their own"
        return rate

    found = harness.interleaved(
        {"ours": lambda: asyncio.run(measured(True)), "bare": lambda: asyncio.run(measured(False))}
    )
    figures = [
        harness.compared("letters, written and handed over", found["ours"], found["bare"], unit="/s", goal="0.8, 200/s")
    ]
    harness.tell("courier", figures)


if __name__ == "__main__":
    main()
