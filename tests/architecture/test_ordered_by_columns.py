"""`SELECT id::text ... ORDER BY id` sorts by the text, which PostgreSQL calls `id` as well: no index has that order.

So each page of a table read everything behind it and sorted that: a rotation of a million keys became slower with each that it had yet
to do. `ORDER BY people.id` is the column.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(
    file for part in ("services", "shared") for file in (ROOT / part).rglob("*.sql") if "migrations" not in file.parts
)
_CAST = re.compile(r"(?:\w+\.)?(\w+)::\w+\b(?!\[\])(?!\s*AS\b)\s*(?:,|\s|$)|::\w+\s+AS\s+(\w+)")
_ORDER = re.compile(r"ORDER BY\s+(.*?)(?=\s(?:LIMIT|OFFSET|FOR|FETCH|ON|UNION|RETURNING)\b|;|$)", re.DOTALL)


def blocks(statement: str) -> Iterator[str]:
    """Each query of it, without what stands in parentheses."""
    text, inner = re.sub(r"--[^\n]*", "", statement), re.compile(r"\(([^()]*)\)")
    while found := inner.search(text):
        yield found[1]
        text = text[: found.start()] + "#" + text[found.end() :]
    yield from re.split(r"\bUNION(?: ALL)?\b", text)


def ordered_by_casts(statement: str) -> list[str]:
    """What it orders by that its list of columns has as something else under the same name."""
    found: list[str] = []
    for block in blocks(statement):
        selected = block.partition(" FROM ")[0] if " FROM " in block else re.split(r"\bFROM\b", block)[0]
        casts = {one or other for one, other in _CAST.findall(selected.partition("SELECT")[2])}
        for order in _ORDER.findall(block):
            keys = [key.split()[0] for key in order.split(",") if key.split()]
            found += [key for key in keys if key in casts]
    return found


def test_what_orders_by_a_cast_is_found() -> None:
    assert ordered_by_casts("SELECT id::text, at FROM people ORDER BY at, id LIMIT $1") == ["id"]
    assert ordered_by_casts("SELECT a.id::text\nFROM people AS a\nORDER BY id") == ["id"]
    assert ordered_by_casts("WITH x AS (SELECT id::text FROM people ORDER BY id DESC) SELECT id FROM x") == ["id"]
    assert ordered_by_casts("SELECT key::text AS id FROM people ORDER BY id") == ["id"]
    assert ordered_by_casts("SELECT id::text FROM people ORDER BY people.id") == []
    assert ordered_by_casts("SELECT id::text AS name FROM people ORDER BY id") == []
    assert ordered_by_casts("WITH x AS (SELECT id FROM people ORDER BY id) SELECT id::text FROM x") == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_statement_orders_by_a_cast_of_its_column(file: Path) -> None:
    statements = re.split(r"^-- name: ", file.read_text(), flags=re.MULTILINE)
    found = {text.partition("\n")[0]: keys for text in statements if (keys := ordered_by_casts(text))}
    assert found == {}
