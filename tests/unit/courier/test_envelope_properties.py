"""A mail as it is written at once, beside the same by the standard library: readers find the same headers and words in both."""

import email
import re
from dataclasses import replace
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, default

from hypothesis import given
from hypothesis import strategies as st

from services.signup.courier.adapters import envelope
from services.signup.courier.adapters.envelope import Envelope, alternative
from tests.unit.courier.test_envelope import ENVELOPE

LINES = st.lists(
    st.one_of(
        st.text(max_size=200),
        st.sampled_from(
            [".", "..", ". a", "From me", "a" * 79, "a" * 78, "b" * 2000, "ends with a blank ", "tab\t", "=3D", "=?utf-8?q?x?=",
             "--", "--=0123=", "Bcc: all@example.org", "東京" * 50, "łódź", "\r", "a\rb", "\x00", "\x0c", "\u2028", "\u0085"]
        ),
    ),
    max_size=12,
)  # fmt: skip
BODIES = LINES.map("\n".join) | LINES.map("\r\n".join)
WORDS = st.one_of(
    st.text(max_size=120),
    st.text(alphabet=' \t\r\n!-~=?_ab:<>@,;"\\()ü', max_size=60),
    st.sampled_from(
        ["Hello\r\nBcc: all@example.org", "=?utf-8?q?Hi=0D=0ABcc:_evil@example.net?=", "a" * 990, " x", "x ", "a  b"]
    ),
)
ADDRESSES = st.one_of(
    st.sampled_from(["ana@people.example", "a@x.example, b@x.example", "a@x.example\r\nBcc: b@x.example", '"a b"@x.example',
                     "a..b@x.example", ".a@x.example", "a@x", "ą@x.example", "a@x.example "]),
    st.emails(),
    st.text(alphabet="ab.@+-_ <>\r\n", max_size=20),
)  # fmt: skip


def by_the_standard_library(text: str, html: str) -> bytes:
    """What one would write first."""
    message = EmailMessage(SMTP.clone(cte_type="7bit"))
    message.set_content(text)
    message.add_alternative(html, subtype="html")
    return message.as_bytes()


def read(raw: bytes) -> list[tuple[str, object, str]]:
    message = email.message_from_bytes(raw, policy=default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    assert message["Content-Type"].content_type == "multipart/alternative"
    assert not message["Content-Type"].defects
    parts = [part for part in message.iter_parts() if isinstance(part, EmailMessage)]
    assert not any(part.defects for part in parts)
    return [
        (part.get_content_type(), part.get_content_charset(), _as_lines(part.get_content(errors="strict")))
        for part in parts
    ]


def _as_lines(text: str) -> str:
    """The standard library turns the line ends of what it encodes into LF, and leaves those of what it does not."""
    return text.replace("\r\n", "\n")


@given(BODIES, BODIES)
def test_both_bodies_read_as_those_of_the_standard_library_in_short_lines_of_seven_bits(text: str, html: str) -> None:
    raw = alternative(text, html)
    assert read(raw) == read(by_the_standard_library(text, html))
    assert raw.isascii()
    assert b"\r" not in raw.replace(b"\r\n", b"")
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert max(map(len, raw.split(b"\r\n"))) <= 78


@given(WORDS, WORDS, ADDRESSES, st.none() | WORDS)
def test_what_is_taken_for_plain_reads_as_it_was_written(subject: str, name: str, to: str, more: str | None) -> None:
    try:
        sender = Address(name, "outreach", "fairpool.test")
    except ValueError:  # no name at all
        return
    headers = {
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "List-Unsubscribe": more or "<https://x.test/u/1>",
    }
    envelope = replace(ENVELOPE, subject=subject, sender=sender, recipient=to, more=headers)
    raw = envelope.write("text", "<p>html</p>")
    if raw is not None:
        assert reads_as_written(envelope, raw)
    elif envelope._is_plain():
        raise AssertionError("what is plain leaves")


def reads_as_written(envelope: Envelope, raw: bytes) -> bool:
    """By the standard library's parser, whole; and no line of the head is one that nobody wrote."""
    names = {line.partition(b":")[0] for line in re.split(rb"\r\n(?![ \t])", raw.partition(b"\r\n\r\n")[0])}
    expected = {b"From", b"To", b"Subject", b"Date", b"Message-ID", b"MIME-Version", b"Content-Type"}
    return names == expected | {name.encode() for name in envelope.more} and envelope._reads_as_written(raw)


def test_what_parts_the_bodies_of_this_process_mails_parts_no_words_that_hold_it() -> None:
    text = f"--{envelope._BOUNDARY.decode()}\nContent-Type: text/plain\n\nnot ours\n"
    raw = envelope.joined(b"Content-Type: text/plain\r\n\r\n" + text.replace("\n", "\r\n").encode())
    message = email.message_from_bytes(raw, policy=default)
    assert isinstance(message, EmailMessage)
    (part,) = message.iter_parts()
    assert isinstance(part, EmailMessage)
    assert part.get_content().replace("\r\n", "\n") == text
