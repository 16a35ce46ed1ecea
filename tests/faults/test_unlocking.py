"""What somebody could read who has everything stored and the keys that are left."""

import base64
import io
import os
import zipfile
from collections.abc import Sequence
from typing import get_args

import pytest

from deploy.checks.privacy import Canary, Scanner
from deploy.checks.unlocking import Loot
from shared.contracts.outreach_gateway import Job, Words
from shared.security import boxes, encoding
from shared.security.parts import pack, seal_part
from shared.security.words import KeyPair, WordsForm, seal_words

_VAULT = boxes.new_key()
_OTHERS = [boxes.new_key() for _ in range(3)]
_CONTEXT = "whoever:whatever:1"


def opened(loot: Sequence[bytes], *keys: bytes) -> list[bytes]:
    found = Loot()
    for value in loot:
        found.add(value)
    return list(found.read(found.keys([*_OTHERS, *keys])))


@pytest.mark.parametrize(
    "stored",
    [
        lambda box: box,
        lambda box: b'{"sealed": "' + encoding.encode(box).encode() + b'"}',
        lambda box: b"x " + base64.b64encode(box) + b" y",
        lambda box: b"\\x" + box.hex().encode() + b"\t",
    ],
)
def test_a_box_is_opened_however_it_is_stored_and_whatever_its_context(stored: object) -> None:
    box = boxes.seal(_VAULT, b"Quillfeatherstone", context=_CONTEXT)
    assert b"Quillfeatherstone" in opened([stored(box)], _VAULT)  # type: ignore[operator]  # a lambda
    assert b"Quillfeatherstone" not in opened([stored(box)])  # type: ignore[operator]  # a lambda


def test_a_key_that_comes_out_opens_what_it_sealed() -> None:
    key = boxes.new_key()
    loot = [boxes.seal(_VAULT, key, context=_CONTEXT), boxes.seal(key, b"Quillfeatherstone", context=_CONTEXT)]
    assert b"Quillfeatherstone" in opened(loot, _VAULT)
    assert b"Quillfeatherstone" not in opened(loot[1:], _VAULT), "without the wrapped key it is dark"


@pytest.mark.parametrize("form", get_args(WordsForm))
def test_words_are_read_with_the_private_key_that_comes_out(form: WordsForm) -> None:
    key, pair = boxes.new_key(), KeyPair.generate()
    job = Job.model_validate(
        {"title": "Nurse", "organization": "Works", "location": "Denver", "remote": False, "occupation": "29-1141"}
        | {"url": "https://jobs.example.org/1", "valid_through": "2027-01-01"}
        | {"pay": {"min": 1, "max": 2, "currency": "USD", "per": "year"}}
    )
    words = Words(outreach="o_1", subject="Quillfeatherstone", body="Hello", job=job)
    loot = [
        boxes.seal(_VAULT, key, context=_CONTEXT),
        boxes.seal(key, pair.private.encode(), context=_CONTEXT),
        b'{"sealed": "' + seal_words(words, pair.public, form).encode() + b'"}',
    ]
    assert any(b"Quillfeatherstone" in found for found in opened(loot, _VAULT))
    assert not any(b"Quillfeatherstone" in found for found in opened(loot))


def test_a_part_of_an_export_is_read_as_long_as_the_key_of_that_export_is_there() -> None:
    key, pair = boxes.new_key(), KeyPair.generate()
    [chunk] = pack({"messages.json": b"Quillfeatherstone " * 14_000})
    part = b'{"sealed": "' + seal_part(chunk, pair.public, context="whose").encode() + b'"}'
    wrapped = boxes.seal(_VAULT, key, context=_CONTEXT)
    private = boxes.seal(key, pair.private.encode(), context=_CONTEXT)
    assert any(b"Quillfeatherstone" in found for found in opened([wrapped, private, part], _VAULT))
    assert not any(b"Quillfeatherstone" in found for found in opened([wrapped, part], _VAULT)), "the zip is made"


def test_what_is_in_a_sealed_zip_is_found() -> None:
    key, out = boxes.new_key(), io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        at_night = (2026, 11, 29, 20, 59, 58)  # in the header as bytes that no text has
        archive.writestr(zipfile.ZipInfo("resume.json", at_night), b'{"note": "nothing"}' * 20)
        archive.writestr("messages.json", b'{"name": "Quillfeatherstone"}' * 20)
    loot = [boxes.seal(_VAULT, key, context=_CONTEXT), boxes.seal(key, out.getvalue(), context=_CONTEXT)]
    scanner = Scanner([Canary("name", "Quillfeatherstone")])
    assert any("name in clear in zip" in scanner.find(found) for found in opened(loot, _VAULT))
    assert not any(scanner.find(found) for found in opened(loot[1:], _VAULT))


def test_noise_is_no_obstacle() -> None:
    assert opened([os.urandom(size) for size in range(100)] + [b"eyJhIjoxfQ.a.b.c.d", b""])
