"""Walks through JSON that anybody may have written: what is looked for is found by its usual names, and nothing else is believed.

What is noted is a sentence in the language that holds while the file is read: the page's, or English for a program.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote

from shared.i18n import gettext

MOST_ENTRIES = 100
"""Of any list: more is nobody's life, and is said to have been left."""
MOST_NOTES = 40
LONGEST_TEXT = 1000
_MOST_KEYS = 200
_LONGEST_QUOTE = 60
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Kinds of characters (Unicode) that show nothing, or turn what stands around them: all else of a person's words is repeated."""
_SAID_BY_THE_SENTENCE = ("work", "skills")
_SEPARATORS = re.compile(r"[\s_-]+")
_NUMBER = re.compile(r"[0-9]{1,6}")


@dataclass(frozen=True, slots=True)
class PassedOver:
    """Something of the file that was not taken."""

    pointer: str
    """A JSON Pointer as a URI fragment: `#/work/0/position`."""
    detail: str
    """Why, as a sentence for whoever brought the file."""

    @property
    def place(self) -> str:
        """The same place for people, counted from one: `work 1, position`; empty where the sentence says enough."""
        parts = [unquote(part).replace("~1", "/").replace("~0", "~") for part in self.pointer.split("/")[1:]]
        if parts and parts[0] in _SAID_BY_THE_SENTENCE and len(parts) == 1:
            return ""
        words = [f" {int(part) + 1}" if _NUMBER.fullmatch(part) else f", {_printable(part)}" for part in parts]
        return "".join(words).removeprefix(", ").strip()


@dataclass(slots=True)
class Notes:
    """What was passed over, so far; of very many the first are kept, and how many more there were."""

    told: list[PassedOver] = field(default_factory=list)
    _more: int = 0

    def add(self, pointer: str, detail: str) -> None:
        """Note it once."""
        one = PassedOver(pointer, detail)
        if len(self.told) >= MOST_NOTES:
            self._more += 1
        elif one not in self.told:
            self.told.append(one)

    def all(self) -> tuple[PassedOver, ...]:
        """All that was noted."""
        if not self._more:
            return tuple(self.told)
        return (*self.told, PassedOver("#", gettext("And %(num)s more of the kind.", num=self._more)))


@dataclass(frozen=True, slots=True)
class Part:
    """A value somewhere in the file."""

    value: Any
    path: tuple[str | int, ...] = ()

    @property
    def pointer(self) -> str:
        """Where it is."""
        parts = (str(part)[:_LONGEST_QUOTE].replace("~", "~0").replace("/", "~1") for part in self.path)
        return "#" + "".join("/" + quote(part, safe="", errors="replace") for part in parts)

    def at(self, *names: str) -> "Part | None":
        """The first of these that is there and says something, in whatever case: `startDate` is also `start_date`."""
        if not isinstance(self.value, Mapping):
            return None
        keys: dict[str, str] = {}
        for key in list(self.value)[:_MOST_KEYS]:
            keys.setdefault(folded_key(key), key)
        for name in names:
            key = keys.get(folded_key(name))
            if key is not None and not says_nothing(self.value[key]):
                return Part(self.value[key], (*self.path, key))
        return None

    def entries(self, notes: Notes) -> list["Part"]:
        """The entries of a list that say something; a value alone is a list of one."""
        if not isinstance(self.value, list | tuple):
            return [self]
        if len(self.value) > MOST_ENTRIES:
            notes.add(self.pointer, gettext("Of this list the first %(most)s entries were read.", most=MOST_ENTRIES))
        found = [Part(value, (*self.path, place)) for place, value in enumerate(self.value[:MOST_ENTRIES])]
        return [one for one in found if not says_nothing(one.value)]

    def values(self, notes: Notes) -> list["Part"]:
        """What an object says under its names, whatever they are."""
        if len(self.value) > MOST_ENTRIES:
            notes.add(self.pointer, gettext("Of this list the first %(most)s entries were read.", most=MOST_ENTRIES))
        names = list(self.value)[:MOST_ENTRIES]
        return [Part(self.value[name], (*self.path, name)) for name in names if not says_nothing(self.value[name])]

    def text(self, notes: Notes) -> str | None:
        """The text, on one line; None, with a note, where it is something else."""
        if not isinstance(self.value, str):
            notes.add(self.pointer, gettext("This is no text."))
            return None
        if len(self.value) > LONGEST_TEXT:
            notes.add(self.pointer, gettext("This text is longer than %(most)s characters.", most=LONGEST_TEXT))
            return None
        return " ".join(self.value.split()) or None

    def words(self, notes: Notes) -> str | None:
        """As `text`, and a whole number is taken as its digits: a year, or a ZIP code, in many a file."""
        if isinstance(self.value, int) and not isinstance(self.value, bool) and 0 <= self.value < 10**9:
            return str(self.value)
        return self.text(notes)


def says_nothing(value: object) -> bool:
    """Whether it is null, blank, or an empty list or object."""
    return value is None or (isinstance(value, str) and not value.strip()) or value in ([], {}, ())


def folded_key(key: object) -> str:
    """`Start_Date` and `startDate` are one name."""
    return _SEPARATORS.sub("", str(key)[:_LONGEST_QUOTE]).casefold()


def quoted(text: str) -> str:
    """The person's own words as a sentence of ours repeats them: short, and nothing in it that can't be seen."""
    plain = _printable(" ".join(text.split()))
    return f"“{plain if len(plain) <= _LONGEST_QUOTE else plain[:_LONGEST_QUOTE].rstrip() + '…'}”"


def listed(words: Iterable[str], most: int = 12) -> str:
    """Words in a row, and how many more there are."""
    found = list(dict.fromkeys(words))
    words = ", ".join(quoted(word) for word in found[:most])
    return gettext("%(words)s and %(num)s more", words=words, num=len(found) - most) if len(found) > most else words


def first_of(parts: Sequence[Part | None]) -> Part | None:
    """The first that is there."""
    return next((part for part in parts if part is not None), None)


def _printable(text: str) -> str:
    return "".join(mark for mark in text if unicodedata.category(mark) not in _UNSEEN)
