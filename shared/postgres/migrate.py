"""Brings a database up to date: numbered .sql files in two halves, each applied once, in order, by one process at a time."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import asyncpg
import structlog

from shared.backoff import Backoff
from shared.messaging.errors import FatalError
from shared.postgres.migration_files import AFTER, BEFORE, INDEX_MADE, Half, Migration, read
from shared.postgres.pool import Connection, Pool
from shared.postgres.session_lock import session_lock

PLUMBING = Path(__file__).parent / "migrations"
_LOCK = 0x0FA1_B001
# Tried, not waited for: whoever waits inside a statement has a snapshot, and an index that is built CONCURRENTLY waits for
# the end of every snapshot, so the two would wait for each other.
_TAKE, _GIVE_BACK = "SELECT pg_try_advisory_lock($1)", "SELECT pg_advisory_unlock($1)"
_ASKED_EVERY = timedelta(seconds=1)
_AS_LONG_AS_IT_TAKES = timedelta(days=1).total_seconds()
"""In place of the pool's limit for a statement: an index on a large table is built in minutes."""
_LOCK_WITHIN = "5s"
"""A table that is in use is not waited for any longer: whoever comes after us would wait behind us."""
_SNAPSHOTS_WITHIN = "2min"
"""Outside a transaction we wait for the end of others' transactions, and nobody but the next migration waits behind us."""
_TRIES = 12
_log = structlog.get_logger(__name__)


async def migrate(pool: Pool, *folders: Path, halves: Sequence[Half] = (BEFORE, AFTER)) -> Sequence[str]:
    """Applies what is missing of each half, folder by folder; the names of what it applied.

    Each file is a transaction of its own, so a broken one undoes itself alone; but for one that says `-- fairpool: no
    transaction`, whose statements are applied one by one and may be applied again. Other processes wait until this one is
    done, however long a file takes. A file whose tables are locked by others for 5 s is tried again, some two minutes in
    all; then it is asyncpg.LockNotAvailableError. FatalError when the second half is asked for before the first is there.
    """
    backoff = Backoff(longest=_ASKED_EVERY)
    while True:
        async with (
            pool.acquire() as connection,
            session_lock(connection, _TAKE, _GIVE_BACK, _LOCK) as is_ours,
        ):
            if is_ours:
                return await _migrate(connection, folders, halves)
        await backoff.wait()


async def must_be_applied(pool: Pool, *folders: Path) -> None:
    """FatalError, which says what to do, when something is missing of the half that comes before a release."""
    async with pool.acquire() as connection:
        lacking = _of(BEFORE, folders, await _done(connection))
    if lacking:
        raise FatalError(
            f"the tables are not those of this version: {lacking[0].name} has not been applied"
            f"{f', nor {len(lacking) - 1} more' if lacking[1:] else ''}. Let `fairpool migrate --before` run (the job "
            "`migrations`, docs/running.md), then start again"
        )


async def _migrate(connection: Connection, folders: Sequence[Path], halves: Sequence[Half]) -> Sequence[str]:
    await connection.execute(
        "CREATE TABLE IF NOT EXISTS migrations (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
    )
    done = await _done(connection)
    if BEFORE not in halves and (lacking := _of(BEFORE, folders, done)):
        raise FatalError(f"{lacking[0].name} must be applied first: let `fairpool migrate --before` run")
    todo = [migration for half in halves for migration in _of(half, folders, done)]
    for migration in todo:
        await _apply_patiently(connection, migration)
        _log.info("migrated", file=migration.name)
    return [migration.name for migration in todo]


def _of(half: Half, folders: Sequence[Path], done: set[str]) -> list[Migration]:
    return [one for folder in folders for one in read(folder) if one.half == half and one.name not in done]


async def _done(connection: Connection) -> set[str]:
    if await connection.fetchval("SELECT to_regclass('public.migrations')") is None:
        return set()
    return {row["name"] for row in await connection.fetch("SELECT name FROM migrations")}


async def _apply_patiently(connection: Connection, migration: Migration) -> None:
    apply = _apply if migration.in_transaction else _apply_one_by_one
    backoff = Backoff()
    for left in reversed(range(_TRIES)):
        try:
            await apply(connection, migration)
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            if not left:
                raise
            _log.warning("migration_waits", file=migration.name, tries_left=left)
            await backoff.wait()
        else:
            return


async def _apply(connection: Connection, migration: Migration) -> None:
    async with connection.transaction():
        await connection.execute(f"SET LOCAL lock_timeout = '{_LOCK_WITHIN}'")
        await connection.execute(migration.sql, timeout=_AS_LONG_AS_IT_TAKES)
        await _note(connection, migration)


async def _apply_one_by_one(connection: Connection, migration: Migration) -> None:
    """Killed on the way, the next process does all of it again: each statement leaves alone what is there already."""
    await connection.execute(f"SET lock_timeout = '{_SNAPSHOTS_WITHIN}'")
    try:
        for statement in migration.statements:
            if (made := INDEX_MADE.match(statement)) is not None:
                await _drop_if_invalid(connection, made["name"])
            await connection.execute(statement, timeout=_AS_LONG_AS_IT_TAKES)
    finally:
        if not connection.is_closed():
            await connection.execute("RESET lock_timeout")
    await _note(connection, migration)


async def _drop_if_invalid(connection: Connection, index: str) -> None:
    """What an attempt left that failed or was killed: it has a name, costs each write, and serves no query."""
    if await connection.fetchval("SELECT NOT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)", index):
        _log.warning("index_made_again", index=index)
        await connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {index}", timeout=_AS_LONG_AS_IT_TAKES)


async def _note(connection: Connection, migration: Migration) -> None:
    await connection.execute("INSERT INTO migrations (name) VALUES ($1)", migration.name)
