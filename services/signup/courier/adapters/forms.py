"""Pages of which only a few values differ from email to email: rendered once a language, then filled."""

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import cycle

from jinja2 import Environment
from markupsafe import escape

from shared import i18n

_MARK = re.compile("\ue000(\\w+)\ue001")
"""A value's name between two characters that no page of ours has: both are for private use in Unicode."""


class Forms:
    """The pages of an environment, by name and language.

    A page that is filled may say a value and nothing else of it: it asks nothing about a value (`if`), and passes none
    through a filter but the escaping of its own kind.
    """

    def __init__(self, pages: Environment, names: Sequence[str]) -> None:
        self._pages = pages
        self._names = frozenset(names)
        self._made: dict[tuple[str, i18n.Locale], tuple[str, ...]] = {}

    def fill(self, page: str, values: Mapping[str, str]) -> str:
        """What rendering the page with these values gives, in the present language; `values` names all that the page has."""
        put: Callable[[str], str] = escape if page.endswith(".html") else str
        parts = self._parts(page)
        return "".join(
            put(values[part]) if is_name else part for part, is_name in zip(parts, cycle((False, True)), strict=False)
        )

    def _parts(self, page: str) -> tuple[str, ...]:
        """Fixed text and names of values in turns."""
        key = page, i18n.present().locale
        if key not in self._made:
            marks = {name: f"\ue000{name}\ue001" for name in self._names}
            self._made[key] = tuple(_MARK.split(self._pages.get_template(page).render(marks)))
        return self._made[key]
