"""How an employer is found by what a person typed: a company's name in any spelling, or a domain."""

import re
from collections.abc import Iterable

from shared.names import look_alike_keys

_OF_A_SITE = frozenset(["www", "career", "careers", "jobs", "apply", "hiring", "recruiting", "talent", "mail", "email"])
"""What stands before a company's own domain in the addresses that people copy."""


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
