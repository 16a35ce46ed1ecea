"""A connection pool to a service's own database."""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

if TYPE_CHECKING:  # asyncpg's classes take no parameter at run time
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
else:
    Connection = asyncpg.Connection | PoolConnectionProxy
    Pool = asyncpg.Pool

_CONNECT_WITHIN = timedelta(seconds=10)
_ANSWER_WITHIN = timedelta(seconds=30)
_CLOSE_WITHIN = timedelta(seconds=5)
_OF_THE_SESSION = {
    "timezone": "UTC",
    "jit": "off",
    # Whoever is frozen or cut off inside a transaction must not hold its locks for others: longer than a relay waits for
    # Kafka, shorter than a handler tries again.
    "idle_in_transaction_session_timeout": "40s",
    "tcp_keepalives_idle": "20",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "4",
}


async def open_pool(dsn: str, *, name: str, connections: int = 10) -> Pool:
    """A pool whose connections carry the process's name; a statement that takes over 30 s fails."""
    return await asyncpg.create_pool(
        dsn,
        min_size=1,
        max_size=connections,
        timeout=_CONNECT_WITHIN.total_seconds(),
        command_timeout=_ANSWER_WITHIN.total_seconds(),
        server_settings={"application_name": name, **_OF_THE_SESSION},
    )


async def close_pool(pool: Pool) -> None:
    """Waits 5 s for connections that are in use, then cuts them: what they had open is rolled back."""
    try:
        async with asyncio.timeout(_CLOSE_WITHIN.total_seconds()):
            await pool.close()
    except TimeoutError:
        pool.terminate()
