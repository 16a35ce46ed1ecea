"""Looks for personal fields in bytes: as they are, in other cases, and as encodings commonly write them."""

import base64
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus

SHORTEST = 12
"""Characters of a canary: anything shorter turns up by chance."""


@dataclass(frozen=True, slots=True)
class Canary:
    """A personal field that went in; `kind` is what a report may say of it."""

    kind: str
    text: str = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.text) < SHORTEST:
            raise ValueError(f"a canary has at least {SHORTEST} characters; this {self.kind} has {len(self.text)}")


_Needles = Mapping[bytes, Sequence[tuple[bytes, str]]]
"""What to look for, by its first bytes, so that each place of the data is looked up once."""


class Scanner:
    """Finds canaries; ten thousand of them cost no more than one."""

    def __init__(self, canaries: Iterable[Canary]) -> None:
        exact: dict[bytes, str] = {}
        folded: dict[bytes, str] = {}
        for canary in set(canaries):
            for needle, encoding in _case_matters(canary.text):
                exact.setdefault(needle, f"{canary.kind} in {encoding}")
            for needle, encoding in _case_does_not_matter(canary.text):
                folded.setdefault(needle, f"{canary.kind} in {encoding}")
        self._exact, self._folded = _by_beginning(exact), _by_beginning(folded)

    def find(self, data: bytes) -> list[str]:
        """What is there, such as `mail in base64`; never the field itself."""
        return sorted({*_hits(self._exact, data), *_hits(self._folded, data.lower())})


def _by_beginning(needles: Mapping[bytes, str]) -> _Needles:
    found: dict[bytes, list[tuple[bytes, str]]] = defaultdict(list)
    for needle, what in needles.items():
        found[needle[:SHORTEST]].append((needle, what))
    return found


def _hits(needles: _Needles, data: bytes) -> Iterator[str]:
    for start in range(len(data) - SHORTEST + 1):
        for needle, what in needles.get(data[start : start + SHORTEST], ()):
            if data.startswith(needle, start):
                yield what


def _case_matters(text: str) -> Iterator[tuple[bytes, str]]:
    for form in {text, text.lower()}:
        raw = form.encode()
        for shift in range(3):
            # Only whole groups of three bytes are the same whatever stands before and behind.
            inner = raw[-shift % 3 :] if shift else raw
            whole = inner[: len(inner) // 3 * 3]
            for encode in (base64.b64encode, base64.urlsafe_b64encode):
                yield encode(whole), "base64"


def _case_does_not_matter(text: str) -> Iterator[tuple[bytes, str]]:
    for form in {text, text.lower()}:
        raw = form.encode()
        for encoded, name in (
            (raw, "clear"),
            (raw.hex().encode(), "hex"),
            (quote(form, safe="").encode(), "URL encoding"),
            (quote_plus(form).encode(), "URL encoding"),
            (json.dumps(form)[1:-1].encode(), "JSON escapes"),
        ):
            yield encoded.lower(), name
