"""What a person takes along of what consent keeps, as files: each bounded, and each says whether it is whole."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from shared.contracts.base import rfc3339

MIB = 1024 * 1024


@dataclass(slots=True)
class Listing:
    """A file of a list, the latest first: whatever does not fit is left out, the oldest of it."""

    most: int
    """Entries."""
    most_bytes: int
    is_whole: bool = True
    _lines: list[str] = field(default_factory=list)
    _bytes: int = 0

    @property
    def count(self) -> int:
        """How many are in it."""
        return len(self._lines)

    def add(self, entry: Mapping[str, Any]) -> bool:
        """One more; False, and it is left out with all that are older, where there is no room."""
        line = json.dumps(entry, ensure_ascii=False)
        size = len(line.encode()) + 2
        if not self.is_whole or self.count == self.most or self._bytes + size > self.most_bytes:
            self.is_whole = False
            return False
        self._lines.append(line)
        self._bytes += size
        return True

    def text(
        self,
        note: str,
        *,
        at: datetime,
        beside: Mapping[str, "Listing"] | None = None,
        **head: Any,  # noqa: ANN401 - as JSON has it
    ) -> bytes:
        """The file: one entry a line under `items`, and under the names of the lists `beside` it; `complete` says whether all are there."""
        lists = {**(beside or {}), "items": self}
        is_whole = all(one.is_whole for one in lists.values())
        members = {"as_of": rfc3339(at), "about": note, "complete": is_whole, **head}
        opening = json.dumps(members, ensure_ascii=False, indent=1).removesuffix("\n}")
        rest = "".join(f",\n {json.dumps(name)}: {one.written}" for name, one in lists.items())
        return f"{opening}{rest}}}\n".encode()

    @property
    def written(self) -> str:
        """As an array of JSON, one entry a line."""
        return "[\n" + ",\n".join(self._lines) + "\n]"


def receipts() -> Listing:
    """Of the receipts: each has the whole text that was agreed, some 4 KB."""
    return Listing(most=2_000, most_bytes=3 * MIB)


def disclosures() -> Listing:
    """Of who could read what."""
    return Listing(most=20_000, most_bytes=4 * MIB)


def pools() -> Listing:
    """Of the pools that the person is in: what a pool asks for may be long."""
    return Listing(most=5_000, most_bytes=MIB // 2)


def messages() -> Listing:
    """Of what employers wrote."""
    return Listing(most=10_000, most_bytes=4 * MIB)


def document(value: Mapping[str, Any]) -> bytes:
    """A file of one object."""
    return (json.dumps(value, ensure_ascii=False, indent=1) + "\n").encode()
