"""A connection pool to a service's own database."""

from datetime import timedelta
from typing import TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

_CONNECT_WITHIN = timedelta(seconds=10)
_ANSWER_WITHIN = timedelta(seconds=30)


async def open_pool(dsn: str, *, name: str, connections: int = 10) -> Pool:
    """A pool whose connections carry the process's name; a statement that takes over 30 s fails."""
    return await asyncpg.create_pool(
        dsn,
        min_size=1,
        max_size=connections,
        timeout=_CONNECT_WITHIN.total_seconds(),
        command_timeout=_ANSWER_WITHIN.total_seconds(),
        server_settings={"application_name": name, "timezone": "UTC", "jit": "off"},
    )
