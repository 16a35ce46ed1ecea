"""How an employer is found by what a person typed: a company's name in any spelling, or a domain."""

import re
from collections.abc import Collection, Iterable, Sequence
from difflib import SequenceMatcher
from functools import lru_cache
from typing import NamedTuple

from shared.names import look_alike_keys

_OF_A_SITE = frozenset(["www", "career", "careers", "jobs", "apply", "hiring", "recruiting", "talent", "mail", "email"])
"""What stands before a company's own domain in the addresses that people copy."""

_NEAR = 0.8
"""So alike, of 1, two names are that one may be meant where the other is typed."""
_SHORTEST_PART = 4
_MOST_NEAR = 3
_MOST_HELD = 10


class Called(NamedTuple):
    """What an employer is found by, and what people read of it."""

    name: str
    domain: str | None
    shown: str


class Unmet(NamedTuple):
    """A line of a person's list by which nobody is found now, with employers that may be meant."""

    typed: str
    near: tuple[str, ...]


def unmet(typed: Iterable[str], employers: Sequence[Called], *, blocked: Collection[str] = ()) -> tuple[Unmet, ...]:
    """The lines that block nobody now: whoever reads one back as a block may be seen by whom they meant.

    `blocked`: what people read of employers that are blocked already, and need not be proposed. Only the first few lines get
    proposals: each is held against every employer.
    """
    found = {key for one in employers for key in keys_of_employer(one.name, one.domain)}
    lines = [line for line in typed if found.isdisjoint(keys_of_name(line))]
    others = [one for one in employers if one.shown not in blocked]
    return tuple(Unmet(line, _near(line, others) if place < _MOST_HELD else ()) for place, line in enumerate(lines))


def _near(typed: str, employers: Sequence[Called]) -> tuple[str, ...]:
    """At most three, the most alike first: whose name holds what was typed or is held by it, or is a slip away from it."""
    words = {key.partition(":")[2] for key in _names(typed)}
    rated = [(_alike(words, one), one.shown) for one in employers]
    best = sorted((one for one in rated if one[0] >= _NEAR), key=lambda one: (-one[0], one[1]))
    return tuple(shown for _, shown in best[:_MOST_NEAR])


def _alike(words: Iterable[str], employer: Called) -> float:
    theirs = [key.partition(":")[2] for key in keys_of_employer(employer.name, None)]
    return max((_same(one, other) for one in words for other in theirs), default=0.0)


def _same(one: str, other: str) -> float:
    short, long = sorted((one, other), key=len)
    if len(short) >= _SHORTEST_PART and short in long:
        return 1.0
    if short[:1] != long[:1] or 2 * len(short) < _NEAR * (
        len(short) + len(long)
    ):  # most are sorted out by that, at no cost
        return 0.0
    return SequenceMatcher(None, one, other, autojunk=False).ratio()


def keys_of_name(typed: str) -> frozenset[str]:
    """What a line of the person's list is found by; empty when it holds neither letter nor digit.

    A domain may stand in a web or an email address, and is taken as a name as well: some companies are called by theirs.
    """
    labels = _labels(typed)
    while len(labels) > 2 and labels[0] in _OF_A_SITE:
        labels = labels[1:]
    return _names(typed) | ({f"domain:{'.'.join(labels)}"} if labels else frozenset())


def keys_of_names(typed: Iterable[str]) -> frozenset[str]:
    """What any of them is found by."""
    return frozenset().union(*(keys_of_name(one) for one in typed))


@lru_cache(maxsize=20_000)  # a page asks for all of them
def keys_of_employer(name: str, domain: str | None) -> frozenset[str]:
    """What an employer is found by: its name, its domain, and every domain that this one is below."""
    labels = _labels(domain or "")
    return _names(name) | {f"domain:{'.'.join(labels[place:])}" for place in range(len(labels) - 1)}


def _names(text: str) -> frozenset[str]:
    return frozenset(f"name:{key.replace(' ', '')}" for key in look_alike_keys(text))


def _labels(text: str) -> list[str]:
    """The parts of the domain that a text is, or that stands in an address of the web or of email; none where there is none."""
    address = text.strip().casefold().rpartition("://")[2]
    for end in "/?#":
        address = address.partition(end)[0]
    host = address.rpartition("@")[2].partition(":")[0].rstrip(".")
    try:
        labels = host.encode("idna").decode("ascii").split(".")
    except UnicodeError:
        return []
    is_domain = len(labels) >= 2 and all(re.fullmatch(r"[a-z0-9_-]+", label) for label in labels)
    return labels if is_domain and len(labels[-1]) >= 2 else []
