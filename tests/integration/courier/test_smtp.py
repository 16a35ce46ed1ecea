"""What each fault of a relay means: not taken, refused, about us, or the one moment after which nobody can know."""

import asyncio
import contextlib
import itertools
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from services.signup.courier.adapters.smtp import SmtpRelay
from services.signup.courier.model import (
    CalledOff,
    Cleared,
    ConsentCheck,
    Letter,
    NoAnswer,
    NotTaken,
    Refused,
    RefusesUs,
    Settle,
    Stopped,
    Taken,
)
from shared.clock import elapsed
from tests.certificates import Authority
from tests.integration.courier.faulty import CLOSE, SILENCE, FaultyRelay, Step, faulty_relay

LETTER = Letter(
    "bounces@fairpool.test", "ana.canary@people.example", b"Subject: hello\r\n\r\n.dots\r\n..more\r\nend\r\n"
)


@pytest.fixture(params=[False, True], ids=["one by one", "in one write"])
def takes_groups(request: pytest.FixtureRequest) -> bool:
    """Whether the relay says PIPELINING: each fault means the same."""
    return bool(request.param)


@pytest.fixture
async def faulty(takes_groups: bool) -> AsyncIterator[FaultyRelay]:
    async with faulty_relay() as server:
        server.takes_groups = takes_groups
        yield server


IN_ONE_WRITE = pytest.mark.parametrize("takes_groups", [True], ids=["in one write"])
"""What has nothing to do with how commands are written, or takes seconds."""


async def marked() -> bool:
    return True


async def free() -> Cleared:
    """A mail that needs no check."""
    return Cleared(None)


async def checked() -> Cleared:
    """A check made just now."""
    return Cleared(ConsentCheck(elapsed()))


def relay_to(
    server: FaultyRelay, *, connections: int = 1, within: float = 5.0, now: Callable[[], float] = elapsed
) -> SmtpRelay:
    return SmtpRelay(server.url, connections=connections, within=timedelta(seconds=within), now=now)


async def test_a_mail_arrives_as_it_was_written(faulty: FaultyRelay) -> None:
    async with relay_to(faulty) as relay:
        assert await relay.hand_over(LETTER, free, marked) == Taken()
    assert [raw.replace(b"\r\n..", b"\r\n.") for raw in faulty.reached] == [LETTER.content]


async def test_connections_are_kept_open(faulty: FaultyRelay) -> None:
    async with relay_to(faulty, connections=2) as relay:
        for _ in range(3):
            assert await asyncio.gather(*(relay.hand_over(LETTER, free, marked) for _ in range(4))) == [Taken()] * 4
    assert faulty.connections == 2
    assert len(faulty.reached) == 12


async def test_nobody_there_means_not_taken() -> None:
    async with SmtpRelay("smtp://127.0.0.1:1", connections=1, within=timedelta(seconds=5)) as relay:
        assert isinstance(await relay.hand_over(LETTER, free, marked), NotTaken)


