"""SQL lives in .sql files, each statement under a `-- name: xyz` line.

What several statements of a file name alike, such as the columns that become one value, stands once, under a `-- part: xyz` line before
all names, and is `:xyz` in them, as psql writes its variables.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_USED = re.compile(r"(?<!:):(\w+)")
_PART = re.compile(r"^-- part: (\w+)$", re.MULTILINE)


def load(path: Path) -> Mapping[str, str]:
    """The statements of a file by name; ValueError when a name stands twice or text comes before the first name or part."""
    before, *rest = _NAME.split(path.read_text(encoding="utf-8"))
    before, *parts = _PART.split(before)
    if any(line.strip() and not line.startswith("--") for line in before.splitlines()):
        raise ValueError(f"{path}: SQL before the first `-- name:` or `-- part:` line")
    names = rest[::2]
    if len(set(names)) != len(names):
        raise ValueError(f"{path}: a statement's name stands twice")
    known = dict(zip(parts[::2], (text.strip() for text in parts[1::2]), strict=True))
    return MappingProxyType({name: _filled(sql.strip(), known) for name, sql in zip(names, rest[1::2], strict=True)})


def _filled(sql: str, parts: Mapping[str, str]) -> str:
    """What is named and no part stays: a cast, or a word in a text."""
    return _USED.sub(lambda found: parts.get(found[1], found[0]), sql)
