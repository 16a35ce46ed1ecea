"""What people read, in their language: the English sentence is the key, a catalog of each package has the Spanish one.

Which language is a value of the context: a request's (`shared/web/languages.py`), an email's (the courier). Where nobody
set one it is English: so do programs, logs and operators read everything.

Templates write `{% trans %}…{% endtrans %}` or `_("…")`, code `gettext("… %(name)s …", name=…)`. A sentence that stands in a
constant is `marked("…")` there, and goes through `gettext` where it is used. `tests/unit/shared/test_catalogs.py` finds those
that have no Spanish.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal, get_args

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po
from jinja2 import Environment

Locale = Literal["en", "es"]
LOCALES: tuple[Locale, ...] = get_args(Locale)
NAMES: Mapping[Locale, str] = MappingProxyType({"en": "English", "es": "Español"})
"""Each in its own words."""


@dataclass(frozen=True, slots=True)
class Language:
    """In which language something is read, and where the same page is in others: (locale, address) pairs."""

    locale: Locale = "en"
    others: tuple[tuple[Locale, str], ...] = ()
    is_chosen: bool = False
    """Somebody asked for it, now or before: it is more than what their browser prefers."""


_PLURALS: Mapping[Locale, Callable[[int], int]] = {"en": lambda n: int(n != 1), "es": lambda n: int(n != 1)}
"""Which of a message's forms goes with a number (gettext's `Plural-Forms`)."""
_ENGLISH = Language()
_present: ContextVar[Language] = ContextVar("fairpool_language", default=_ENGLISH)
_directories: list[Path] = [Path(__file__).parent / "locale"]


def present() -> Language:
    """The language that holds here and now."""
    return _present.get()


@contextmanager
def reading(language: Language | Locale) -> Iterator[None]:
    """In the block, words are in that language."""
    token = _present.set(language if isinstance(language, Language) else Language(language))
    try:
        yield
    finally:
        _present.reset(token)


def locale_of(name: str | None) -> Locale | None:
    """The locale that a text names; None for one that there is not."""
    return next((one for one in LOCALES if one == name), None)


def install(environment: Environment) -> None:
    """Templates say everything in the present language; `language` and `language_names` are known to them."""
    environment.policies["ext.i18n.trimmed"] = True
    environment.add_extension("jinja2.ext.i18n")
    environment.install_gettext_callables(gettext, plural, newstyle=True)  # type: ignore[attr-defined]  # of the extension
    environment.globals.update(language=present, language_names=NAMES)


def add_catalogs(directory: Path) -> None:
    """From here on also the catalogs below `directory` count (`es/LC_MESSAGES/*.po`); a folder that is not there is none."""
    if directory not in _directories:
        _directories.append(directory)
        _catalog.cache_clear()


def marked(sentence: str) -> str:
    """The sentence itself: where it is used, `gettext` looks it up."""
    return sentence


def gettext(sentence: str, /, **values: object) -> str:
    """The sentence in the present language, with its `%(name)s` filled where values are given."""
    found = _forms(sentence)
    text = found[0] if found else sentence
    return text % values if values else text


def ngettext(one: str, several: str, count: int, /, **values: object) -> str:
    """As `gettext`, by a number, which is `%(num)s` in the sentences."""
    return plural(one, several, count) % {"num": count, **values}


def plural(one: str, several: str, count: int, /) -> str:
    """Of two sentences the one that goes with a number, in the present language, nothing of it filled."""
    found = _forms(one)
    which = _PLURALS[present().locale](count)
    return found[which] if which < len(found) else (one, several)[int(count != 1)]


def _forms(sentence: str) -> tuple[str, ...]:
    locale = present().locale
    return () if locale == "en" else _catalog(locale).get(sentence, ())


@cache
def _catalog(locale: Locale) -> Mapping[str, tuple[str, ...]]:
    """Read once, when first asked for: the sentences, each with its forms."""
    found: dict[str, tuple[str, ...]] = {}
    for directory in _directories:
        for path in sorted(directory.glob(f"{locale}/LC_MESSAGES/*.po")):
            for message in read(path, locale):
                key, said = _several(message.id), _several(message.string)
                if key[0] and all(said):
                    found[key[0]] = said
    return found


def _several(text: str | Sequence[str] | None) -> tuple[str, ...]:
    return (text or "",) if isinstance(text, str | None) else tuple(text)


def read(path: Path, locale: Locale) -> Catalog:
    """One file; a mistake in it is an error, never a silent gap."""
    with path.open("rb") as file:
        return read_po(file, locale=locale, abort_invalid=True)