@pytest.mark.parametrize("step", ["greeting", "EHLO", "MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("fault", [CLOSE, SILENCE, "451 4.3.0 not now", "421 4.3.2 closing"])
async def test_before_the_final_dot_every_fault_means_not_taken(faulty: FaultyRelay, step: Step, fault: str) -> None:
    faulty.says[step] = fault
    async with relay_to(faulty, within=0.3) as relay:
        assert isinstance(await relay.hand_over(LETTER, free, marked), NotTaken)
        assert faulty.reached == []
        faulty.says.clear()
        assert await relay.hand_over(LETTER, free, marked) == Taken(), "the next mail finds a connection that works"
    assert len(faulty.reached) == 1


NO_MAILBOX = ["550", "550 5.1.1", "550 5.1.2", "501 5.1.3", "550 5.1.6", "556 5.1.10", "550 5.2.1", "556"]


@pytest.mark.parametrize("said", NO_MAILBOX)
@pytest.mark.parametrize("step", ["RCPT", "DATA", "dot"])
async def test_no_such_mailbox_is_a_word_about_the_mailbox_that_names_no_address(
    faulty: FaultyRelay, step: Step, said: str
) -> None:
    faulty.says[step] = f"{said} <ana.canary@people.example>: no such user here"
    async with relay_to(faulty) as relay:
        assert await relay.hand_over(LETTER, free, marked) == Refused(said, mailbox_gone=True)
        faulty.says.clear()
        assert await relay.hand_over(LETTER, free, marked) == Taken()


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("MAIL", "552 5.3.4"),
        ("RCPT", "550"),
        ("RCPT", "553"),
        ("RCPT", "552 5.2.2"),
        ("dot", "552 5.2.2"),
        ("RCPT", "550 5.4.1"),
        ("RCPT", "550 5.6.7"),
        ("dot", "550"),
        ("dot", "554"),
        ("dot", "552 5.3.4"),
        ("dot", "554 5.7.1"),
        ("dot", "550 5.7.1"),
    ],
)
async def test_another_no_is_a_bounce_of_this_mail_and_no_dead_mailbox(
    faulty: FaultyRelay, step: Step, said: str
) -> None:
    faulty.says[step] = f"{said} <ana.canary@people.example>: no"
    async with relay_to(faulty) as relay:
        assert await relay.hand_over(LETTER, free, marked) == Refused(said)
        faulty.says.clear()
        assert await relay.hand_over(LETTER, free, marked) == Taken()


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("greeting", "554 5.3.2"),
        ("greeting", "521"),
        ("EHLO", "550"),
        ("MAIL", "530 5.7.0"),
        ("MAIL", "550 5.7.1"),
        ("MAIL", "550 5.1.1"),
        ("MAIL", "553 5.1.8"),
        ("MAIL", "550 5.7.27"),
    ],
)
async def test_a_no_to_us_is_a_state_of_the_relay(faulty: FaultyRelay, step: Step, said: str) -> None:
    faulty.says[step] = f"{said} <ana.canary@people.example>: no"
    async with relay_to(faulty) as relay:
        where = {"greeting": "connect", "dot": "words"}.get(step, step)
        assert await relay.hand_over(LETTER, free, marked) == RefusesUs(where, said)  # type: ignore[arg-type]  # one of the steps
        faulty.says.clear()
        assert await relay.hand_over(LETTER, free, marked) == Taken(), "another connection, another login"


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("RCPT", "530 not without a login"),
        ("RCPT", "550 5.7.27 your domain takes no mail"),
        ("RCPT", "553 5.1.7 bad sender"),
        ("RCPT", "553 5.1.8 your domain is not there"),
        ("DATA", "530 5.7.0 not without a login"),
        ("dot", "550 5.7.13 account disabled"),
        ("RCPT", "550 5.7.1 relaying denied"),
        ("RCPT", "554 5.7.1 relay access denied"),
        ("RCPT", "554 no"),
        ("RCPT", "550 relay not permitted"),
        ("RCPT", "550 5.1.0 sender rejected"),
        ("RCPT", "550 5.0.0 no"),
        ("RCPT", "503 5.5.1 not now"),
        ("RCPT", "550 5.3.2 no mail today"),
        ("DATA", "554 no"),
        ("dot", "550 5.7.26 not authenticated"),
        ("dot", "554 5.3.0 no"),
    ],
)
async def test_a_no_that_may_mean_us_is_not_taken_for_one_about_the_mail(
    faulty: FaultyRelay, step: Step, said: str
) -> None:
    faulty.says[step] = said
    async with relay_to(faulty) as relay:
        handed = await relay.hand_over(LETTER, free, marked)
    assert isinstance(handed, RefusesUs)
    assert not handed.certain
    assert handed.detail in said


