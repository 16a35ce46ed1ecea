"""The files of a folder of migrations: which half each belongs to, and how it wants to be applied."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

Half = Literal["before", "after"]
BEFORE: Final = "before"
"""What is applied before a release: it only adds, so that the version before goes on working."""
AFTER: Final = "after"
"""What is applied once no process of the version before runs any more: it takes away."""
INDEX_MADE = re.compile(r"CREATE (?:UNIQUE )?INDEX CONCURRENTLY IF NOT EXISTS (?P<name>\w+)\b", re.IGNORECASE)
NO_TRANSACTION = "-- fairpool: no transaction"
"""The first line of a file whose statements can't stand in a transaction (`CREATE INDEX CONCURRENTLY`)."""
_COMMENT = re.compile(r"--[^\n]*")


@dataclass(frozen=True, slots=True)
class Migration:
    """One file; `name` is what a database remembers it by."""

    name: str
    half: Half
    sql: str

    @property
    def in_transaction(self) -> bool:
        """Whether the file is applied whole or not at all."""
        return not self.sql.startswith(NO_TRANSACTION)

    @property
    def statements(self) -> Sequence[str]:
        """One by one, without comments; only for a file outside a transaction, which holds no text with a semicolon in it."""
        return [one.strip() for one in _COMMENT.sub("", self.sql).split(";") if one.strip()]


def read(folder: Path) -> Sequence[Migration]:
    """Those of a folder in their order: `0001_post_*.sql` is applied after a release, every other one before."""
    files = sorted(folder.glob("[0-9][0-9][0-9][0-9]_*.sql"))
    if not files:
        raise FileNotFoundError(f"expected migrations named 0001_*.sql in {folder}, found none")
    return [
        Migration(f"{folder.parent.name}/{file.name}", _half(file.name), file.read_text(encoding="utf-8"))
        for file in files
    ]


def _half(name: str) -> Half:
    return AFTER if name[4:].startswith("_post_") else BEFORE
