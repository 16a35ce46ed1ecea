"""What words may be made of: rules for the edge that lets them in and the courier that writes them into an email."""

import re
import unicodedata

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_DIRECTION = re.compile("[\u202a-\u202e\u2066-\u2069]")

_LINE_ENDS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_TURNS = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_UNSEEN = (
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200d\u2060-\u2064\u206a-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e007f"
)
_UNREADABLE = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff{_TURNS}{_UNSEEN}]")
_JOINERS = "\u200c\u200d"
_JOINED = frozenset({"So", "Sk", "Mn", "Mc", "Lo"})
"""Symbols with their skin tones and variants, and letters of scripts that join: between two of these a joiner is no trick."""

_HOST = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+(?:[a-z]{2,63}|xn--[a-z0-9-]{1,59})", re.ASCII)
_NOT_PUBLIC = ("localhost", "local", "internal", "intranet", "private", "corp", "home", "lan", "home.arpa", "onion", "test", "invalid")  # fmt: skip
"""Names that mean another machine to each reader, or none: RFC 6761, 6762, 7686, 8375, and what ICANN keeps back."""


_NUMBER = re.compile(r"\d(?:[\W_]{0,3}\d){6}")
_DATE = re.compile(r"(?<!\d)\d{4}-\d{2}-\d{2}(?!\d)")


def speaks_of_a_person(text: str) -> bool:
    """Whether it may hold an email address or a phone number: an @, or seven digits in a row, however they are set apart.

    A date such as 2026-11-27 is none.
    """
    return "@" in text or _NUMBER.search(_DATE.sub(" day ", text)) is not None


def why_not_one_line(text: str) -> str | None:
    """What is wrong with the text as one line, in words that follow `must`; None when nothing is.

    An encoded word (RFC 2047) is refused, since a mail library may decode it after it was looked at: a line break in
    it would begin a header of its own. Characters that turn the direction of writing can make a line read as another.
    """
    if _CONTROL.search(text):
        return "be one line, without control characters"
    if _DIRECTION.search(text):
        return "not hold characters that turn the direction of writing"
    begins = text.find("=?")
    if begins >= 0 and text.find("?=", begins + 2) >= 0:
        return "not hold an encoded word such as =?utf-8?q?...?="
    return None


def why_not_readable(text: str) -> str | None:
    """What in the text is not as a reader sees it, in words that follow `must`; None when nothing is.

    Refused are control characters but for line ends and tabs, marks that turn the direction of writing, and characters
    without width; those that join an emoji or the letters of a script that needs them are let through.
    """
    for found in _UNREADABLE.finditer(text.replace("\r\n", "\n")):
        mark = found.group()
        if mark in _JOINERS and _joins(found.string, found.start()):
            continue
        name = f"U+{ord(mark):04X} {unicodedata.name(mark, '').lower()}".rstrip()
        return f"hold nothing that a reader can't see: take out the character {name}"
    return None


def readable(text: str) -> str:
    """The text as a reader would see it: every line end is a newline, and what `why_not_readable` refuses is gone."""
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    lines = _LINE_ENDS.sub("\n", text)
    return _UNREADABLE.sub(lambda found: found.group() if _joins(lines, found.start()) else "", lines)


def why_not_public(host: str) -> str | None:
    """What is wrong with a link's host, in words that follow `must`; None when it is a name in the public DNS.

    Numbers, as they are or dressed up (`0x7f000001`, `[::1]`), and names that are no one place are refused.
    """
    name = host.lower().removesuffix(".")
    if not _HOST.fullmatch(name) or len(name) > 253:
        return "name its host, such as jobs.example.org, and not by a number"
    if any(name == end or name.endswith(f".{end}") for end in _NOT_PUBLIC):
        return "name a host that everybody can reach, such as jobs.example.org"
    return None


def _joins(text: str, place: int) -> bool:
    around = (text[place - 1 : place], text[place + 1 : place + 2])
    return text[place] in _JOINERS and all(mark and unicodedata.category(mark) in _JOINED for mark in around)