@pytest.mark.parametrize(("step", "away"), [("greeting", True), ("EHLO", True), ("MAIL", True), ("RCPT", False)])
async def test_a_not_now_before_the_recipient_is_the_relays_own(faulty: FaultyRelay, step: Step, away: bool) -> None:
    faulty.says[step] = "451 4.7.1 later"
    async with relay_to(faulty) as relay:
        handed = await relay.hand_over(LETTER, free, marked)
    assert isinstance(handed, NotTaken)
    assert handed.away is away


async def test_a_kept_connection_that_the_relay_had_closed_is_made_anew_at_once(faulty: FaultyRelay) -> None:
    async with relay_to(faulty) as relay:
        assert await relay.hand_over(LETTER, free, marked) == Taken()
        for goodbye in ("421 4.4.2 idle for too long", CLOSE):
            heard = len(faulty.heard)

            async def once() -> None:
                faulty.says.pop("MAIL", None)

            faulty.says["MAIL"] = goodbye
            faulty.meanwhile["EHLO"] = once
            assert await relay.hand_over(LETTER, free, marked) == Taken()
            said = [verb for verb in faulty.heard[heard:] if verb in ("MAIL", "EHLO")]
            assert said == ["MAIL", "EHLO", "MAIL"]


async def test_a_not_now_after_the_words_is_an_answer_and_means_not_taken(faulty: FaultyRelay) -> None:
    faulty.says["dot"] = "452 4.2.2 full"
    async with relay_to(faulty) as relay:
        assert await relay.hand_over(LETTER, free, marked) == NotTaken("452 4.2.2")


@pytest.mark.parametrize("fault", [CLOSE, SILENCE, "gibberish", "354 what"])
async def test_after_the_final_dot_no_answer_means_that_nobody_can_know(faulty: FaultyRelay, fault: str) -> None:
    faulty.says["dot"] = fault
    async with relay_to(faulty, within=0.3) as relay:
        assert isinstance(await relay.hand_over(LETTER, free, marked), NoAnswer)
        assert len(faulty.reached) == 1
        faulty.says.clear()
        assert await relay.hand_over(LETTER, free, marked) == Taken()


@pytest.mark.parametrize("said", [CalledOff("behind"), Stopped(Settle("withheld", "no grant"))])
async def test_what_the_last_look_stops_is_told_no_word_and_costs_no_connection_but_where_the_words_were_asked_for(
    faulty: FaultyRelay, takes_groups: bool, said: CalledOff | Stopped
) -> None:
    async def stopped() -> CalledOff | Stopped:
        assert faulty.heard[-1] == ("DATA" if takes_groups else "RCPT"), "asked once the relay takes the recipient"
        return said

    async with relay_to(faulty) as relay:
        assert await relay.hand_over(LETTER, stopped, marked) == said
        assert await relay.hand_over(LETTER, free, marked) == Taken()
    assert len(faulty.reached) == 1
    assert b"".join(faulty.half) == b""
    assert faulty.heard.count("DATA") == faulty.connections == (2 if takes_groups else 1)


async def test_a_relay_that_wants_words_for_nobody_gets_none_not_even_the_dot(faulty: FaultyRelay) -> None:
    faulty.wants_words_for_nobody, faulty.says["RCPT"] = True, "550 5.1.1 no such user"
    async with relay_to(faulty) as relay:
        for _ in range(2):
            assert await relay.hand_over(LETTER, free, marked) == Refused("550 5.1.1", mailbox_gone=True)
        faulty.says.clear()
        assert await relay.hand_over(LETTER, free, marked) == Taken()
    assert len(faulty.reached) == 1
    assert b"".join(faulty.half) == b""


async def test_a_relay_that_is_slow_to_ask_for_the_words_gets_another_check_where_the_first_was_made_before(
    faulty: FaultyRelay, takes_groups: bool
) -> None:
    faulty.slow["DATA"] = 0.7
    checks: list[float] = []

    async def counted() -> Cleared:
        checks.append(elapsed())
        return Cleared(ConsentCheck(checks[-1]))

    async with relay_to(faulty) as relay:
        assert await relay.hand_over(LETTER, counted, marked) == Taken()
    assert len(checks) == (1 if takes_groups else 2)


