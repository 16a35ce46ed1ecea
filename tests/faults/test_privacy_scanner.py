"""The privacy scanner itself: whatever form a field is in, it is found; and it never tells what it found."""

import base64
import gzip
import hashlib
import json
import quopri
import zlib
from urllib.parse import quote, quote_plus

import cramjam
import pytest

from deploy.checks.privacy import Canary, Scanner

NAME = "Zoë Quillfeatherstone"
MAIL = "Zoe.Quillfeatherstone@example.org"
SCANNER = Scanner([Canary("name", NAME), Canary("mail", MAIL), Canary("phone", "+13035550100")])


@pytest.mark.parametrize("text", [NAME, MAIL, "+13035550100"])
@pytest.mark.parametrize(
    "written",
    [
        lambda text: text.encode(),
        lambda text: text.lower().encode(),
        lambda text: text.upper().encode() if text.isascii() else text.encode(),
        lambda text: base64.b64encode(text.encode()),
        lambda text: base64.b64encode(b"x" + text.encode() + b"y"),
        lambda text: base64.urlsafe_b64encode(b"xy" + text.encode() + b"xyz"),
        lambda text: base64.b64encode(b"{" + text.lower().encode()),
        lambda text: text.encode().hex().encode(),
        lambda text: text.encode().hex().upper().encode(),
        lambda text: quote(text, safe="").encode(),
        lambda text: quote_plus(text).encode(),
        lambda text: json.dumps({"a": text}).encode(),
        lambda text: json.dumps({"a": text}, ensure_ascii=False).encode(),
        lambda text: "".join(f"\\u{ord(mark):04X}" for mark in text).encode(),
        lambda text: quopri.encodestring(text.encode()),
        lambda text: quopri.encodestring(b"x" * 70 + text.encode()),
        lambda text: gzip.compress(b"x" + text.encode()),
        lambda text: zlib.compress(text.encode()),
        lambda text: bytes(cramjam.zstd.compress(text.encode())),
        lambda text: gzip.compress(bytes(cramjam.zstd.compress(base64.b64encode(text.encode())))),
        lambda text: text.encode("utf-16-le"),
        lambda text: text.upper().encode("utf-16-be") if text.isascii() else text.encode("utf-16-be"),
        lambda text: text.casefold().encode(),
        lambda text: hashlib.sha256(text.encode()).digest(),
        lambda text: hashlib.sha256(text.lower().encode()).hexdigest().encode(),
        lambda text: base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()),
    ],
)
def test_a_field_is_found_in_every_encoding(text: str, written: object) -> None:
    assert SCANNER.find(b"before " + written(text) + b" after")  # type: ignore[operator]  # a lambda


def test_what_it_says_does_not_name_the_field_itself() -> None:
    said = SCANNER.find(f"a {MAIL} in a log".encode())
    assert said == ["mail in clear"]
    assert MAIL not in repr(Canary("mail", MAIL))


def test_harmless_bytes_hold_nothing() -> None:
    assert SCANNER.find(b"candidate 0190-77 was admitted, rule network_window" * 20) == []
    assert SCANNER.find(b"") == []


def test_a_short_canary_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 12"):
        Canary("name", "Ana")
