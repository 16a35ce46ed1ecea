"""How many rows a batch reads where tables are large: some of each of its own, whatever PostgreSQL knows of the tables.

A plan that is made for a table that PostgreSQL has not analyzed yet, or for a batch whose size it guesses wrong, may read all of it: as
many round trips as ever, each of which costs more with each person who joins.
"""

import re
from collections.abc import Mapping, Sequence

import asyncpg
import pytest

from shared.postgres.pool import Pool
from tests.counts.counting import Counts, counted
from tests.counts.crowd import crowd, rows_read
from tests.counts.test_counts import PATHS, Starts, _ready
from tests.stack import Servers

BATCH = 200
ROWS = 10_000
"""Of each table that the path fills."""
OTHERS = {
    "outreach_gateway": """
        INSERT INTO erased SELECT gen_random_uuid() FROM generate_series(1, $1);
        INSERT INTO mailboxes SELECT gen_random_uuid(), 1, true FROM generate_series(1, $1);
    """,
}
"""By service, rows of tables that its batches look into and leave empty here."""
OF_A_WHOLE = {
    "pool_matching: a chunk of an evaluation": "a step goes through the next thousands of all people",
    "pool_matching: a listing opens and is told": "one pool's listing is of all its members",
    "courier: a turn, withheld": "a turn takes the oldest of all that is to be sent",
}
"""Paths that are no batch of some keys, and what they read."""
OF_EACH = 20
"""Rows of one table that all statements of a path together may read for each of its batch: less than half of what a single one reads
that reads all of it."""

_TRIES = 3
"""What the process does by the clock may go through a table meanwhile, and another connection may say late what it read: what a batch
reads it reads each time."""


@pytest.mark.parametrize("path", [path for path in PATHS if max(PATHS[path][2]) >= BATCH and path not in OF_A_WHOLE])
async def test_a_batch_reads_rows_of_its_own_and_no_whole_table(path: str, starts: Starts, servers: Servers) -> None:
    name, prepare, _ = PATHS[path]
    async with starts(name) as process:
        await _ready(process)
        await (await prepare(process, BATCH))()  # so that there are rows like its own
        pool = process.service.pool
        database = await pool.fetchval("SELECT current_database()")
        administrator = await asyncpg.connect(f"{servers.postgres.rpartition('/')[0]}/{database}")
        found = []
        try:
            await administrator.execute(OTHERS.get(name, "SELECT").replace("$1", str(BATCH)))
            for known in ("not analyzed", "analyzed"):
                for again in range(_TRIES):
                    act = await prepare(process, BATCH)
                    if not again:
                        large = await crowd(administrator, least=BATCH, rows=ROWS)
                    if known == "analyzed":
                        await administrator.execute("ANALYZE")
                    before = await _read(pool, administrator)
                    async with counted() as counts:
                        await act()
                    after = await _read(pool, administrator)
                    read = {table: after[table] - before[table] for table in large}
                    too_many = {table: rows for table, rows in read.items() if rows > OF_EACH * BATCH}
                    if not too_many:
                        break
                else:
                    found += [f"{known}: {table}, {rows} rows" for table, rows in too_many.items()]
                    found += await _scans(pool, counts, list(too_many))
        finally:
            await administrator.close()
    assert not found, f"of {ROWS} rows, for a batch of {BATCH}:\n" + "\n".join(found)


async def _read(pool: Pool, administrator: asyncpg.Connection) -> Mapping[str, int]:
    # The one connection of the process says what it has read; so does who made the tables large, who would say it later.
    await pool.fetchval("SELECT pg_stat_force_next_flush()")
    await administrator.fetchval("SELECT pg_stat_force_next_flush()")
    return await rows_read(administrator)


async def _scans(pool: Pool, counts: Counts, tables: Sequence[str]) -> list[str]:
    """Which statements go through these tables, and how: what was asked is planned once more."""
    found = []
    for query, given in dict(counts.asked).items():
        if not any(re.search(rf"\b{table}\b", query) for table in tables) or "pg_temp" in query:
            continue
        plan = [row[0].strip() for row in await pool.fetch(f"EXPLAIN {query}", *given)]
        scans = [line for line in plan if any(f" on {table} " in f"{line} " for table in tables) or "Cond" in line]
        found.append("  " + " ".join(query.split())[:200] + "".join(f"\n      {line}" for line in scans))
    return found