async def test_the_other_check_stops_the_words_too(faulty: FaultyRelay) -> None:
    faulty.slow["DATA"] = 0.7
    answers: list[Cleared | Stopped] = [Cleared(ConsentCheck(elapsed())), Stopped(Settle("withheld", "no grant"))]

    async def withdrawn_meanwhile() -> Cleared | Stopped:
        return answers.pop(0)

    async with relay_to(faulty) as relay:
        assert await relay.hand_over(LETTER, withdrawn_meanwhile, marked) == Stopped(Settle("withheld", "no grant"))
        assert faulty.reached == []
        assert await relay.hand_over(LETTER, free, marked) == Taken()


async def test_the_mark_is_made_when_only_the_words_are_still_to_be_sent(faulty: FaultyRelay) -> None:
    seen: list[int] = []

    async def mark() -> bool:
        seen.append(len(faulty.reached))
        return True

    faulty.says["RCPT"] = "550 5.1.1 unknown"
    async with relay_to(faulty) as relay:
        await relay.hand_over(LETTER, free, mark)
        assert seen == [], "no mark for a mail whose words never leave"
        faulty.says.clear()
        await relay.hand_over(LETTER, free, mark)
    assert seen == [0]


async def test_without_the_mark_no_word_leaves(faulty: FaultyRelay) -> None:
    async def not_marked() -> bool:
        return False

    async with relay_to(faulty) as relay:
        assert await relay.hand_over(LETTER, free, not_marked) == CalledOff("not_marked")
        assert faulty.reached == []
        assert await relay.hand_over(LETTER, free, marked) == Taken()


async def test_a_mark_that_took_too_long_calls_the_mail_off(faulty: FaultyRelay) -> None:
    late = 0.0

    async def slow() -> bool:
        nonlocal late
        late = 1.0
        return True

    async with relay_to(faulty, now=lambda: elapsed() + late) as relay:
        assert await relay.hand_over(LETTER, checked, slow) == CalledOff("late")
    assert faulty.reached == []


@IN_ONE_WRITE
async def test_readiness_talks_to_the_relay_and_says_what_it_said(faulty: FaultyRelay) -> None:
    async with relay_to(faulty, within=0.3) as relay:
        assert await relay.answers() is None
        faulty.says["greeting"] = SILENCE
        assert await relay.answers() == NotTaken("no answer in time", away=True)
        faulty.says["greeting"] = "554 5.7.1 not you"
        assert await relay.answers() == RefusesUs("connect", "554 5.7.1")
        faulty.says.clear()
        assert await relay.hand_over(LETTER, free, marked) == Taken()
        faulty.says["MAIL"] = "550 5.1.8 not from there"
        assert await relay.answers() == RefusesUs("MAIL", "550 5.1.8"), "our sender is tried once it is known"
    assert len(faulty.reached) == 1


@IN_ONE_WRITE
async def test_readiness_gives_a_slow_relay_its_time(faulty: FaultyRelay) -> None:
    async with relay_to(faulty) as relay:
        assert await relay.hand_over(LETTER, free, marked) == Taken()
        faulty.slow["greeting"] = 2.0
        assert await relay.answers() is None


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.at(tmp_path / "authority.pem")


