"""Words that make of a place where somebody is another one: where they would go, were once, or will not work."""

from collections.abc import Iterable, Sequence

from services.signup.decisions.place_names import CODES, SHORT, TERRITORY_WORDS, WORDS
from services.signup.decisions.places_numbers import has_street

_NO = frozenset(
    {
        "NOT", "NON", "NEVER", "EXCEPT", "EXCEPTS", "EXCEPTING", "EXCEPTION", "EXCEPTIONS", "EXCLUDE", "EXCLUDES", "EXCLUDED",
        "EXCLUDING", "EXCLUSION", "EXCLUSIONS", "EXCL", "EXC", "BUT", "WITHOUT", "OUTSIDE", "MINUS", "EX", "UNLESS", "AVOID", "AVOIDING",
        "CANT", "CANNOT", "WONT", "DONT", "DOESNT", "ISNT", "UNABLE", "UNAVAILABLE", "UNWILLING", "INELIGIBLE", "THAN", "INSTEAD",
    }
)  # fmt: skip
_WISH = frozenset(
    {
        "WILLING", "RELOCATE", "RELOCATES", "RELOCATING", "RELOCATION", "RELO", "MOVE", "MOVES", "MOVING", "WANT", "WANTS", "WANTING",
        "WISH", "WISHES", "WISHING", "HOPING", "PLANNING", "PLANS", "PREFER", "PREFERS", "PREFERRED", "PREFERENCE", "PREFERENCES",
        "PREFERABLY", "PREF", "DESIRE", "DESIRES", "DESIRED", "TARGET", "TARGETS", "TARGETING", "INTERESTED", "SEEKING", "CONSIDER",
        "CONSIDERING", "WOULD", "IDEALLY", "EVENTUALLY", "SOON", "ANYWHERE",
    }
)  # fmt: skip
_ONCE = frozenset(
    {"FORMERLY", "FORMER", "PREVIOUSLY", "PREVIOUS", "ORIGINALLY", "USED", "BORN", "RAISED", "LEAVING", "VISITING"}
)
_SAID = _NO | _WISH | _ONCE
_SAID_TO = frozenset({"OPEN", "LOOKING", "READY", "ABLE", "COMMUTE", "COMMUTING", "TRAVEL", "TRAVELING"})
"""Before TO or FOR: `open to Denver`. Alone they may be part of a name."""
_NAMES = (WORDS, TERRITORY_WORDS, SHORT, CODES)
_LONGEST_NAME = 6
_GOING = (("RELOCATION",), ("RELOCATING",))
_THERE = (("TO",), ("FOR",))


_ANY = _SAID | _SAID_TO | {"NO"}


def may_say_where_not(words: Iterable[str]) -> bool:
    """Whether a part of an address with these words, folded, could be one that `says_where_not`."""
    return not _ANY.isdisjoint(words)


def says_where_not(part: Sequence[str]) -> bool:
    """Whether a part of an address, in folded words, speaks of somewhere that its person is not; a street's name does not."""
    if has_street(part) or (part and part[0].isdigit()):
        return False
    return any(_is_said(part, at) for at in range(len(part)))


def _is_said(part: Sequence[str], at: int) -> bool:
    word, after = part[at], part[at + 1 :]
    if word == "NO":  # No Carolina is a state, and No Name a town
        return not _is_place(part[at:]) and (_is_place(after) or tuple(after[:1]) in _GOING)
    return word in _SAID or (word in _SAID_TO and tuple(after[:1]) in _THERE)


def _is_place(words: Sequence[str]) -> bool:
    """Whether the name or code of a state begins here."""
    return any(
        tuple(words[:size]) in names for size in range(1, min(_LONGEST_NAME, len(words)) + 1) for names in _NAMES
    )
