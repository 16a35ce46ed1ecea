"""Boxes open with their key and their context, or not at all; and how bytes are written."""

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from shared.security import boxes, encoding
from shared.security.boxes import CannotOpenError

KEY = bytes(range(32))


def test_the_library_does_aes_256_gcm_as_the_gcm_specification_has_it_in_test_case_16() -> None:
    key = bytes.fromhex("feffe9928665731c6d6a8f9467308308" * 2)
    plain = bytes.fromhex(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525"
        "b16aedf5aa0de657ba637b39"
    )
    associated = bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
    sealed = AESGCM(key).encrypt(bytes.fromhex("cafebabefacedbaddecaf888"), plain, associated)
    assert sealed[-16:].hex() == "76fc6ece0f4e1768cddf8853bb2d551b"


def test_what_is_put_in_comes_out_with_key_and_context() -> None:
    box = boxes.seal(KEY, b"Ana", context="identity:c-1:name:1")
    assert boxes.unseal(KEY, box, context="identity:c-1:name:1") == b"Ana"


def test_the_same_thing_never_makes_the_same_box() -> None:
    made = [boxes.seal(KEY, b"Ana", context="c") for _ in range(100)]
    assert len(set(made)) == len({box[:12] for box in made}) == 100


@pytest.mark.parametrize("context", ["identity:c-2:name:1", "identity:c-1:mail:1", "identity:c-1:name:2", ""])
def test_a_box_moved_to_another_person_field_or_version_does_not_open(context: str) -> None:
    box = boxes.seal(KEY, b"Ana", context="identity:c-1:name:1")
    with pytest.raises(CannotOpenError):
        boxes.unseal(KEY, box, context=context)


def test_another_key_does_not_open() -> None:
    with pytest.raises(CannotOpenError):
        boxes.unseal(boxes.new_key(), boxes.seal(KEY, b"Ana", context="c"), context="c")


def test_no_flipped_bit_and_no_cut_is_taken() -> None:
    box = boxes.seal(KEY, b"Ana", context="c")
    changed = [
        bytes(byte ^ (1 << bit % 8) * (place == bit // 8) for place, byte in enumerate(box))
        for bit in range(len(box) * 8)
    ]
    for bad in [*changed, *(box[:length] for length in range(len(box)))]:
        with pytest.raises(CannotOpenError):
            boxes.unseal(KEY, bad, context="c")


def test_the_error_names_the_kind_of_box_and_neither_person_nor_content() -> None:
    with pytest.raises(CannotOpenError) as raised:
        boxes.unseal(KEY, b"", context="identity:c-1:name:1")
    assert str(raised.value) == "a box for identity does not open"


@pytest.mark.parametrize("raw", [b"", b"\x00", b"\xff\xfe", bytes(range(256))])
def test_base64url_is_read_back(raw: bytes) -> None:
    text = encoding.encode(raw)
    assert encoding.decode(text) == raw
    assert not set(text) & set("+/=")


@pytest.mark.parametrize("text", ["=", "AA==", "A", "AB", "A A", "+/", "é", "AAAA\n"])
def test_what_is_not_the_one_way_to_write_it_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not base64url"):
        encoding.decode(text)


@given(st.text("AQgwZ9-_+/=\n\x00\u00e9", max_size=12))
def test_base64url_is_read_only_as_it_is_written(text: str) -> None:
    try:
        raw = encoding.decode(text)
    except ValueError:
        return
    assert encoding.encode(raw) == text
