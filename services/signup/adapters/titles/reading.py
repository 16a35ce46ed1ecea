"""From a title as somebody wrote it to its occupations: no guess is made."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from services.signup.adapters.titles.decoration import (
    AFTER,
    BEFORE,
    BESIDE,
    TEAMS,
    Phrase,
    is_covered,
    is_place,
)
from services.signup.adapters.titles.folding import LONGEST, key, words
from services.signup.adapters.titles.table import keyed, vocabulary

Codes = tuple[str, ...]
NOTHING: Codes = ()
_PARTS = re.compile(r"[,()\[\]{}|;:•·/–—]| - |- | -")
_AT = re.compile(r" at | @ | @|@ ", re.IGNORECASE)
_EMPLOYER = ";@"
_MOST_PARTS = 12
_LONGEST_NAME = 3
_MOST_CODES = 8
_MOST_WORDS = 30
"""Of a title that is read: with more, cutting off at both ends takes long."""
_ONE_MEANING = frozenset(
    word
    for line in (
        "accountant attorney lawyer paralegal electrician plumber carpenter welder pharmacist dentist cashier machinist bartender",
        "barista dishwasher firefighter paramedic phlebotomist receptionist veterinarian optometrist bookkeeper roofer janitor",
        "custodian housekeeper librarian hairstylist caregiver nanny rn lpn lvn cna emt statistician actuary dietitian pipefitter",
    )
    for word in words(line)
)
"""Titles of one word that stay what they are beside a name that nobody has heard of; a host at Airbnb is no host."""


_OF_MANY_TRADES = frozenset(
    key(words(title)) for title in ("ML", "Machine Learning", "OTR", "Over the Road", "Vet", "DSP", "CTR", "Front Desk")
)
"""Letters and words that people of quite different work write as their title: medical laboratory or machine learning,
occupational therapy or over the road."""


def several(title: str, loaded: Mapping[str, Codes]) -> Codes:
    """The codes that a title names, in the order of the title; more than one where it really names several."""
    if not title.strip() or len(title) > LONGEST:
        return NOTHING
    return _Reader(loaded).read(title)


class _Reader:
    """One title against the tables; the shipped one goes before what an operator loaded."""

    def __init__(self, loaded: Mapping[str, Codes]) -> None:
        self._loaded = loaded

    def read(self, title: str) -> Codes:
        folded = words(title)
        if len(folded) > _MOST_WORDS:
            return NOTHING
        if whole := self._plain(folded):
            return whole
        if codes := self._joined(title, _both):
            return codes
        return self._in_parts([part.strip() for part in _PARTS.split(_AT.sub(_EMPLOYER, title)) if part.strip()])

    def _known(self, folded: Sequence[str]) -> Codes:
        folded_key = key(folded)
        if folded_key in _OF_MANY_TRADES:
            return NOTHING
        return keyed().get(folded_key) or self._loaded.get(folded_key) or NOTHING

    def _plain(self, folded: list[str]) -> Codes:
        """A title, with levels, shifts and its own kind of team cut off at both ends."""
        waiting, seen = [tuple(folded)], set()
        while waiting:
            now = waiting.pop(0)
            if not now or now in seen:
                continue
            seen.add(now)
            if codes := self._known(now):
                taken = self._cut_off(folded, now)
                if is_fitting(taken, codes):
                    return codes
                continue
            waiting += [now[size:] for size in _sizes(now) if now[:size] in BEFORE or _is_some_team(now[:size])]
            waiting += [now[:-size] for size in _sizes(now) if now[-size:] in AFTER or _is_some_team(now[-size:])]
        return NOTHING

    @staticmethod
    def _cut_off(folded: Sequence[str], now: Phrase) -> list[str]:
        place = next(at for at in range(len(folded)) if tuple(folded[at : at + len(now)]) == now)
        return [*folded[:place], *folded[place + len(now) :]]

    def _joined(self, title: str, split: Callable[[str], list[str]]) -> Codes:
        """`Bartender/Server`, `Server and Bartender`: each of them a title, and both are meant."""
        pieces = split(title)
        found = [self._plain(words(piece)) for piece in pieces] if 1 < len(pieces) <= _MOST_PARTS else []
        codes = tuple(dict.fromkeys(code for codes in found for code in codes))
        return codes if found and all(found) and len(codes) <= _MOST_CODES else NOTHING

    def _in_parts(self, parts: list[str]) -> Codes:
        """One part is a title and each other one decoration; else nothing."""
        if not 1 < len(parts) <= _MOST_PARTS:
            return NOTHING
        read = [self._plain(words(part)) or self._joined(part, _both) for part in parts]
        heads = [at for at, codes in enumerate(read) if codes]
        if not heads or any(read[at] != read[heads[0]] for at in heads):
            return NOTHING
        codes, head = read[heads[0]], words(parts[heads[0]])
        for at, part in enumerate(parts):
            following = parts[at + 1] if at + 1 < len(parts) else None
            if not read[at] and not _is_decoration(part, following, head, codes):
                return NOTHING
        return codes


def is_fitting(cut_off: Sequence[str], codes: Codes) -> bool:
    """Whether what was cut off is decoration for these occupations: a unit of a hospital beside a nurse."""
    return not cut_off or is_covered(list(cut_off), (BEFORE, AFTER, *_teams(codes)))


def _teams(codes: Codes) -> Iterator[frozenset[Phrase]]:
    return (TEAMS[code] for code in codes if code in TEAMS)


def _is_some_team(phrase: Phrase) -> bool:
    return phrase in _ALL_TEAMS


_ALL_TEAMS = frozenset().union(*TEAMS.values())


def _sizes(now: Phrase) -> range:
    return range(1, min(4, len(now) - 1) + 1)


def _both(text: str) -> list[str]:
    return [piece.strip() for piece in re.split(r"/|&|\+| and | or ", text, flags=re.IGNORECASE)]


def _is_decoration(part: str, following: str | None, head: Sequence[str], codes: Codes) -> bool:
    folded = words(part)
    if not folded:
        return True
    if part.startswith("@"):
        return _is_sure(head)
    if is_covered(folded, (BESIDE, *_teams(codes))) or is_place(part, following, vocabulary()):
        return True
    return _is_initials(folded, head) or _is_a_name(part, folded, head)


def _is_initials(folded: Sequence[str], head: Sequence[str]) -> bool:
    """`Customer Service Representative (CSR)`: the abbreviation of the head."""
    return len(folded) == 1 and len(head) > 1 and folded[0] == "".join(word[0] for word in head)


def _is_a_name(part: str, folded: Sequence[str], head: Sequence[str]) -> bool:
    """Of a team, a product or an employer: in capitals, and with no word that any trade uses."""
    is_name = part[:1].isupper() and len(folded) <= _LONGEST_NAME and all(len(word) > 1 for word in folded)
    return _is_sure(head) and is_name and not any(word in vocabulary() for word in folded)


def _is_sure(head: Sequence[str]) -> bool:
    return len(head) > 1 or (len(head) == 1 and head[0] in _ONE_MEANING)
