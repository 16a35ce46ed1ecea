"""The statements of queries.sql and listings.sql by name."""

from pathlib import Path

from shared.postgres.columns import joined as joined
from shared.postgres.queries import load

SQL = {**load(Path(__file__).with_name("queries.sql")), **load(Path(__file__).with_name("listings.sql"))}
POOLS_LOCK = 0x0FA1_B101
"""The advisory lock that batches of persons share and that a pool's evaluation takes alone."""
LISTINGS_LOCK = 0x0FA1_B103
"""The space of the advisory locks by which one process at a time decides a pool's listing that opens."""
