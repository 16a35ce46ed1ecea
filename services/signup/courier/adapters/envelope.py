"""The headers of a mail, written so that every mailbox reads them as they are meant, and a check that it does."""

import base64
import binascii
import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.header import Header, decode_header, make_header
from email.headerregistry import Address
from email.policy import default
from email.utils import format_datetime, parseaddr
from functools import lru_cache
from typing import Literal

_PLAIN_ADDRESS = re.compile(r"[A-Za-z0-9_+.-]+@[a-z0-9.-]+")
_LONGEST_PLAIN = 900
_LONGEST_LINE = 998
"""RFC 5322, section 2.1.1; servers refuse or cut what is longer."""
_OTHERS = frozenset({"List-Unsubscribe", "List-Unsubscribe-Post", "Auto-Submitted"})
"""Headers of which a reader makes nothing but their text."""
_READABLE = 78
"""RFC 5322, section 2.1.1: what fits is sent as it is, else encoded."""
_MESSAGE_ID = re.compile(r"<[0-9a-f]{32}@[a-z0-9.-]+>")
_ENCODED_WORD = 75  # RFC 2047, section 2
_SENDERS_KNOWN = 256
_BOUNDARY = f"={secrets.token_hex(12)}=".encode()
"""Of all mails of this process, unless it is in one."""
_MIME = ("Content-Type", "MIME-Version")
_PART_HEADS: Mapping[Literal["plain", "html"], bytes] = {
    "plain": b'Content-Type: text/plain; charset="utf-8"\r\nContent-Transfer-Encoding: ',
    "html": b'Content-Type: text/html; charset="utf-8"\r\nContent-Transfer-Encoding: ',
}


@dataclass(frozen=True, slots=True)
class Envelope:
    """What stands in the headers of one mail. `sender` is a display name and an address of ours."""

    sender: Address
    recipient: str
    subject: str
    at: datetime
    message_id: str
    more: Mapping[str, str]
    """Other headers, in ASCII; a link in them is never folded."""

    def write(self, text: str, html: str) -> bytes | None:
        """The mail with both bodies, as `around`."""
        return self.around(alternative(text, html))

    def around(self, body: bytes) -> bytes | None:
        """The mail, CRLF line ends, its `body` with headers of its own (`joined`); None when a reader would not find exactly
        these headers and values.

        Nor with a line that is longer than a mail's may be: a name is escaped, so it may be that only here.
        """
        more = "".join([f"{name}: {value}\r\n" for name, value in self.more.items()])
        head = (
            f"From: {_sender(self.sender.display_name, self.sender.addr_spec)}\r\nTo: {self.recipient}\r\n"
            f"Subject: {_words(self.subject, 'Subject')}\r\nDate: {_date(self.at)}\r\n"
            f"Message-ID: {self.message_id}\r\n{more}MIME-Version: 1.0\r\n"
        ).encode("ascii", "replace")
        if len(head) > _LONGEST_LINE and max(map(len, head.split(b"\r\n"))) > _LONGEST_LINE:
            return None
        if not self._is_plain() and not self._reads_as_written(head + b"Content-Type: text/plain\r\n\r\n"):
            return None
        return head + body

    def _is_plain(self) -> bool:
        """Whether every header is of a form that a reader gives back as it stands; others are read to see.

        Reading takes a parser of the standards two thirds of all the time that a letter takes, and nearly all are plain.
        """
        return (
            _is_plain_sender(self.sender.display_name, self.sender.addr_spec)
            and _is_plain_address(self.recipient)
            and _MESSAGE_ID.fullmatch(self.message_id) is not None
            and _is_plain_line(self.subject)
            and all(name in _OTHERS and _is_plain_line(value) for name, value in self.more.items())
        )

    def _reads_as_written(self, raw: bytes) -> bool:
        """By a parser of the standards (RFC 5322, RFC 2047), which knows nothing of how the mail was written."""
        try:
            found = message_from_bytes(raw, policy=default)
            return (
                sorted(found.keys()) == sorted([*self.more, "From", "To", "Subject", "Date", "Message-ID", *_MIME])
                and not any(value.defects for value in found.values())
                and [address.addr_spec for address in found["From"].addresses] == [self.sender.addr_spec]
                and _shown_name(raw) == self.sender.display_name
                and [address.addr_spec for address in found["To"].addresses] == [self.recipient]
                and str(found["Subject"]) == self.subject
                and found["Date"].datetime == self.at.replace(microsecond=0)
                and str(found["Message-ID"]) == self.message_id
                and _MESSAGE_ID.fullmatch(self.message_id) is not None
                and all(str(found[name]) == value for name, value in self.more.items())
            )
        except (AttributeError, ValueError, LookupError):  # what a header that is none makes of the parser
            return False


@lru_cache(_SENDERS_KNOWN)
def _sender(name: str, address: str) -> str:
    """One employer writes to many."""
    return f"{_phrase(name)} <{address}>"


