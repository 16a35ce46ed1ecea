"""Names of companies and products as people mistake them: spellings of one name, and names that look like another's."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache

from confusable_homoglyphs.confusables import confusables_data  # type: ignore[import-untyped]  # it has no types

NETWORK = "fairpool"
"""The network's own name, folded."""
_ALIKE = str.maketrans("i10", "llo")
_NETWORK, _FAIR = NETWORK.translate(_ALIKE), "fair".translate(_ALIKE)
_POOL = frozenset({"pool", "pools"})
_FAIRS = frozenset(
    [
        "agricultural",
        "art",
        "arts",
        "book",
        "career",
        "city",
        "country",
        "county",
        "craft",
        "district",
        "farm",
        "food",
        "health",
        "job",
        "regional",
        "renaissance",
        "science",
        "state",
        "street",
        "town",
        "trade",
        "village",
        "world",
        "worlds",
    ]
)
"""After these, *fair* is a fair."""
_DIVIDES = re.compile(r"[,;:/()\[\]{}!?]|[.|·•–—-](?=\s)|(?<=\s)[.|·•–—-]")
"""What stands between two words that are not read as one name."""
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


def holds_the_networks_name(name: str) -> bool:
    """Whether the network's own name stands in the name of a company, or what is read as it, however it is divided."""
    return any(_NETWORK in key for key in reading_keys(name))


def names_the_network(text: str) -> bool:
    """Whether people who read the text take it for speaking of the network, or as the network.

    Its name in one word does, in whatever letters, also within another word or spelled out (`F a i r p o o l`). In two words, *fair* and
    *pool* are words as well: they are the name where both are capitalized and no kind of fair comes before (`State Fair Pool`), and
    where they begin the text or, capitalized, what follows a colon or the like. "The State Fair pool" and "a fair pool of people" are not.
    """
    if not holds_the_networks_name(text):
        return False
    if any(holds_the_networks_name(word) for word in text.split()):  # marks that no blank is beside do not divide it
        return True
    parts = [part.split() for part in _DIVIDES.split("".join(mark for mark in text if not is_unseen(mark)))]
    parts = [words for words in parts if words]
    return any(_is_named(words, begins=place == 0) for place, words in enumerate(parts))


def _is_named(words: Sequence[str], *, begins: bool) -> bool:
    """In words that nothing divides; `begins`: they are the text's first."""
    keys = [_keys_of_word(word) for word in words]
    for first, starts in enumerate(keys):
        if any(_NETWORK in key for key in starts):
            return True
        if _FAIR in starts and first + 1 < len(words) and keys[first + 1] & _POOL:
            if _is_read_as_name(words, first, begins=begins and first == 0):
                return True
        elif any(_spells(key, keys[first + 1 : first + len(_NETWORK)]) for key in starts):
            return True
    return False


def _is_read_as_name(words: Sequence[str], first: int, *, begins: bool) -> bool:
    """Of *fair* there, and *pool* after it."""
    fair, pool = (_is_capitalized(words[place]) for place in (first, first + 1))
    if begins or (first == 0 and fair):
        return True
    return fair and pool and (first == 0 or folded(words[first - 1]) not in _FAIRS)


def _spells(begun: str, following: Sequence[frozenset[str]]) -> bool:
    """Whether the name begins with this word and goes on in the next ones, divided where no word of it ends."""
    if begun == "" or begun == _FAIR or not _NETWORK.startswith(begun):
        return False
    reached = {begun}
    for keys in following:
        reached = {one + key for one in reached for key in keys}
        if any(one.startswith(_NETWORK) for one in reached):
            return True
        reached = {one for one in reached if _NETWORK.startswith(one)}
        if not reached:
            return False
    return False


def _keys_of_word(word: str) -> frozenset[str]:
    return reading_keys(word) or frozenset({""})


def _is_capitalized(word: str) -> bool:
    """Also in capitals alone, and after a quotation mark."""
    return next((mark.isupper() or not mark.islower() for mark in word if mark.isalnum()), False)


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
