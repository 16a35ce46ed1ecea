"""Headers against a parser of the standards that knows nothing of how they were written."""

import email
import random
from dataclasses import replace
from email.header import decode_header, make_header
from email.headerregistry import Address
from email.policy import default
from email.utils import parseaddr

import pytest

from services.signup.courier.adapters.envelope import Envelope, message_id
from tests.fakes.clock import NOON

ENVELOPE = Envelope(
    Address("Denver Health (denverhealth.org) through Fairpool", "outreach", "fairpool.test"),
    "ana@people.example",
    "Night-shift RN",
    NOON,
    message_id("outreach", "o_1", bytes(32), "fairpool.test"),
    {"List-Unsubscribe": f"<https://consent.test/u/{'x' * 500}>"},
)


def named(name: str) -> Envelope:
    return replace(ENVELOPE, sender=Address(name, "outreach", "fairpool.test"))


@pytest.mark.parametrize(
    "envelope",
    [
        replace(ENVELOPE, subject="Hello\r\nBcc: all@example.org"),
        replace(ENVELOPE, subject="=?utf-8?q?Hi=0D=0ABcc:_evil@example.net?= there"),
        replace(ENVELOPE, subject="=?utf-8?q?another?="),
        named("=?utf-8?q?another?="),
        replace(ENVELOPE, recipient="a@x.example, b@x.example"),
        replace(ENVELOPE, recipient="a@x.example\r\nBcc: b@x.example"),
        replace(ENVELOPE, message_id="<0192f0c1-2a3b-7c4d-8e5f-60718293a4b5:confirm:1.1@fairpool.test>"),
        replace(ENVELOPE, message_id="<a b@fairpool.test>"),
        replace(ENVELOPE, message_id="no brackets@fairpool.test"),
        replace(ENVELOPE, more={"List-Unsubscribe": "<https://x>\r\nX-Evil: 1"}),
        replace(ENVELOPE, more={"X-Note": "zażółć"}),
        replace(ENVELOPE, more={"Subject": "twice"}),
        named('"' * 900),
        replace(ENVELOPE, subject="a" * 990),
        replace(ENVELOPE, more={"List-Unsubscribe": f"<https://consent.test/u/{'x' * 990}>"}),
    ],
    ids=range(15),
)
def test_headers_that_a_reader_would_find_otherwise_stop_the_mail(envelope: Envelope) -> None:
    assert envelope.write("text", "<p>html</p>") is None


@pytest.mark.parametrize(
    "text",
    [
        "Night-shift RN, Denver", 'Quotes "and" \\ more', "Zażółć gęślą jaźń " * 10, "東京" * 60, "🙂" * 60, "a" * 200, "Two  blanks",
        "Comma, semicolon; colon: at@sign <angle> (parens) [square]", "Kraków: (szpital.pl), \"Żeromski\"", "a-ż-" * 40, "ü", "%20=20_",
    ],
)  # fmt: skip
def test_names_and_subjects_of_any_script_and_length_read_as_they_were_written(text: str) -> None:
    raw = replace(named(text), subject=text).write("text", "<p>html</p>")
    assert raw is not None
    found = email.message_from_bytes(raw, policy=default)
    name, address = parseaddr(email.message_from_bytes(raw)["From"])
    assert (found["Subject"], str(make_header(decode_header(name))), address) == (text, text, "outreach@fairpool.test")
    assert raw.isascii()
    folded = raw.partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert max(len(line) for line in folded) <= 998
    assert all(len(word) <= 75 for line in folded for word in line.split() if word.startswith(b"=?"))


def test_no_name_that_is_one_line_is_kept_from_leaving() -> None:
    chance = random.Random(7)  # noqa: S311 - names, not secrets
    signs = "abc  ABC019,;:.@<>()[]\\\"'/-_=?%&+!~`^|{}ąéß東🙂אب"
    for _ in range(1000):
        name = " ".join("".join(chance.choice(signs) for _ in range(chance.randint(1, 80))).split())
        if name and not ("=?" in name and "?=" in name):
            assert replace(named(f"{name} through Fairpool"), subject=name).write("t", "h") is not None, name
