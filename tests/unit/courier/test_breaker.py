"""How many mails go to a relay that refuses us."""

from datetime import timedelta

from services.signup.courier.breaker import REFUSALS, RELAY_RESTS, Breaker, Reason
from services.signup.courier.model import Handed, NotTaken, RefusesUs, Taken
from tests.fakes.clock import FixedClock


def test_a_relay_that_refuses_us_gets_no_mail_and_then_one_at_a_time_until_it_takes_one() -> None:
    clock = FixedClock()
    breaker = Breaker(clock, lambda: 0.0)
    assert breaker.lets_through(8, in_flight=3) == 8
    breaker.note(RefusesUs("AUTH", "535 5.7.8"), "ana")
    assert breaker.lets_through(8, in_flight=0) == 0
    clock.advance(timedelta(seconds=1))
    assert breaker.lets_through(8, in_flight=1) == 0
    assert breaker.lets_through(8, in_flight=0) == 1
    breaker.note(RefusesUs("AUTH", "535 5.7.8"), "bo")
    assert breaker.lets_through(8, in_flight=0) == 0
    clock.advance(timedelta(seconds=1))
    breaker.note(Taken(), "cy")
    assert breaker.lets_through(8, in_flight=3) == 8


def test_while_it_is_left_alone_nothing_is_let_through_however_much_room_there_is() -> None:
    breaker = Breaker(FixedClock(), lambda: 0.0)
    breaker.note(RefusesUs("AUTH", "535 5.7.8"), "ana")
    assert breaker.rests
    assert [breaker.lets_through(room, in_flight=0) for room in (0, 1, 8)] == [0, 0, 0]


def test_the_one_that_tries_needs_room_too() -> None:
    clock = FixedClock()
    breaker = Breaker(clock, lambda: 0.0)
    breaker.note(RefusesUs("AUTH", "535 5.7.8"), "ana")
    clock.advance(timedelta(seconds=1))
    assert not breaker.rests
    assert breaker.lets_through(0, in_flight=0) == 0


def test_three_people_in_a_row_whose_recipients_are_refused_open_it_and_one_person_never_does() -> None:
    breaker = Breaker(FixedClock(), lambda: 0.0)
    doubt = RefusesUs("RCPT", "550 5.7.27", certain=False)
    for _ in range(9):
        breaker.note(doubt, "ana")
    breaker.note(doubt, "bo")
    assert breaker.lets_through(8, in_flight=0) == 8
    breaker.note(Taken(), "di")
    breaker.note(doubt, "cy")
    breaker.note(doubt, "ana")
    assert breaker.lets_through(8, in_flight=0) == 8, "somebody was taken in between"
    breaker.note(doubt, "bo")
    assert breaker.lets_through(8, in_flight=0) == 0


def test_the_gauge_says_for_which_reason_it_rests_and_for_no_other() -> None:
    clock = FixedClock()
    breaker = Breaker(clock, lambda: 0.0)
    causes: dict[Reason, Handed] = {
        "refuses": RefusesUs("AUTH", "535 5.7.8"),
        "away": NotTaken("connection lost", away=True),
        "in_doubt": RefusesUs("RCPT", "550 5.7.27", certain=False),
    }
    for reason, cause in causes.items():
        for candidate in ("ana", "bo", "cy"):
            breaker.note(cause, candidate)
        assert {name for name in causes if RELAY_RESTS.labels(name)._value.get()} == {reason}
        breaker.note(Taken(), "di")
        assert not any(RELAY_RESTS.labels(name)._value.get() for name in causes)


def test_a_refusal_of_us_is_counted_at_its_step() -> None:
    before = REFUSALS.labels("AUTH")._value.get()
    breaker = Breaker(FixedClock(), lambda: 0.0)
    breaker.note(RefusesUs("AUTH", "535 5.7.8"), "ana")
    breaker.note(Taken(), "ana")
    assert REFUSALS.labels("AUTH")._value.get() == before + 1