@lru_cache(_SENDERS_KNOWN)
def _is_plain_sender(name: str, address: str) -> bool:
    return _is_plain_address(address) and _is_plain_line(name)


@lru_cache(16)
def _date(at: datetime) -> str:
    """Mails are written many at a time, all of one moment."""
    return format_datetime(at.astimezone(UTC))


def alternative(text: str, html: str) -> bytes:
    """The headers and the body of a mail that says the same in plain text and in HTML (RFC 2046, section 5.1.4), in 7 bits."""
    return joined(part("plain", text), part("html", html))


def joined(*parts: bytes) -> bytes:
    """As `alternative`, of parts with headers of their own."""
    boundary = _BOUNDARY
    while any(boundary in one for one in parts):
        boundary = f"={secrets.token_hex(12)}=".encode()
    begin = b"--%b\r\n" % boundary
    bodies = [piece for one in parts for piece in (begin, one, b"\r\n")]
    head = b'Content-Type: multipart/alternative; boundary="%b"\r\n\r\n' % boundary
    return b"".join((head, *bodies, b"--%b--\r\n" % boundary))


def part(subtype: Literal["plain", "html"], text: str, *, quoted: bytes | None = None) -> bytes:
    """One body with its headers: as it is where that is legal, else in quoted-printable or base64, whichever is shorter.

    `quoted`: the text in quoted-printable, where that is known.
    """
    head = _PART_HEADS[subtype]
    lines = text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n").encode()
    raw = lines.replace(b"\n", b"\r\n") + b"\r\n"
    if quoted is None:
        if raw.isascii() and max(map(len, lines.split(b"\n"))) <= _READABLE:
            return b"%b7bit\r\n\r\n%b" % (head, raw)
        quoted = binascii.b2a_qp(raw, istext=True)
    if (found := quoted_part(subtype, quoted, len(raw))) is not None:
        return found
    return b"%bbase64\r\n\r\n%b" % (head, base64.encodebytes(raw).replace(b"\n", b"\r\n"))


def quoted_part(subtype: Literal["plain", "html"], quoted: bytes, size: int) -> bytes | None:
    """A part as `part` makes it of a text of so many bytes; None where base64 is shorter."""
    return b"%bquoted-printable\r\n\r\n%b" % (_PART_HEADS[subtype], quoted) if len(quoted) <= size * 4 // 3 else None


def in_quoted_printable(text: str, *, then: str = "") -> bytes:
    """A piece of text in quoted-printable (RFC 2045, section 6.7), to be put together with others; `then`: how the next begins.

    Where neither ends the line, a break that a reader takes out does, so the next begins one. No piece has a carriage return.
    """
    raw = text.encode()
    found = binascii.b2a_qp(raw, istext=True)
    if raw and not raw.endswith(b"\n"):
        found += b"" if then.startswith("\n") else b"=\n"
    return found.replace(b"\n", b"\r\n")


def _is_plain_line(text: str) -> bool:
    """Printable ASCII in words with one blank between them, none of which looks like an encoded word (RFC 2047)."""
    return (
        0 < len(text) <= _LONGEST_PLAIN
        and text.isascii()
        and text.isprintable()
        and text[0] != " " != text[-1]
        and "  " not in text
        and "=?" not in text
    )


def _is_plain_address(address: str) -> bool:
    """A dot-atom at a domain in lower case, as nearly all are (RFC 5322, section 3.4.1)."""
    parts = address.split("@")
    return (
        _PLAIN_ADDRESS.fullmatch(address) is not None
        and ".." not in address
        and not any(part.startswith(".") or part.endswith(".") for part in parts)
    )


def message_id(kind: str, name: str, key: bytes, domain: str) -> str:
    """The Message-ID (RFC 5322, 3.6.4) of a mail: the same at each attempt, another for each mail, and nobody's id.

    It is a keyed hash: who has the mail can't find it on the bus, and who reads the bus can't find the mail.
    """
    return f"<{hashlib.blake2b(f'{kind} {name}'.encode(), key=key, digest_size=16).hexdigest()}@{domain}>"


def _shown_name(raw: bytes) -> str:
    """The sender's name as readers show it; the newer parser leaves blanks between the encoded words of a name."""
    name, _ = parseaddr(message_from_bytes(raw)["From"])
    return str(make_header(decode_header(name)))


def _words(text: str, header: str) -> str:
    """Text of a header: as it is, or in encoded words of legal length where it is not ASCII."""
    if text.isascii():
        return text
    return Header(text, "utf-8", maxlinelen=_ENCODED_WORD, header_name=header).encode(linesep="\r\n")


def _phrase(name: str) -> str:
    """A display name: a quoted string (RFC 5322, 3.2.4), or encoded words where it is not ASCII."""
    if not name.isascii():
        return _words(name, "From")
    escaped = name.replace("\\", r"\\").replace('"', r"\"")
    return f'"{escaped}"'
