"""What each fault of a relay means: not taken, refused, or the one moment after which nobody can know."""

import asyncio
import time
from datetime import timedelta

import pytest

from services.signup.courier.adapters.smtp import SmtpRelay
from services.signup.courier.model import CalledOff, ConsentCheck, Letter, NotTaken, Refused, Taken, Unknown
from tests.integration.courier.faulty import CLOSE, SILENCE, FaultyRelay, Step

LETTER = Letter(
    "bounces@fairpool.test", "ana.canary@people.example", b"Subject: hello\r\n\r\n.dots\r\n..more\r\nend\r\n"
)


async def marked() -> bool:
    return True


def relay_to(server: FaultyRelay, *, connections: int = 1, within: float = 5.0) -> SmtpRelay:
    return SmtpRelay(server.url, connections=connections, within=timedelta(seconds=within))


async def test_a_mail_arrives_as_it_was_written(faulty: FaultyRelay) -> None:
    async with relay_to(faulty) as relay:
        assert await relay.hand_over(LETTER, None, marked) == Taken()
    assert [raw.replace(b"\r\n..", b"\r\n.") for raw in faulty.reached] == [LETTER.content]


async def test_connections_are_kept_open(faulty: FaultyRelay) -> None:
    async with relay_to(faulty, connections=2) as relay:
        for _ in range(3):
            assert await asyncio.gather(*(relay.hand_over(LETTER, None, marked) for _ in range(4))) == [Taken()] * 4
    assert faulty.connections == 2
    assert len(faulty.reached) == 12


async def test_nobody_there_means_not_taken() -> None:
    async with SmtpRelay("smtp://127.0.0.1:1", connections=1, within=timedelta(seconds=5)) as relay:
        assert isinstance(await relay.hand_over(LETTER, None, marked), NotTaken)


@pytest.mark.parametrize("step", ["greeting", "EHLO", "MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("fault", [CLOSE, SILENCE, "451 4.3.0 not now", "421 4.3.2 closing"])
async def test_before_the_final_dot_every_fault_means_not_taken(faulty: FaultyRelay, step: Step, fault: str) -> None:
    faulty.says[step] = fault
    async with relay_to(faulty, within=0.3) as relay:
        assert isinstance(await relay.hand_over(LETTER, None, marked), NotTaken)
        assert faulty.reached == []
        faulty.says.clear()
        assert await relay.hand_over(LETTER, None, marked) == Taken(), "the next mail finds a connection that works"
    assert len(faulty.reached) == 1


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA", "dot"])
async def test_a_no_for_good_is_a_bounce_that_names_no_address(faulty: FaultyRelay, step: Step) -> None:
    faulty.says[step] = "550 5.1.1 <ana.canary@people.example>: unknown"
    async with relay_to(faulty) as relay:
        assert await relay.hand_over(LETTER, None, marked) == Refused("550 5.1.1")
        faulty.says.clear()
        assert await relay.hand_over(LETTER, None, marked) == Taken()


async def test_a_no_for_good_to_the_connection_is_no_word_about_the_mail(faulty: FaultyRelay) -> None:
    faulty.says["greeting"] = "554 5.3.2 no service here"
    async with relay_to(faulty) as relay:
        assert isinstance(await relay.hand_over(LETTER, None, marked), NotTaken)


async def test_a_not_now_after_the_words_is_an_answer_and_means_not_taken(faulty: FaultyRelay) -> None:
    faulty.says["dot"] = "452 4.2.2 full"
    async with relay_to(faulty) as relay:
        assert await relay.hand_over(LETTER, None, marked) == NotTaken("452 4.2.2")


@pytest.mark.parametrize("fault", [CLOSE, SILENCE, "gibberish", "354 what"])
async def test_after_the_final_dot_no_answer_means_that_nobody_can_know(faulty: FaultyRelay, fault: str) -> None:
    faulty.says["dot"] = fault
    async with relay_to(faulty, within=0.3) as relay:
        assert isinstance(await relay.hand_over(LETTER, None, marked), Unknown)
        assert len(faulty.reached) == 1
        faulty.says.clear()
        assert await relay.hand_over(LETTER, None, marked) == Taken()


async def test_a_check_that_is_too_old_stops_a_send_before_it_starts(faulty: FaultyRelay) -> None:
    async with relay_to(faulty) as relay:
        assert await relay.hand_over(LETTER, ConsentCheck(time.monotonic() - 0.6), marked) == CalledOff()
    assert faulty.connections == 0


async def test_a_check_that_grew_too_old_on_the_way_stops_the_words(faulty: FaultyRelay) -> None:
    faulty.slow["RCPT"] = 0.7
    async with relay_to(faulty) as relay:
        assert await relay.hand_over(LETTER, ConsentCheck(time.monotonic() - 0.3), marked) == CalledOff()
        assert faulty.reached == []
        faulty.slow.clear()
        assert await relay.hand_over(LETTER, ConsentCheck(time.monotonic()), marked) == Taken()


async def test_the_mark_is_made_when_only_the_words_are_still_to_be_sent(faulty: FaultyRelay) -> None:
    seen: list[int] = []

    async def mark() -> bool:
        seen.append(len(faulty.reached))
        return True

    faulty.says["RCPT"] = "550 5.1.1 unknown"
    async with relay_to(faulty) as relay:
        await relay.hand_over(LETTER, None, mark)
        assert seen == [], "no mark for a mail whose words never leave"
        faulty.says.clear()
        await relay.hand_over(LETTER, None, mark)
    assert seen == [0]


async def test_without_the_mark_no_word_leaves(faulty: FaultyRelay) -> None:
    async def not_marked() -> bool:
        return False

    async with relay_to(faulty) as relay:
        assert await relay.hand_over(LETTER, None, not_marked) == CalledOff()
        assert faulty.reached == []
        assert await relay.hand_over(LETTER, None, marked) == Taken()


async def test_a_mark_that_took_too_long_calls_the_mail_off(faulty: FaultyRelay) -> None:
    async def slow() -> bool:
        await asyncio.sleep(0.7)
        return True

    async with relay_to(faulty) as relay:
        assert await relay.hand_over(LETTER, ConsentCheck(time.monotonic() - 0.3), slow) == CalledOff()
    assert faulty.reached == []


async def test_readiness_talks_to_the_relay(faulty: FaultyRelay) -> None:
    async with relay_to(faulty, within=0.3) as relay:
        await relay.answers()
        faulty.says["greeting"] = SILENCE
        with pytest.raises(TimeoutError):
            await relay.answers()