@pytest.fixture
def server_side(authority: Authority, tmp_path: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(authority.sign(tmp_path / "server.pem"))
    return context


def safe_relay(server: FaultyRelay, authority: Authority | None, *, word: str = "word", scheme: str = "smtp+starttls") -> SmtpRelay:  # fmt: skip
    url = server.url.replace("smtp://", f"{scheme}://relay:{word}@")
    ca = authority.file if authority is not None else None
    return SmtpRelay(url, connections=1, within=timedelta(seconds=5), ca=ca)


@IN_ONE_WRITE
async def test_with_starttls_the_login_and_the_mail_go_through_tls(
    faulty: FaultyRelay, authority: Authority, server_side: ssl.SSLContext
) -> None:
    faulty.tls, faulty.password = server_side, "word"
    async with safe_relay(faulty, authority) as relay:
        assert await relay.hand_over(LETTER, free, marked) == Taken()
    assert faulty.heard[:5] == ["EHLO", "STARTTLS", "EHLO", "AUTH", "MAIL"]


async def test_tls_from_the_first_byte(authority: Authority, server_side: ssl.SSLContext) -> None:
    async with faulty_relay(implicit_tls=server_side) as server:
        server.password = "word"
        async with safe_relay(server, authority, scheme="smtps") as relay:
            assert await relay.hand_over(LETTER, free, marked) == Taken()


@IN_ONE_WRITE
async def test_a_relay_without_starttls_gets_neither_password_nor_address(
    faulty: FaultyRelay, authority: Authority
) -> None:
    faulty.password = "word"
    async with safe_relay(faulty, authority) as relay:
        assert await relay.hand_over(LETTER, free, marked) == RefusesUs("TLS", "it offers no STARTTLS")
    assert faulty.heard == ["EHLO"]


@IN_ONE_WRITE
async def test_a_certificate_that_nobody_signed_gets_neither_password_nor_address(
    faulty: FaultyRelay, server_side: ssl.SSLContext
) -> None:
    faulty.tls, faulty.password = server_side, "word"
    async with safe_relay(faulty, None) as relay:
        handed = await relay.hand_over(LETTER, free, marked)
    assert isinstance(handed, RefusesUs)
    assert (handed.step, faulty.heard) == ("TLS", ["EHLO", "STARTTLS"])
    async with faulty_relay(implicit_tls=server_side) as server, safe_relay(server, None, scheme="smtps") as relay:
        handed = await relay.hand_over(LETTER, free, marked)
    assert isinstance(handed, RefusesUs)
    assert (handed.step, server.heard) == ("TLS", [])


@IN_ONE_WRITE
async def test_a_password_that_is_not_taken_any_more_is_a_state_of_the_relay(
    faulty: FaultyRelay, authority: Authority, server_side: ssl.SSLContext
) -> None:
    faulty.tls, faulty.password = server_side, "another"
    async with safe_relay(faulty, authority) as relay:
        assert await relay.hand_over(LETTER, free, marked) == RefusesUs("AUTH", "535 5.7.8")
        assert await relay.answers() == RefusesUs("AUTH", "535 5.7.8")


@pytest.fixture
async def far_away(faulty: FaultyRelay, authority: Authority, server_side: ssl.SSLContext) -> AsyncIterator[SmtpRelay]:
    """A cold connection to a relay on another continent that greets late and wants TLS and a login."""
    faulty.tls, faulty.password = server_side, "word"
    faulty.round_trip, faulty.slow["greeting"] = 0.3, 2.0
    async with safe_relay(faulty, authority) as relay:
        yield relay
        faulty.round_trip = 0


@IN_ONE_WRITE
async def test_a_slow_and_distant_relay_gets_its_outreach_at_the_first_attempt(
    faulty: FaultyRelay, far_away: SmtpRelay
) -> None:
    assert await far_away.hand_over(LETTER, checked, marked) == Taken()
    assert (faulty.connections, len(faulty.reached)) == (1, 1)


@IN_ONE_WRITE
async def test_at_a_slow_and_distant_relay_too_a_withdrawal_before_the_check_stops_the_words(
    faulty: FaultyRelay, far_away: SmtpRelay
) -> None:
    has_grant = True

    async def withdraw() -> None:
        nonlocal has_grant
        has_grant = False

    async def look() -> Cleared | Stopped:
        return await checked() if has_grant else Stopped(Settle("withheld", "no grant"))

    faulty.meanwhile["RCPT"] = withdraw
    assert await far_away.hand_over(LETTER, look, marked) == Stopped(Settle("withheld", "no grant"))
    assert faulty.reached == []


@contextlib.asynccontextmanager
async def odd_relay(answer: Callable[[bytes, int], Sequence[str | None]]) -> AsyncIterator[str]:
    """Says PIPELINING; `answer` is what it says to what came in one read, on which connection. None: it says no more and hangs."""
    connections = itertools.count(1)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = next(connections)
        writer.write(b"220 odd.test\r\n")
        await reader.readline()
        writer.write(b"250-odd.test\r\n250 PIPELINING\r\n")
        while data := await reader.read(4096):
            for said in answer(data, number):
                if said is None:
                    await reader.read()
                    break
                writer.write(said.encode() + b"\r\n")
                if said.startswith("354"):
                    await reader.readuntil(b"\r\n.\r\n")
                    writer.write(b"250 taken\r\n")
                if said.startswith("421"):
                    writer.close()
                    return
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}"


