"""A lock that belongs to a session, on a connection that others borrow after us."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg

from shared.postgres.pool import Connection


@asynccontextmanager
async def session_lock(
    connection: Connection, lock: str, unlock: str, *of: int, within: float | None = None
) -> AsyncIterator[bool]:
    """Whether `lock` got it (where it only tries), for as long as the block takes.

    A connection goes back to its pool only without the lock: where neither a refusal nor the unlocking was confirmed
    (a time-out, a cancellation), it is closed, and PostgreSQL frees what it held.
    """
    holds_none = False
    try:
        holds_none = await connection.fetchval(lock, *of, timeout=within) is False
        try:
            yield not holds_none
        finally:
            if not holds_none:
                holds_none = bool(await connection.fetchval(unlock, *of))
    finally:
        if not holds_none:
            with suppress(asyncpg.InterfaceError):  # it is gone already
                connection.terminate()
