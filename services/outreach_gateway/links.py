"""Whether words hold a link: anything that a mail program makes one of, or that a mail scanner opens or looks up.

A URL of its own in each message tells whoever wrote it the second at which the message was delivered, through a scanner that
opens it; a host of its own does so by the look-up of its name alone. So no web address stands in an employer's words, and the
job's page is named apart. Where it is unclear whether something is one, it is: a space after the period makes it plain.

linkify-it-py (MIT) was held against the same table of spellings: it takes `9.am` and `ASP.NET` for links and overlooks `hxxp`,
`www.` before an unknown ending, `example[.]org` and the full stops of other scripts, which scanners read.
"""

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

_ENDINGS = frozenset(
    ending
    for line in Path(__file__).with_name("tlds.txt").read_text("utf-8").splitlines()
    if not line.startswith("#")
    for ending in line.split()
)
_PRODUCTS = frozenset({"asp.net", "ado.net", "vb.net", "ml.net", "socket.io"})
"""What people program with and has no other name; the same host in each message, and no employer's."""
_SECOND_LEVEL = frozenset({"ac", "co", "com", "edu", "gov", "govt", "net", "nhs", "org", "state"})
"""Under an ending of two letters names are given out below these."""

_WORD = re.compile(r"\S+")
_WRITTEN_APART = re.compile(r"[\[({](?:\.|dot)[\])}]")
_FULL_STOP_OF_ANOTHER_SCRIPT = re.compile(r"\u3002(?=\w)")
_MARKS = "".join(chr(sign) for sign in range(0x300, 0x20000) if unicodedata.category(chr(sign)) in ("Mn", "Mc"))
"""Vowel signs and the like: no letters to `re`, and in the middle of words and endings (.भारत)."""
_RUN = re.compile(rf"[\w.{_MARKS}-]+")
_ACCENTS = re.compile(r"[\u0300-\u036f\ufe00-\ufe0f]")
"""What is set upon a letter, or says how it is drawn: `.com` is read through it."""
_DOTS = re.compile(r"\.\.+")
_GOES_ON = re.compile(r"[/\\?#]\S*?[^\s)\]}>.,;:!?\"'*]|:\w")
"""A path, a query, a fragment or a port; what closes a sentence or a bracket is none."""
_ANOTHER_DEGREE = re.compile(r"(?:/(?:[bmdr]\.(?:a|sc|s|n|d|ed|eng|phil|ph|tech|com|arch)|ph\.d)\.?)+(?![\w./?#:-])")
"""As in B.Sc./M.Sc."""


@dataclass(frozen=True, slots=True)
class Found:
    """Where a link is in a text, both counted from 1."""

    line: int
    word: int
    is_email: bool = False
    """It is an email at a host that could be of this one message."""

    @property
    def sentence(self) -> str:
        """What is wrong and what to do, in words that follow `must`; nothing of the text itself."""
        if self.is_email:
            return (
                f"not hold an email below a host of its own (line {self.line}, word {self.word}): write one directly at your "
                "domain, such as jobs@example.org"
            )
        return (
            f"not hold a web address (line {self.line}, word {self.word}): name the job's page as job.url, people reach it through "
            "a page of ours. If it is none, put a space after the period; of a company's name leave the ending out, unless it is "
            "your own verified domain"
        )


def find(text: str, *, own: Collection[str] = ()) -> Found | None:
    """The first link in the text; `own` are the employer's verified domains, which may stand there as a name (`example.org`)
    and after the @ of an email. An email at any domain of two parts is none: nothing opens it."""
    for number, line in enumerate(text.split("\n"), 1):
        for place, word in enumerate(_WORD.findall(line), 1):
            wrong = _wrong(_as_read(word), own)
            if wrong is not None:
                return Found(number, place, is_email=wrong == "email")
    return None


def _as_read(word: str) -> str:
    """As programs read it that look through disguises."""
    plain = unicodedata.normalize("NFKC", word).lower().replace("[:]", ":")
    return _FULL_STOP_OF_ANOTHER_SCRIPT.sub(".", _WRITTEN_APART.sub(".", plain))


def _wrong(word: str, own: Collection[str]) -> str | None:
    if "://" in word or ":\\\\" in word:
        return "address"
    for run in _RUN.finditer(word):
        before, after = word[: run.start()], word[run.end() :]
        for part in _DOTS.split(run.group()):
            wrong = _wrong_host(part.strip(".-_"), before, after, own)
            if wrong is not None:
                return wrong
    return None


def _wrong_host(host: str, before: str, after: str, own: Collection[str]) -> str | None:
    labels = host.split(".")
    if len(labels) == 4 and all(label.isdecimal() for label in labels):
        return "address" if _GOES_ON.match(after) else None
    if labels[0] == "www" and len(labels) > 1:
        return "address"
    if not _is_host(labels) or host in _PRODUCTS:
        return None
    goes_on = _GOES_ON.match(after) is not None
    if after.startswith("@") and _names_a_host(after[1:]):
        return None  # what stands before the @ of an email
    if before.endswith("@") and len(before) > 1 and not goes_on:
        return None if host in own or _is_plain(labels) else "email"
    if host in own and not goes_on:
        return None
    if len(labels) == 2 and _is_short(labels[0]) and (not goes_on or _ANOTHER_DEGREE.match(after)):
        return None
    return "address"


def _is_short(label: str) -> bool:
    """As in `9.am`, `B.Sc.` and `R.Ph.`; so few names can't tell messages apart."""
    return len(label) == 1 or (len(label) == 2 and label.isdecimal())


def _is_host(labels: list[str]) -> bool:
    if len(labels) < 2 or not all(labels):
        return False
    last = labels[-1]
    last = re.split("[-_]", last, maxsplit=1)[0] if not last.startswith("xn--") else last
    return (
        last.startswith("xn--") or last in _ENDINGS or _ACCENTS.sub("", unicodedata.normalize("NFD", last)) in _ENDINGS
    )


def _names_a_host(text: str) -> bool:
    run = _RUN.match(text)
    return run is not None and _is_host(run.group().strip(".-_").split("."))


def _is_plain(labels: list[str]) -> bool:
    """Nothing stands below what somebody registered: a name of the message's own costs a registration."""
    return len(labels) == 2 or (len(labels) == 3 and len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVEL)
