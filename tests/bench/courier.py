"""Letters: written and handed to a mail catcher on this machine, beside bare aiosmtplib with the same pool and the same bytes.

`python -m tests.bench.courier`: five rounds, interleaved; the catcher works in the same process, for all of them. What is compared first: each letter reads as the standard library's own
message does, in all headers and parts; and the catcher has as many mails as were sent, with these bytes.
"""

import asyncio
import email
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import timedelta
from email.message import EmailMessage
from email.policy import SMTP, default
from functools import partial
from typing import cast
from uuid import UUID

import aiosmtplib
import uvloop

from services.signup.courier.adapters.smtp import SmtpRelay
from services.signup.courier.judging import in_step
from services.signup.courier.model import Cleared, Letter, Mail, Person, Taken
from shared.contracts.outreach_gateway import Words
from shared.security.words import KeyPair, WordsForm, seal_words
from tests.bench import harness
from tests.fakes.clock import NOON
from tests.unit.courier.jobs import JOB
from tests.unit.courier.test_letters import LETTERS

LETTERS_A_ROUND, CONNECTIONS = 400, 8
BATCH = 32  # as the courier takes them: written in one turn, then handed over
BODY = (
    "We would like to talk with you about a night shift in Denver.\n\n"
    + "It says what the job is, and who we are. " * 14
)


PEOPLE = {
    str(UUID(int=number)): Person(f"person.{number:03}@people.example", KeyPair.generate())
    for number in range(LETTERS_A_ROUND)
}


class Catcher(asyncio.Protocol):
    """Answers as a relay does, and counts what it took: no more work than a socket makes."""

    taken: int = 0
    size: int = 0
    takes_groups: bool = True
    """Says PIPELINING (RFC 2920), as the relays of providers do."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport, self._data, self._buffer = cast(asyncio.Transport, transport), False, b""
        self._transport.write(b"220 catcher\r\n")

    def data_received(self, data: bytes) -> None:
        """What was asked in one write is answered in one, as RFC 2920, section 3.2, wants it of a relay."""
        self._buffer += data
        if answers := b"".join(self._answers()):
            self._transport.write(answers)

    def _answers(self) -> Iterator[bytes]:
        while True:
            end = b"\r\n.\r\n" if self._data else b"\r\n"
            line, found, rest = self._buffer.partition(end)
            if not found:
                return
            self._buffer = rest
            if self._data:
                Catcher.taken, Catcher.size, self._data = Catcher.taken + 1, Catcher.size + len(line) + 2, False
                yield b"250 taken\r\n"
            elif line.startswith(b"DATA"):
                self._data = True
                yield b"354 go on\r\n"
            elif line.startswith(b"EHLO") and self.takes_groups:
                yield b"250-catcher\r\n250 PIPELINING\r\n"
            else:
                yield b"250 OK\r\n"


def mails(form: WordsForm = "hpke") -> list[Mail]:
    """As many as a round has, each with words of its own to a person of its own, all about one job."""
    return [
        Mail(
            kind="outreach", id=f"o_{number}", candidate=candidate, employer="emp_denverhealth", version=1,
            good_until=NOON + timedelta(minutes=10),
            sealed=seal_words(Words(outreach=f"o_{number}", subject=f"Night shift {number}", body=f"{BODY}{number}", job=JOB), person.words_key.public, form),
        )
        for number, (candidate, person) in enumerate(PEOPLE.items())
    ]  # fmt: skip


async def written(sent: Sequence[Mail]) -> list[Letter]:
    """The letters of these, written as the courier does it: a batch in step, and others' work in between."""
    letters: list[Letter] = []
    for begin in range(0, len(sent), BATCH):
        some = sent[begin : begin + BATCH]
        writing = [LETTERS.outreach(mail, PEOPLE[mail.candidate], "Denver Health", at=NOON) for mail in some]
        letters += [one for one in await in_step(writing) if isinstance(one, Letter)]
    return letters


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


async def ours(sent: Sequence[Mail], port: int) -> None:
    """Each written and handed over through our pool."""
    await through_our_pool(
        [partial(written, sent[begin : begin + BATCH]) for begin in range(0, len(sent), BATCH)], port
    )


async def handing(letters: Sequence[Letter], port: int) -> None:
    """What is written already, through our pool."""

    async def these(begin: int) -> Sequence[Letter]:
        return letters[begin : begin + BATCH]

    await through_our_pool([partial(these, begin) for begin in range(0, len(letters), BATCH)], port)


