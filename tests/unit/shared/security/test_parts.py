"""What is too large for a record travels in parts, each sealed to one reader."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.bounds import LONGEST
from shared.security.boxes import CannotOpenError
from shared.security.parts import CHUNK, LARGEST, open_part, pack, seal_part, unpack
from shared.security.words import KeyPair

PAIR, OTHER = KeyPair.generate(), KeyPair.generate()
NAMES = st.from_regex(r"[a-z][a-z-]{0,20}\.json", fullmatch=True)


@given(st.dictionaries(NAMES, st.binary(max_size=2000), max_size=5))
def test_what_was_packed_is_unpacked(files: dict[str, bytes]) -> None:
    assert unpack(pack(files)) == files


def test_a_large_one_is_cut_into_parts_that_fit_a_record() -> None:
    files = {"a.json": os.urandom(2 * CHUNK), "b.json": b"{}"}
    chunks = pack(files)
    assert [len(chunk) <= CHUNK for chunk in chunks] == [True] * 3
    sealed = [seal_part(chunk, PAIR.public, context=str(n)) for n, chunk in enumerate(chunks)]
    assert max(map(len, sealed)) < LONGEST
    assert unpack([open_part(one, PAIR, context=str(n)) for n, one in enumerate(sealed)]) == files


def test_what_no_number_of_parts_holds_is_refused() -> None:
    with pytest.raises(ValueError, match="more than"):
        pack({"a.json": bytes(LARGEST)})


@pytest.mark.parametrize("name", ["../a.json", "A.json", "a/b.json", "a.exe", ""])
def test_a_name_that_could_lead_elsewhere_does_not_travel(name: str) -> None:
    with pytest.raises(ValueError, match="no names"):
        pack({name: b""})
    with pytest.raises(ValueError, match="not what"):
        unpack([f'[["{name}", 0]]\n'.encode()])


@pytest.mark.parametrize("whole", [b"", b"{", b'[["a.json", 3]]\nab', b'[["a.json", 1]]\nab', b'[["a.json", -1]]\n'])
def test_what_was_not_packed_is_refused(whole: bytes) -> None:
    with pytest.raises(ValueError):
        unpack([whole])


def test_a_part_opens_in_its_own_place_with_its_own_key_alone() -> None:
    sealed = seal_part(b"words\nand more", PAIR.public, context="1 of 2")
    assert open_part(sealed, PAIR, context="1 of 2") == b"words\nand more"
    changed = sealed[:-2] + ("AA" if sealed[-2:] != "AA" else "BB")
    for text, pair, context in (
        (sealed, OTHER, "1 of 2"),
        (sealed, PAIR, "2 of 2"),
        (changed, PAIR, "1 of 2"),
        ("", PAIR, ""),
    ):
        with pytest.raises(CannotOpenError):
            open_part(text, pair, context=context)


@pytest.mark.parametrize("key", ["", "nonsense", "AAAA"])
def test_what_is_no_key_seals_nothing(key: str) -> None:
    with pytest.raises(ValueError):
        seal_part(b"", key, context="")
