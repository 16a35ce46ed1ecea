"""The headers of a mail, written so that every mailbox reads them as they are meant, and a check that it does."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.header import Header, decode_header, make_header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, default
from email.utils import format_datetime, parseaddr

_BODY = SMTP.clone(cte_type="7bit")
_MESSAGE_ID = re.compile(r"<[0-9a-f]{32}@[a-z0-9.-]+>")
_ENCODED_WORD = 75  # RFC 2047, section 2
_MIME = ("Content-Type", "MIME-Version")


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
        """The mail with both bodies, CRLF line ends; None when a reader would not find exactly these headers and values."""
        body = EmailMessage(_BODY)
        body.set_content(text)
        body.add_alternative(html, subtype="html")
        del body["MIME-Version"]
        headers = {
            "From": f"{_phrase(self.sender.display_name)} <{self.sender.addr_spec}>",
            "To": self.recipient,
            "Subject": _words(self.subject, "Subject"),
            "Date": format_datetime(self.at.astimezone(UTC)),
            "Message-ID": self.message_id,
            **self.more,
            "MIME-Version": "1.0",
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        raw = lines.encode("ascii", "replace") + body.as_bytes()
        return raw if self._reads_as_written(raw) else None

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
