"""What is said to people in templates and code, as babel finds it, each with the places where it stands."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from babel.messages.extract import extract_from_dir

ROOT = Path(__file__).parent.parent
_PLACES = (
    "shared/web/templates",
    "services/signup/pages",
    "services/signup/courier/pages",
    "services/consent/pages",
    "services/signup",
    "services/consent",
    "shared",
)
_KEYWORDS = {"_": None, "gettext": None, "marked": None, "ngettext": (1, 2)}
_METHODS = [("**.py", "python"), ("**.html", "jinja2.ext:babel_extract"), ("**.txt", "jinja2.ext:babel_extract")]
_OPTIONS = {"**.html": {"trimmed": "true", "newstyle_gettext": "true", "silent": "false"}}
_OPTIONS["**.txt"] = _OPTIONS["**.html"]
OWNERS = ("services/signup/courier", "services/signup", "services/consent", "shared")
"""Whose catalogs there are: a process reads those of its own package and the shared one."""
_NOT_FOR_PEOPLE = frozenset({"docs.html", "home_of_programs.html", "skills.txt", "i18n.py"})


@dataclass(frozen=True, slots=True)
class Said:
    """One sentence, or one with its plural, and where it stands."""

    sentence: str
    several: str | None
    place: str

    @property
    def owner(self) -> str:
        """The package that says it."""
        return next(owner for owner in OWNERS if self.place.startswith(f"{owner}/"))


def _is_looked_into(path: str | os.PathLike[str]) -> bool:
    """Templates are places of their own above; what lies below a place is looked at once."""
    return Path(path).name not in {"pages", "templates", "titles", "__pycache__"} or any(
        Path(path) == ROOT / place for place in _PLACES
    )


def said() -> Iterator[Said]:
    """Everything that is said, place by place."""
    for place in _PLACES:
        found = extract_from_dir(
            ROOT / place,
            method_map=_METHODS,
            options_map=_OPTIONS,
            keywords=_KEYWORDS,
            directory_filter=_is_looked_into,
        )
        for name, line, message, _comments, _context in found:
            if Path(name).name in _NOT_FOR_PEOPLE:
                continue
            one, *more = (message,) if isinstance(message, str) else message
            yield Said(one, more[0] if more else None, f"{place}/{name}:{line}")
