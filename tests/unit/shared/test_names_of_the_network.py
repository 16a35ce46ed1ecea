"""What is read as the network's own name, and what is not."""

import pytest

from shared.names import names_the_network


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
    ],
)
def test_what_is_read_as_the_networks_name_is_it(text: str) -> None:
    assert names_the_network(text)


@pytest.mark.parametrize("text", ["Denver Health", "Night-shift RN, Denver", "Pool attendant, fair pay", "Carpool", ""])
def test_other_words_are_not(text: str) -> None:
    assert not names_the_network(text)
