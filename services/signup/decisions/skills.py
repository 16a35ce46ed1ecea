"""Which of the words that are told of a person are shown as skills."""

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

_LIST = Path(__file__).with_name("skills.txt")


@cache
def known_skills() -> frozenset[str]:
    """Every word or phrase that can be shown; where they come from is told in skills.txt."""
    lines = [line for line in _LIST.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return frozenset(skill.strip() for line in lines for skill in line.split(",") if skill.strip())


def skills_among(told: Iterable[str], *, own: Iterable[str | None] = ()) -> tuple[str, ...]:
    """The skills among the words, folded, each once.

    An ATS' tags are anybody's notes: what is not on the list is no skill. Neither is what shares a word with `own`, the
    person's names and the local parts of their addresses, for it may speak of them.
    """
    found = dict.fromkeys(skill for skill in map(folded, told) if skill in known_skills())
    if not found:
        return ()
    theirs = {word for text in own if text for word in _words(text)}
    return tuple(skill for skill in found if theirs.isdisjoint(_words(skill)))


def folded(text: str) -> str:
    """The skill as the list writes it: small letters, single spaces."""
    return " ".join(text.lower().split())


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", text.lower())
