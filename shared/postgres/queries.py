"""SQL lives in .sql files, each statement under a `-- name: xyz` line.

What several statements of a file name alike, such as the columns that become one value, stands once, under a `-- part: xyz` line before
all names, and is `:xyz` in them, as psql writes its variables; not in a text between single quotes, nor in a comment.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)
_USED = re.compile(r"--[^\n]*|'[^']*'|(?<!:):(\w+)")
"""A part where it is named; comments and texts are passed over whole."""
_PART = re.compile(r"^-- part: (\w+)$", re.MULTILINE)


def load(path: Path) -> Mapping[str, str]:
    """The statements of a file by name; ValueError when a name or a part stands twice, no statement uses a part,
    or text comes before the first name or part."""
    before, *rest = _NAME.split(path.read_text(encoding="utf-8"))
    before, *parts = _PART.split(before)
    if any(line.strip() and not line.startswith("--") for line in before.splitlines()):
        raise ValueError(f"{path}: SQL before the first `-- name:` or `-- part:` line")
    names = rest[::2]
    if len(set(names)) != len(names):
        raise ValueError(f"{path}: a statement's name stands twice")
    if len(set(parts[::2])) != len(parts[::2]):
        raise ValueError(f"{path}: a part stands twice")
    known = dict(zip(parts[::2], (text.strip() for text in parts[1::2]), strict=True))
    used = {found[1] for sql in rest[1::2] for found in _USED.finditer(sql)}
    if idle := known.keys() - used:
        raise ValueError(f"{path}: no statement uses {', '.join(sorted(idle))}")
    return MappingProxyType({name: _filled(sql.strip(), known) for name, sql in zip(names, rest[1::2], strict=True)})


def _filled(sql: str, parts: Mapping[str, str]) -> str:
    """What is named and no part stays: a slice of an array, say."""
    return _USED.sub(lambda found: parts.get(found[1], found[0]), sql)
