"""Brings a database up to date: numbered .sql files, each applied once, in order, by one process at a time."""

from datetime import timedelta
from pathlib import Path

import asyncpg
import structlog

from shared.backoff import Backoff
from shared.postgres.pool import Connection, Pool
from shared.postgres.session_lock import session_lock

PLUMBING = Path(__file__).parent / "migrations"
_LOCK = 0x0FA1_B001
_TAKE, _GIVE_BACK = "SELECT pg_advisory_lock($1)", "SELECT pg_advisory_unlock($1)"
_AS_LONG_AS_IT_TAKES = timedelta(days=1).total_seconds()
"""In place of the pool's limit for a statement: an index on a large table is built in minutes."""
_LOCK_WITHIN = "5s"
"""A table that is in use is not waited for any longer: whoever comes after us would wait behind us."""
_TRIES = 12
_log = structlog.get_logger(__name__)


async def migrate(pool: Pool, *folders: Path) -> None:
    """Applies what is missing of each folder; each file in a transaction of its own, so a broken one undoes itself alone.

    Other processes wait until this one is done, however long a file takes. A file whose tables are locked by others for 5 s
    is tried again, some two minutes in all; then it is asyncpg.LockNotAvailableError.
    """
    async with (
        pool.acquire() as connection,
        session_lock(connection, _TAKE, _GIVE_BACK, _LOCK, within=_AS_LONG_AS_IT_TAKES),
    ):
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS migrations (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        for folder in folders:
            await _apply_missing(connection, folder)


async def _apply_missing(connection: Connection, folder: Path) -> None:
    done = {row["name"] for row in await connection.fetch("SELECT name FROM migrations")}
    for file in _numbered(folder):
        name = f"{folder.parent.name}/{file.name}"
        if name not in done:
            await _apply(connection, file.read_text(encoding="utf-8"), name)
            _log.info("migrated", file=name)


async def _apply(connection: Connection, sql: str, name: str) -> None:
    backoff = Backoff()
    for left in reversed(range(_TRIES)):
        try:
            async with connection.transaction():
                await connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_WITHIN}'")
                await connection.execute(sql, timeout=_AS_LONG_AS_IT_TAKES)
                await connection.execute("INSERT INTO migrations (name) VALUES ($1)", name)
        except asyncpg.LockNotAvailableError:
            if not left:
                raise
            _log.warning("migration_waits", file=name, tries_left=left)
            await backoff.wait()
        else:
            return


def _numbered(folder: Path) -> list[Path]:
    found = sorted(folder.glob("[0-9][0-9][0-9][0-9]_*.sql"))
    if not found:
        raise FileNotFoundError(f"expected migrations named 0001_*.sql in {folder}, found none")
    return found
