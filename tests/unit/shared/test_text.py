"""What words and links may be made of."""

import pytest

from shared.text import readable, speaks_of_a_person, why_not_public, why_not_readable

UNREADABLE = [
    "\x00", "\x07", "\x1b", "\x0b", "\x0c", "\x7f", "\x85", "\x9b", "\r", "\u2028", "\u2029", "\ud800",
    "\u061c", "\u200e", "\u200f", "\u202a", "\u202e", "\u2066", "\u2069",
    "\u00ad", "\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u3164", "\U000e0041",
]  # fmt: skip


@pytest.mark.parametrize("mark", UNREADABLE)
def test_what_a_reader_cannot_see_is_refused_by_name_and_taken_out_of_a_letter(mark: str) -> None:
    wrong = why_not_readable(f"Come to{mark}day")
    assert wrong is not None
    assert f"U+{ord(mark):04X}" in wrong
    assert mark not in readable(f"Come to{mark}day")


@pytest.mark.parametrize(
    "text",
    [
        "We are hiring.\r\n\r\n\tPay: $40 an hour\nCome by!",
        "Zażółć gęślą jaźń, 東京, أهلا, שלום",
        "A nurse: 👩‍⚕️, 👩🏽‍⚕️, and a heart ❤️",
        "می‌خواهم",
        "क्‍ष",
    ],
)
def test_words_of_every_script_are_left_as_they_are(text: str) -> None:
    assert why_not_readable(text) is None
    assert readable(text) == text.replace("\r\n", "\n")


def test_every_kind_of_line_end_is_one_line_end() -> None:
    assert readable("a\r\nb\rc\x0bd\x0ce\x85f\u2028g\u2029h") == "a\nb\nc\nd\ne\nf\ng\nh"


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "10.0.0.7", "8.8.8.8", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "[::1]", "[2001:db8::1]",
        "localhost", "localhost.", "jobs", "jobs.localhost", "printer.local", "jobs.internal", "jobs.corp", "router.home.arpa",
        "x.onion", "a.test", "a.invalid", "", "..", "jobs..org", "jobs.example.123", "-a.example.org",
    ],
)  # fmt: skip
def test_a_link_that_leads_to_no_public_name_is_refused(host: str) -> None:
    assert why_not_public(host) is not None


@pytest.mark.parametrize("host", ["jobs.example.org", "JOBS.Example.ORG", "example.org.", "xn--w-uga1v8h.xn--p1ai", "a_b.example.org"])  # fmt: skip
def test_a_public_name_is_taken(host: str) -> None:
    assert why_not_public(host) is None


@pytest.mark.parametrize(
    "text",
    ["ana@example.org", "call 3035550100", "303-555-0100", "(303) 555 0100", "+1 303.555.0100", "555\u20110100 555"],
)
def test_an_email_or_a_phone_number_speaks_of_a_person(text: str) -> None:
    assert speaks_of_a_person(text)


@pytest.mark.parametrize("text", ["complaints, case 7", "case 123456", "ticket 4711 of 2026-11-27", "2026-11-27 13:40"])
def test_a_case_or_a_date_does_not(text: str) -> None:
    assert not speaks_of_a_person(text)
