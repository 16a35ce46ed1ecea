"""Pages of which only a few values differ from email to email: rendered and encoded once a language, then filled."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import AnyStr, Literal

from jinja2 import Environment
from markupsafe import escape

from services.signup.courier.adapters.envelope import in_quoted_printable, part, quoted_part
from shared import i18n

_MARK = re.compile("\ue000(\\w+)\ue001")
"""A value's name between two characters that no page of ours has: both are for private use in Unicode."""


@dataclass(frozen=True, slots=True)
class Form:
    """A page in one language, with a place for each of its values."""

    subtype: Literal["plain", "html"]
    put: Callable[[str], str]
    """How a value is written on such a page."""
    texts: Sequence[str]
    """What is fixed: before, between and behind the values; empty where there is nothing."""
    names: Sequence[str]
    """Of the values, in the order of the page; one less than texts."""
    encoded: Sequence[bytes]
    """The texts in quoted-printable."""
    size: int
    """Bytes of the texts."""

    @classmethod
    def of(cls, page: str, parts: Sequence[str]) -> "Form":
        """`parts`: fixed text and names of values in turns."""
        is_html = page.endswith(".html")
        texts = parts[::2]
        return cls(
            "html" if is_html else "plain",
            escape if is_html else str,
            texts,
            parts[1::2],
            _all_in_quoted_printable(texts),
            _size(texts),
        )

    def about(self, values: Mapping[str, str]) -> "Form":
        """The same with some of its values said: they are part of what is fixed."""
        texts, names = [self.texts[0]], []
        for name, text in zip(self.names, self.texts[1:], strict=True):
            if name in values:
                texts[-1] += str(self.put(values[name])) + text
            else:
                names.append(name)
                texts.append(text)
        return replace(self, texts=texts, names=names, encoded=_all_in_quoted_printable(texts), size=_size(texts))

    def fill(self, values: Mapping[str, str]) -> str:
        """What rendering the page with these values gives."""
        return "".join(_in_turns(self.texts, [self.put(values[name]) for name in self.names]))

    def part(self, values: Mapping[str, str]) -> bytes:
        """What `fill` gives, as part of a mail; no value has a carriage return. Only the values are encoded."""
        put = [self.put(values[name]) for name in self.names]
        encoded = [in_quoted_printable(value, then=text[:1]) for value, text in zip(put, self.texts[1:], strict=True)]
        quoted = b"".join(_in_turns(self.encoded, encoded))
        # No character is less than a byte: what is short beside these is short beside the text.
        if (found := quoted_part(self.subtype, quoted, self.size + sum(map(len, put)))) is not None:
            return found
        return part(self.subtype, "".join(_in_turns(self.texts, put)), quoted=quoted)


class Forms:
    """The pages of an environment, by name and language.

    A page that is filled may say a value and nothing else of it: it asks nothing about a value (`if`), and passes none
    through a filter but the escaping of its own kind.
    """

    def __init__(self, pages: Environment, names: Sequence[str]) -> None:
        self._pages = pages
        self._marks = {name: f"\ue000{name}\ue001" for name in names}
        self._made: dict[tuple[str, i18n.Locale], Form] = {}

    def form(self, page: str) -> Form:
        """The page in the present language."""
        key = page, i18n.present().locale
        if key not in self._made:
            self._made[key] = Form.of(page, _MARK.split(self._pages.get_template(page).render(self._marks)))
        return self._made[key]


def _size(texts: Sequence[str]) -> int:
    return sum(len(text.encode()) for text in texts)


def _all_in_quoted_printable(texts: Sequence[str]) -> Sequence[bytes]:
    """Behind the last of them the part of the mail ends."""
    *begin, end = texts
    return [*map(in_quoted_printable, begin), in_quoted_printable(end if end.endswith("\n") else f"{end}\n")]


def _in_turns(fixed: Sequence[AnyStr], values: Sequence[AnyStr]) -> list[AnyStr]:
    """A value between each two that are fixed."""
    return [one for both in zip(fixed, values, strict=False) for one in both] + [fixed[-1]]
