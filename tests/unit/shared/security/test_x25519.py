"""Whatever passes for a person's key can be sealed to, in both forms; nothing else passes."""

from typing import get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.security import encoding
from shared.security.words import KeyPair, WordsForm, seal_words
from shared.security.x25519 import is_public_key
from tests.unit.shared.security.test_words import WORDS

LOW_ORDER = [
    encoding.encode(number.to_bytes(32, "little"))
    for prime in [2**255 - 19]
    for number in (
        0,
        1,
        prime - 1,
        prime,
        prime + 1,
        325606250916557431795983626356110631294008115727848805560023387167927233504,
        39382357235489614581723060781553021112529911719440698176882885853963445705823,
    )
]
"""The points with which everybody shares the same secret, in each way to write them that is below 2^255."""


BASE = encoding.encode((9).to_bytes(32, "little"))
"""A key like any other."""


@pytest.mark.parametrize("text", [*LOW_ORDER, "", "key", "A" * 42, "A" * 44, "é" * 43, f"{BASE}="])
def test_what_is_no_key_does_not_pass(text: str) -> None:
    assert not is_public_key(text)


def test_a_persons_key_passes() -> None:
    assert is_public_key(KeyPair.generate().public)
    assert is_public_key(BASE)


@given(st.binary(min_size=32, max_size=32).map(encoding.encode) | st.sampled_from(LOW_ORDER) | st.text(max_size=50))
@example("key")
def test_what_passes_can_be_sealed_to_in_both_forms_and_nothing_else_in_the_one_of_today(text: str) -> None:
    forms: tuple[WordsForm, ...] = get_args(WordsForm) if is_public_key(text) else ()
    for form in forms:
        assert seal_words(WORDS, text, form)
    if not forms:
        with pytest.raises(ValueError):
            seal_words(WORDS, text, "hpke")
