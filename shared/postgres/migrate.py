"""Brings a database up to date: numbered .sql files, each applied once, in order, by one process at a time."""

from pathlib import Path

import structlog

from shared.postgres.pool import Connection, Pool

PLUMBING = Path(__file__).parent / "migrations"
_LOCK = 0x0FA1_B001
_log = structlog.get_logger(__name__)


async def migrate(pool: Pool, *folders: Path) -> None:
    """Applies what is missing of each folder, all in one transaction under an advisory lock."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS migrations "
            "(name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        for folder in folders:
            await _apply(connection, folder)


async def _apply(connection: Connection, folder: Path) -> None:
    done = {row["name"] for row in await connection.fetch("SELECT name FROM migrations")}
    prefix = f"{folder.parent.name}/"
    for file in _numbered(folder):
        name = prefix + file.name
        if name not in done:
            await connection.execute(file.read_text(encoding="utf-8"))
            await connection.execute("INSERT INTO migrations (name) VALUES ($1)", name)
            _log.info("migrated", file=name)


def _numbered(folder: Path) -> list[Path]:
    found = sorted(folder.glob("[0-9][0-9][0-9][0-9]_*.sql"))
    if not found:
        raise FileNotFoundError(f"expected migrations named 0001_*.sql in {folder}, found none")
    return found
