"""Caught mails: in memory for reading, each in a file of its own so that a restart of the catcher loses none."""

import email
import email.policy
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import AddressHeader
from email.message import EmailMessage
from functools import cached_property
from html import unescape
from pathlib import Path

_LINK = re.compile(r"""https?://[^\s<>"'\\]+""")


@dataclass(frozen=True)
class Mail:
    """One caught mail; its id rises with its arrival and begins with the nanosecond of it."""

    id: str
    raw: bytes
    began: datetime | None = None
    """When its sender said MAIL, in UTC and real time; not known of what a catcher before this one took."""

    @property
    def arrived(self) -> datetime:
        """When the catcher took it, in UTC and real time."""
        return datetime.fromtimestamp(int(self.id.split("-")[0]) / 1e9, UTC)

    @cached_property
    def message(self) -> EmailMessage:
        """The parsed mail."""
        parsed = email.message_from_bytes(self.raw, policy=email.policy.default)
        assert isinstance(parsed, EmailMessage)  # noqa: S101  (the default policy makes nothing else)
        return parsed

    @cached_property
    def subject(self) -> str:
        """The subject, decoded."""
        return str(self.message.get("Subject", ""))

    @cached_property
    def message_id(self) -> str:
        """The Message-ID without its brackets, or nothing."""
        return str(self.message.get("Message-ID", "")).strip("<>")

    def addresses(self, header: str) -> list[tuple[str, str]]:
        """(display name, address) for each entry of an address header."""
        if header not in self._addresses:
            value = self.message.get(header)  # parsed anew each time, and a list of mails is asked for again and again
            found = value.addresses if isinstance(value, AddressHeader) else ()
            self._addresses[header] = [(address.display_name, address.addr_spec) for address in found]
        return self._addresses[header]

    @cached_property
    def _addresses(self) -> dict[str, list[tuple[str, str]]]:
        return {}

    @cached_property
    def text(self) -> str:
        """The plain part, or nothing."""
        return self._body("plain")

    @cached_property
    def html(self) -> str:
        """The HTML part, or nothing."""
        return self._body("html")

    @cached_property
    def links(self) -> tuple[str, ...]:
        """Every link of its text and HTML, each once, in order."""
        found = _LINK.findall(self.text) + [unescape(link) for link in _LINK.findall(self.html)]
        return tuple(dict.fromkeys(link.rstrip(".,;)") for link in found))

    def _body(self, kind: str) -> str:
        part = self.message.get_body(preferencelist=(kind,))
        return str(part.get_content()) if part is not None else ""


class Mailbox:
    """The mails of one stack."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.gone: frozenset[str] = frozenset()
        """Addresses, in lower case, that there is no mailbox for: a catcher that is started anew takes their emails again."""
        folder.mkdir(parents=True, exist_ok=True)
        self._mails = {path.stem: Mail(path.stem, path.read_bytes()) for path in sorted(folder.glob("*.eml"))}

    def add(self, raw: bytes, *, began: int | None = None) -> Mail:
        """Keep a mail that somebody began to hand over then (ns since 1970); it is in its file when this returns."""
        moment = time.time_ns()
        while (name := f"{moment:019d}-{len(raw):x}") in self._mails:
            moment += 1
        fresh = self._folder / f"{name}.part"
        fresh.write_bytes(raw)
        fresh.rename(self._folder / f"{name}.eml")
        mail = self._mails[name] = Mail(name, raw, datetime.fromtimestamp(began / 1e9, UTC) if began else None)
        return mail

    def get(self, name: str) -> Mail | None:
        """The mail with this id."""
        return self._mails.get(name)

    def newest_first(self) -> Iterator[Mail]:
        """All mails, the last one first."""
        return reversed(self._mails.values())

    def __len__(self) -> int:
        return len(self._mails)
