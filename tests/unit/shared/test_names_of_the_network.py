"""What is read as the network's own name, and what is not."""

import pytest

from shared.names import holds_the_networks_name, names_the_network


@pytest.mark.parametrize(
    "text",
    [
        "Fairpool Security Team: your session is over",
        "FAIRPOOL",
        "Fair pool",
        "fair-pool support",
        "Fa1rpool",
        "Fairp00l",
        "F\u0430irpool",  # a Cyrillic letter
        "Fa\u200birpool",
        "\uff26\uff41\uff49\uff52pool",
        "The Fa\u00edrpool Inc.",
        "MyFairpoolAccount",
        "Message from Fair Pool",
        "Your FAIR POOL account",
        "\u201cFair Pool\u201d support",
        "Fair/Pool: please confirm your account",
        "Fair:Pool sign-in link",
        "Fair(Pool) asks you",
        "[Fair]Pool",
        "F/a/i/r/p/o/o/l security",
        "Fair Pool\u2019s security team",
        "Security notice: Fair pool team",
        "Notice - Fair pool",
        "fair pool support",
        "the fair-pool team",
        "Team of fair_pool",
        "FairPool",
        "F a i r p o o l",
        "Fa ir pool",
        "Fairp ool",
        "Your Fa1r P00l account",
        "F\u0430ir P\u043eol",
    ],
)
def test_what_is_read_as_the_networks_name_is_it(text: str) -> None:
    assert names_the_network(text)
    assert holds_the_networks_name(text)


@pytest.mark.parametrize(
    "text",
    [
        *("Denver Health", "Night-shift RN, Denver", "Pool attendant, fair pay", "Carpool", ""),
        "Lifeguard at the State Fair pool",
        "State Fair Pool Lifeguard",
        "STATE FAIR POOL ATTENDANT",
        "The county fair, pool and rides",
        "County Fair - Pool Attendant",
        "County Fair (Pool)",
        "County Fair --- Pool",
        "We draw from a fair pool of people",
        "A fair pool, good pay",
        "Unfair pool prices",
        "Affair Poolside",
        "Chief air pool engineer",
        "Fair and pool",
    ],
)
def test_other_words_are_not(text: str) -> None:
    assert not names_the_network(text)


def test_the_name_of_a_company_may_not_hold_it_however_it_is_divided() -> None:
    for name in ("Fair Pool", "State Fair pool", "Denver Fair-Pool", "F a i r p o o l"):
        assert holds_the_networks_name(name)
    assert not holds_the_networks_name("Carpool")
