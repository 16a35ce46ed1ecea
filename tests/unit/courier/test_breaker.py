"""How many mails go to a relay that refuses us."""

from datetime import timedelta

from services.signup.courier.breaker import Breaker
from services.signup.courier.model import RefusesUs, Taken
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
