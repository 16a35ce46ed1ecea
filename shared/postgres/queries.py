"""SQL lives in .sql files, each statement under a `-- name: xyz` line."""

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def load(path: Path) -> Mapping[str, str]:
    """The statements of a file by name; ValueError when a name stands twice or text comes before the first name."""
    before, *rest = _NAME.split(path.read_text(encoding="utf-8"))
    if any(line.strip() and not line.startswith("--") for line in before.splitlines()):
        raise ValueError(f"{path}: SQL before the first `-- name:` line")
    names = rest[::2]
    if len(set(names)) != len(names):
        raise ValueError(f"{path}: a statement's name stands twice")
    return MappingProxyType({name: sql.strip() for name, sql in zip(names, rest[1::2], strict=True)})
