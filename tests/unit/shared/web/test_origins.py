"""One caller is one network, however its address is written."""

import pytest

from services.signup.vault.addresses import origin_index
from shared.web.budgets import _origin
from shared.web.origins import network_of

KEY = bytes(32)


@pytest.mark.parametrize("written", ["192.0.2.7", "::ffff:192.0.2.7", "::FFFF:c000:207", "64:ff9b::c000:207"])
def test_an_ipv4_address_is_one_caller_however_ipv6_writes_it(written: str) -> None:
    assert network_of(written) == "192.0.2.7"
    assert _origin({"client": (written, 1)}) == "192.0.2.7"
    assert origin_index(written, KEY) == origin_index("192.0.2.7", KEY)


@pytest.mark.parametrize(("one", "other"), [("::ffff:192.0.2.7", "::ffff:192.0.2.8"), ("64:ff9b::1", "64:ff9b::2")])
def test_two_ipv4_addresses_do_not_share_a_budget_because_they_came_over_ipv6(one: str, other: str) -> None:
    assert network_of(one) != network_of(other)
    assert origin_index(one, KEY) != origin_index(other, KEY)


def test_of_ipv6_the_whole_64_is_one_caller() -> None:
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:1") != network_of("2001:db8:0:1::1")


def test_what_is_no_address_stays_as_it_is() -> None:
    assert network_of("testclient") == "testclient"
    assert network_of("") == ""
