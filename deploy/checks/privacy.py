"""Looks for personal fields in bytes: as they are, in other cases, and as encodings commonly write or pack them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from deploy.checks import encodings

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
            for needle, encoding in encodings.case_matters(canary.text):
                exact.setdefault(needle, f"{canary.kind} in {encoding}")
            for needle, encoding in encodings.case_does_not_matter(canary.text):
                folded.setdefault(needle, f"{canary.kind} in {encoding}")
        self._exact, self._folded = _by_beginning(exact), _by_beginning(folded)

    def find(self, data: bytes) -> list[str]:
        """What is there, such as `mail in base64` or `name in clear in gzip`; never the field itself."""
        found = set(self._here(data))
        for inner, packed in encodings.unpacked(data):
            found |= {f"{what} in {packed}" for what in self._here(inner)}
        return sorted(found)

    def _here(self, data: bytes) -> Iterator[str]:
        yield from _hits(self._exact, data)
        yield from _hits(self._folded, data.lower())


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
