"""Commands and answers of an SMTP connection: in their order however they are cut, and none that nobody asked for."""

import asyncio
from itertools import pairwise

import pytest
from aiosmtplib import SMTPReadTimeoutError, SMTPResponseException, SMTPServerDisconnected
from hypothesis import given
from hypothesis import strategies as st

from services.signup.courier.adapters.conversation import Conversation
from tests.waiting import others_run


class Wire(asyncio.Transport):
    """Keeps each write."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writes.append(bytes(data))

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


def talking(*, within: float = 5.0) -> tuple[Conversation, Wire]:
    wire = Wire()
    return Conversation(wire, within=within, takes_groups=True), wire


async def test_what_is_said_together_is_one_write_and_each_gets_its_answer() -> None:
    talk, wire = talking()
    talk.say(b"MAIL FROM:<a@b.example>", b"RCPT TO:<c@d.example>", b"DATA")
    talk.data_received(b"250 one\r\n250-two\r\n250 lines\r\n354 go on\r\n")
    assert wire.writes == [b"MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n"]
    found = [await talk.answer() for _ in range(3)]
    assert [(one.code, one.message) for one in found] == [(250, "one"), (250, "two\nlines"), (354, "go on")]


@given(st.lists(st.lists(st.text("abc é5.-", max_size=8), min_size=1, max_size=3), min_size=1, max_size=4), st.data())
def test_answers_are_read_however_they_are_cut(lines: list[list[str]], data: st.DataObject) -> None:
    raw = b"".join(
        b"".join(
            b"250%b%b\r\n" % (b"-" if number < len(one) - 1 else b" ", line.encode()) for number, line in enumerate(one)
        )
        for one in lines
    )
    cuts = sorted({0, len(raw), *data.draw(st.lists(st.integers(0, len(raw)), max_size=6))})

    async def read() -> list[str]:
        talk, _ = talking()
        talk.say(*[b"NOOP"] * len(lines))
        for begin, end in pairwise(cuts):
            talk.data_received(raw[begin:end])
        return [str((await talk.answer()).message) for _ in lines]

    assert asyncio.run(read()) == ["\n".join(line.strip() for line in one) for one in lines]


async def test_an_answer_that_nobody_asked_for_ends_the_connection() -> None:
    talk, wire = talking()
    talk.data_received(b"421 4.4.2 idle for too long\r\n")
    assert wire.closed
    assert not talk.is_open
    with pytest.raises(SMTPServerDisconnected):
        talk.say(b"NOOP")
    assert wire.writes == []


async def test_one_answer_too_many_ends_the_connection_behind_those_that_were_asked_for() -> None:
    talk, wire = talking()
    talk.say(b"NOOP")
    talk.data_received(b"250 ok\r\n250 once more\r\n")
    assert (await talk.answer()).message == "ok"
    assert wire.closed
    with pytest.raises(SMTPServerDisconnected):
        await talk.answer()


async def test_what_came_before_the_connection_was_lost_is_still_read() -> None:
    talk, _ = talking()
    talk.say(b"MAIL FROM:<a@b.example>", b"RCPT TO:<c@d.example>")
    waiting = asyncio.create_task(talk.answer())
    await others_run()
    talk.data_received(b"421 closing\r\n")
    talk.connection_lost(None)
    assert (await waiting).code == 421
    with pytest.raises(SMTPServerDisconnected):
        await talk.answer()


async def test_whoever_waits_when_the_connection_is_lost_hears_of_it() -> None:
    talk, _ = talking()
    talk.say(b"NOOP")
    waiting = asyncio.create_task(talk.answer())
    await others_run()
    talk.connection_lost(OSError("gone"))
    with pytest.raises(SMTPServerDisconnected):
        await waiting


async def test_each_answer_has_its_own_time_though_one_timer_looks_after_all() -> None:
    talk, _ = talking()
    for _ in range(2):
        talk.say(b"NOOP")
        waiting = asyncio.create_task(talk.answer())
        await others_run()
        talk._look_at_time()  # as the timer of the answer before does
        assert talk.is_open
        assert talk._timer is not None, "it looks again"
        talk.data_received(b"250 ok\r\n")
        assert (await waiting).code == 250
    talk._look_at_time()
    assert talk.is_open, "nobody waits"
    talk.connection_lost(None)


async def test_a_relay_that_says_nothing_in_time_is_left() -> None:
    talk, wire = talking(within=0.01)
    talk.say(b"NOOP")
    with pytest.raises(SMTPReadTimeoutError):
        await talk.answer()
    assert wire.closed


@pytest.mark.parametrize("raw", [b"gibberish\r\n", b"25\r\n", b"\r\n", b"x" * 40_000])
async def test_what_is_no_answer_ends_the_connection(raw: bytes) -> None:
    talk, wire = talking()
    talk.say(b"NOOP")
    talk.data_received(raw)
    with pytest.raises(SMTPResponseException):
        await talk.answer()
    assert wire.closed


@pytest.mark.parametrize("command", [b"RCPT TO:<a@b.example>\r\nDATA", b"NOOP\x00", b"NOOP\n"])
async def test_nothing_of_what_is_no_command_leaves(command: bytes) -> None:
    talk, wire = talking()
    with pytest.raises(ValueError, match="control"):
        talk.say(b"NOOP", command)
    assert wire.writes == []


@pytest.mark.parametrize(
    ("content", "sent"),
    [
        (b"a\r\n", b"a\r\n.\r\n"),
        (b"a", b"a\r\n.\r\n"),
        (b".\r\n", b"..\r\n.\r\n"),
        (b"a\r\n.b\r\n..\r\n", b"a\r\n..b\r\n...\r\n.\r\n"),
    ],
)
async def test_no_line_of_the_words_can_end_them(content: bytes, sent: bytes) -> None:
    talk, wire = talking()
    talk.send_words(content)
    assert wire.writes == [sent]
