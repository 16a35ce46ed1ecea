"""`python -m tests.bench.vault`: how fast a rotation of the vault re-wraps a million data keys, those of 500,000 people.

Real PostgreSQL and the runner's own steps, one worker; beside it what one would write first: one person at a time, each in a
transaction of its own.
"""

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import structlog

from services.signup.adapters.rotation import PostgresRotation
from services.signup.vault.epoch_rows import EpochRows
from services.signup.vault.epochs import Epochs
from services.signup.vault.keepers.file import FileKeeper
from services.signup.vault.reading import as_identity
from services.signup.vault.sealing import Identity, rewrapped, seal_identity
from shared.messaging.unit import Unit, unit_of_work
from shared.postgres.migrate import migrate
from shared.postgres.pool import Pool, open_pool
from shared.security.words import KeyPair
from tests.databases import MIGRATIONS_OF
from tests.stack import Servers

NOW = datetime(2026, 11, 23, 19, 0, tzinfo=UTC)
_AT_ONCE = 10_000
_PUBLIC = "A" * 43
_ONE = """
SELECT candidate::text, version, epoch, identity_key, messages_key, identity, public_key, private_key, mail, name, phones
FROM identities WHERE epoch = 1 ORDER BY identities.candidate LIMIT 1 FOR UPDATE
"""


@asynccontextmanager
async def _unit(pool: Pool) -> AsyncIterator[Unit]:
    async with unit_of_work(pool, at=NOW, source="bench") as unit:
        yield unit


async def _fill(pool: Pool, epochs: Epochs, first: int, people: int) -> None:
    pair = KeyPair(_PUBLIC, _PUBLIC)
    for start in range(first, first + people, _AT_ONCE):
        names = [str(UUID(int=number)) for number in range(start, min(start + _AT_ONCE, first + people))]
        rows = [seal_identity(one, Identity(f"{one}@people.example", "Ana"), pair, epochs) for one in names]
        async with pool.acquire() as connection:
            await connection.copy_records_to_table(
                "candidates",
                records=[(UUID(one), one.encode(), NOW, NOW) for one in names],
                columns=["candidate", "blind_index", "registered_at", "stub_until"],
            )
            await connection.copy_records_to_table(
                "identities",
                records=[
                    (UUID(row.candidate), row.version, row.epoch, row.identity_key, row.messages_key, row.identity, row.public_key, row.private_key)
                    for row in rows
                ],
                columns=["candidate", "version", "epoch", "identity_key", "messages_key", "identity", "public_key", "private_key"],
            )  # fmt: skip


async def _one_at_a_time(pool: Pool, rows: EpochRows, people: int) -> float:
    began = time.perf_counter()
    for _ in range(people):
        async with _unit(pool) as unit:
            row = await unit.connection.fetchrow(_ONE)
            assert row is not None
            moved = rewrapped(as_identity(row), rows.epochs, rows.epochs.current)
            await unit.connection.execute(
                "UPDATE identities SET epoch = $2, identity_key = $3, messages_key = $4 WHERE candidate = $1",
                moved.candidate,
                moved.epoch,
                moved.identity_key,
                moved.messages_key,
            )
    return time.perf_counter() - began


async def _rotate(pool: Pool, rows: EpochRows) -> float:
    began = time.perf_counter()
    more = True
    while more:
        async with _unit(pool) as unit:
            more = await PostgresRotation(unit, rows).step()
    return time.perf_counter() - began


async def measure(keys: int, plain: int) -> None:
    """Prints the rates."""
    with Servers() as servers:
        dsn = await servers.create_database("vault_bench")
        with tempfile.TemporaryDirectory() as folder:
            async with await open_pool(dsn, name="bench") as pool:
                await migrate(pool, *MIGRATIONS_OF["signup"])
                rows = EpochRows(Epochs(), FileKeeper(Path(folder)))
                async with pool.acquire() as connection:
                    await rows.make(connection)
                    await rows.refresh(connection)
                await _fill(pool, rows.epochs, 1, keys // 2)
                await pool.execute("VACUUM ANALYZE identities")
                async with _unit(pool) as unit:
                    await PostgresRotation(unit, rows).begin(by="bench")
                async with _unit(pool) as unit:
                    await PostgresRotation(unit, rows).step()
                async with pool.acquire() as connection:
                    await rows.refresh(connection)
                slow = await _one_at_a_time(pool, rows, plain // 2)
                took = await _rotate(pool, rows)
                left = await pool.fetchval("SELECT count(*) FROM identities WHERE epoch = 1")
                moved = keys - plain
                assert left == 0
                print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")  # noqa: T201 - what it is for
                print(f"rotation: {moved:,} keys in {took:.0f} s: {moved / took:,.0f} keys/s")  # noqa: T201 - as above
                print(f"one person at a time: {plain:,} keys in {slow:.1f} s: {plain / slow:,.0f} keys/s")  # noqa: T201 - as above


def main() -> None:
    """Reads the arguments."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    parser = argparse.ArgumentParser()
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--plain", type=int, default=4_000)
    given = parser.parse_args()
    asyncio.run(measure(given.keys, given.plain))


if __name__ == "__main__":
    main()