async def through_our_pool(batches: Sequence[Callable[[], Awaitable[Sequence[Letter]]]], port: int) -> None:
    """One batch after the other."""
    async with SmtpRelay(f"smtp://127.0.0.1:{port}", connections=CONNECTIONS, within=timedelta(seconds=30)) as relay:
        for batch in batches:
            letters = await batch()
            handed = await asyncio.gather(*(relay.hand_over(letter, _cleared, _marked) for letter in letters))
            assert all(isinstance(one, Taken) for one in handed)


async def _cleared() -> Cleared:
    return Cleared(None)


async def _marked() -> bool:
    return True


async def bare(letters: Sequence[Letter], port: int) -> None:
    """What is written already, by `sendmail` of as many clients."""
    waiting = iter(letters)

    async def client() -> None:
        async with aiosmtplib.SMTP(hostname="127.0.0.1", port=port, use_tls=False, start_tls=False) as smtp:
            for letter in waiting:
                await smtp.sendmail(letter.sender, [letter.recipient], letter.content)

    await asyncio.gather(*(client() for _ in range(CONNECTIONS)))


def main() -> None:
    """All in turns."""
    sent, sent_as_jwe = mails(), mails("jwe")
    letters = asyncio.run(written(sent))
    for letter in letters[:20]:
        compared_with_the_standard_library(letter)
    size = sum(len(letter.content) for letter in letters)
    spent: dict[str, list[float]] = defaultdict(list)

    async def caught(send: Callable[[int], Awaitable[None]]) -> None:
        server = await asyncio.get_running_loop().create_server(Catcher, "127.0.0.1", 0)
        async with server:
            await send(server.sockets[0].getsockname()[1])

    def measured(
        name: str,
        send: Callable[[int], Awaitable[None]],
        *,
        takes_groups: bool = True,
        loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop,
    ) -> harness.Contender:
        def run() -> float:
            Catcher.taken, Catcher.size, Catcher.takes_groups = 0, 0, takes_groups
            began, used = time.perf_counter(), time.process_time()
            with asyncio.Runner(loop_factory=loop) as runner:
                runner.run(caught(send))
            spent[name].append(len(sent) / (time.process_time() - used))
            rate = len(sent) / (time.perf_counter() - began)
            assert Catcher.taken == len(sent)
            assert abs(Catcher.size - size) <= len(sent) * 4, "the same bytes, but for dots and links of their own"
            return rate

        return run

    def writing() -> float:
        began, used = time.perf_counter(), time.process_time()
        assert len(asyncio.run(written(sent))) == len(sent)
        spent["writing"].append(len(sent) / (time.process_time() - used))
        return len(sent) / (time.perf_counter() - began)

    found = harness.interleaved(
        {
            "ours": measured("ours", lambda port: ours(sent, port)),
            "bare": measured("bare", lambda port: bare(letters, port)),
            "handing": measured("handing", lambda port: handing(letters, port)),
            "jwe": measured("jwe", lambda port: ours(sent_as_jwe, port)),
            "one by one": measured("one by one", lambda port: ours(sent, port), takes_groups=False),
            "uvloop": measured("uvloop", lambda port: ours(sent, port), loop=uvloop.new_event_loop),
            "bare uvloop": measured("bare uvloop", lambda port: bare(letters, port), loop=uvloop.new_event_loop),
            "writing": writing,
        }
    )
    names = {
        "ours": ("letters, written and handed over", "0.8, 200/s"),
        "jwe": ("the same, words sealed as a JWE", ""),
        "one by one": ("the same, to a relay without PIPELINING", ""),
        "handing": ("written before: handed over alone", ""),
        "uvloop": ("the first, both on uvloop, as the processes run", ""),
    }
    beside = defaultdict(lambda: "bare", uvloop="bare uvloop")
    by_clock = [
        harness.compared(what, found[name], found[beside[name]], unit="/s", goal=goal)
        for name, (what, goal) in names.items()
    ]
    by_processor = [
        harness.compared(f"{what}, a second of a processor", spent[name], spent[beside[name]], unit="/s", goal=goal)
        for name, (what, goal) in names.items()
    ]
    alone = harness.alone("written alone, a second of a processor", spent["writing"], unit="/s", goal="")
    harness.tell("courier", [*by_clock, *by_processor, alone])


if __name__ == "__main__":
    main()