TAKES_NO_GROUPS: Mapping[str, Sequence[str | None]] = {
    "drops what is behind the first": ("250 ok", None),
    "421 to all": ("421 4.7.0 improper command pipelining",),
    "554 to all": ("554 SMTP synchronization error", "421 4.7.0 goodbye"),
    "503 to the second": ("250 ok", "503 5.5.1 bad sequence of commands", "503 5.5.1 bad sequence of commands"),
    "550 to the second": ("250 ok", "550 5.5.0 improper use of pipelining", "503 5.5.1 need RCPT"),
    "503 to the third": ("250 ok", "250 ok", "503 5.5.0 improper use of SMTP command pipelining"),
}


@pytest.mark.parametrize("said", TAKES_NO_GROUPS.values(), ids=TAKES_NO_GROUPS)
async def test_a_relay_that_says_pipelining_and_cannot_do_it_is_asked_one_command_at_a_time_for_an_hour(
    said: Sequence[str | None],
) -> None:
    asked: list[int] = []
    passed = 0

    def answer(data: bytes, _: int) -> Sequence[str | None]:
        commands = data.count(b"\r\n")
        if data.startswith(b"MAIL"):
            asked.append(commands)
        return said if commands > 1 else ["354 go" if data.startswith(b"DATA") else "250 ok"]

    async with (
        odd_relay(answer) as url,
        SmtpRelay(url, connections=1, within=timedelta(seconds=0.3), now=lambda: passed).open() as relay,
    ):
        assert [await relay.hand_over(LETTER, free, marked) for _ in range(4)] == [Taken()] * 4
        assert asked[:2] == [3, 1] and asked[-3:] == [1, 1, 1], "believed after two"
        passed = 3601
        assert await relay.hand_over(LETTER, free, marked) == Taken()
        assert 3 in asked[-3:], "tried together once more an hour later"


@pytest.mark.parametrize("lost", [(None,), ("421 4.3.2 restarting",)], ids=["goes silent", "closes"])
async def test_a_connection_that_is_lost_once_does_not_end_groups(lost: Sequence[str | None]) -> None:
    asked: list[int] = []

    def answer(data: bytes, connection: int) -> Sequence[str | None]:
        if data.startswith(b"MAIL"):
            asked.append(data.count(b"\r\n"))
            if connection == 1 and len(asked) == 2:
                return lost
        return {3: ["250 ok", "250 ok", "354 go"]}.get(data.count(b"\r\n"), ["250 ok"])

    async with (
        odd_relay(answer) as url,
        SmtpRelay(url, connections=1, within=timedelta(seconds=0.3)).open() as relay,
    ):
        assert [await relay.hand_over(LETTER, free, marked) for _ in range(4)] == [Taken()] * 4
    assert asked == [3] * 5
