"""What docs/taking-over-a-seat.md tells vendors to write, as it stands there."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

_PAGE = Path(__file__).parents[1] / "docs" / "taking-over-a-seat.md"
_written: dict[str, Any] = {}
for _block in re.findall(r"^```python\n(.*?)^```$", _PAGE.read_text(), re.MULTILINE | re.DOTALL):
    exec(_block, _written)  # noqa: S102 - a page of ours

open_bundle: Callable[[Path, str], dict[str, Any]] = _written["open_bundle"]
lines: Callable[[Path, str], Iterator[dict[str, Any]]] = _written["lines"]
apply_update: Callable[[dict[str, set[str]], dict[str, Any]], None] = _written["apply_update"]
apply_news: Callable[[dict[str, str], dict[str, Any]], None] = _written["apply_news"]


def members_in(path: Path) -> dict[str, set[str]]:
    """The refs of each pool that a bundle has."""
    found: dict[str, set[str]] = {pool["id"]: set() for pool in lines(path, "pools.jsonl")}
    for member in lines(path, "members.jsonl"):
        found[member["pool"]].add(member["member_ref"])
    return found
