"""The statements of queries.sql and listings.sql by name."""

from collections.abc import Sequence
from pathlib import Path

from shared.postgres.queries import load

SQL = {**load(Path(__file__).with_name("queries.sql")), **load(Path(__file__).with_name("listings.sql"))}
POOLS_LOCK = 0x0FA1_B101
"""The advisory lock that batches of persons share and that a pool's evaluation takes alone."""
LISTINGS_LOCK = 0x0FA1_B103
"""The space of the advisory locks by which one process at a time decides a pool's listing that opens."""
_BETWEEN = "\x1f"


def joined(texts: Sequence[str]) -> str:
    """Many texts as one, which a statement takes apart with `string_to_array($1, E'\\x1f')`: as an array each of them would cost
    asyncpg half a microsecond. ValueError where one holds the separator: no id does, and JSON escapes it."""
    text = _BETWEEN.join(texts)
    if text.count(_BETWEEN) != max(0, len(texts) - 1):
        raise ValueError("a text holds the separator of texts")
    return text
