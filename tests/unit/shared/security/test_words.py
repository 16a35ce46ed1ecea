"""Employers' words: only the person's key opens them, and only for their own outreach."""

import json

import pytest

from shared.contracts.outreach_gateway import Words
from shared.security import encoding
from shared.security.boxes import CannotOpenError
from shared.security.words import KeyPair, open_words, seal_words

WORDS = Words.model_validate(
    {
        "outreach": "o_1",
        "subject": "Night-shift RN, Denver",
        "body": "A canary of the employer's words.",
        "job": {
            "title": "Registered nurse",
            "occupation": "29-1141",
            "organization": "Denver Health",
            "location": "Denver, CO",
            "remote": False,
            "pay": {"min": 82000, "max": 96000, "currency": "USD", "per": "year"},
            "url": "https://jobs.example.org/42",
            "valid_through": "2027-01-31",
        },
    }
)
PAIR = KeyPair.generate()


def test_words_open_with_the_persons_key() -> None:
    assert open_words(seal_words(WORDS, PAIR.public), PAIR, outreach="o_1") == WORDS


def test_sealed_words_show_nothing_and_are_never_the_same_twice() -> None:
    first, second = seal_words(WORDS, PAIR.public), seal_words(WORDS, PAIR.public)
    assert first != second
    for part in first.split("."):
        assert b"canary" not in encoding.decode(part)


def test_the_header_names_the_algorithms_and_nobody() -> None:
    header = json.loads(encoding.decode(seal_words(WORDS, PAIR.public).split(".")[0]))
    assert set(header) == {"alg", "enc", "epk"}
    assert (header["alg"], header["enc"], header["epk"]["crv"]) == ("ECDH-ES", "A256GCM", "X25519")


def test_words_sealed_to_another_key_do_not_open() -> None:
    with pytest.raises(CannotOpenError, match="do not open"):
        open_words(seal_words(WORDS, KeyPair.generate().public), PAIR, outreach="o_1")


def test_words_of_another_outreach_are_refused() -> None:
    with pytest.raises(CannotOpenError, match="another outreach"):
        open_words(seal_words(WORDS, PAIR.public), PAIR, outreach="o_2")


def test_words_that_were_changed_do_not_open() -> None:
    parts = [bytearray(encoding.decode(part)) for part in seal_words(WORDS, PAIR.public).split(".")]
    for place in (3, 4):
        parts[place][0] ^= 1
        with pytest.raises(CannotOpenError):
            open_words(".".join(encoding.encode(bytes(part)) for part in parts), PAIR, outreach="o_1")
        parts[place][0] ^= 1


@pytest.mark.parametrize("sealed", ["", "....", "a.b.c.d.e", "é", "x" * 1000])
def test_what_is_no_seal_does_not_open_and_shows_nothing(sealed: str) -> None:
    with pytest.raises(CannotOpenError) as raised:
        open_words(sealed, PAIR, outreach="o_1")
    assert str(raised.value) == "these words do not open with this person's key"


def test_a_pair_hides_itself() -> None:
    assert repr(PAIR) == "KeyPair(hidden)"
    assert PAIR.private not in f"{PAIR} {PAIR!r}"
