"""Names of companies and products as people mistake them: spellings of one name, and names that look like another's."""

import re
import unicodedata
from collections.abc import Mapping
from functools import cache

from confusable_homoglyphs.confusables import confusables_data  # type: ignore[import-untyped]  # it has no types

NETWORK = "fairpool"
"""The network's own name, folded."""
_ALIKE = str.maketrans("i10", "llo")
_BLANK = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5")
_MARKS = re.compile("[\u200e\u200f]")
_FORMS = frozenset(
    re.findall(
        r"\w+", "ab ag co company corp corporation gmbh inc incorporated limited llc llp lp ltd nv plc pllc sa the"
    )
)
"""What a company's name has or lacks without being another name."""


def folded(name: str) -> str:
    """The name without what spellings differ in: case, accents, punctuation, `&` for `and`, `The`, `Inc`, `LLC` and the like.

    A name of nothing else is left whole; empty only where the name holds no letter and no digit.
    """
    plain = unicodedata.normalize("NFKD", name.replace("&", " and "))
    plain = "".join(mark for mark in plain if not unicodedata.combining(mark) and not is_unseen(mark)).casefold()
    words = re.findall(r"[^\W_]+", re.sub(r"['’.]", "", plain))
    return " ".join([word for word in words if word not in _FORMS] or words)


def is_unseen(mark: str) -> bool:
    """Whether a reader sees nothing of the character: marks of format, and letters that are blank."""
    return unicodedata.category(mark) == "Cf" or mark in _BLANK


def skeleton(text: str) -> str:
    """What the text looks like (UTS 39, section 4): two texts with one skeleton are read as the same."""
    look = _look_alikes()
    return "".join(look.get(mark, mark) for mark in unicodedata.normalize("NFD", text) if not is_unseen(mark))


def look_alike_keys(name: str) -> frozenset[str]:
    """Under which a name is mistaken for another: names that share a key are twins, by spelling or by looks."""
    return frozenset({folded(name), folded(skeleton(name)), folded(skeleton(name.casefold()))} - {""})


def reading_keys(name: str) -> frozenset[str]:
    """Without spaces, for `DenverHealth` is read as `Denver Health`; and with the letters as one that a hurried reader takes
    for each other (i, l and 1; o and 0), which UTS 39 keeps apart in part.
    """
    return frozenset(key.replace(" ", "").translate(_ALIKE) for key in look_alike_keys(name))


def names_the_network(text: str) -> bool:
    """Whether the network's own name stands in it, or what is read as it, also in two words."""
    return any(NETWORK.translate(_ALIKE) in key for key in reading_keys(text))


@cache
def _look_alikes() -> Mapping[str, str]:
    """Each character that looks like another, with what it is taken for."""
    found = {}
    for mark, alike in confusables_data.items():
        if len(mark) != 1 or len(alike) != 1:
            continue  # longer texts are built of characters; what several look like is taken for itself
        other = _MARKS.sub("", alike[0]["c"])
        is_a_pair = len(other) == 1 and len(confusables_data.get(other, ())) == 1
        found[mark] = min(mark, other) if is_a_pair else other
    return found
