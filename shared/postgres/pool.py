"""A connection pool to a service's own database."""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

import asyncpg
from asyncpg.connect_utils import SessionAttribute
from asyncpg.pool import PoolConnectionProxy

from shared.messaging.errors import FatalError, PostgresAwayError

if TYPE_CHECKING:  # asyncpg's classes take no parameter at run time
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
else:
    Connection = asyncpg.Connection | PoolConnectionProxy
    Pool = asyncpg.Pool

_CONNECT_WITHIN = timedelta(seconds=10)
_ACQUIRE_WITHIN = timedelta(seconds=5)
_ANSWER_WITHIN = timedelta(seconds=30)
_CLOSE_WITHIN = timedelta(seconds=5)
SILENT_AT_MOST = "40s"
"""Whoever is frozen or cut off inside a transaction must not hold its locks for others: longer than a relay waits for Kafka, shorter
than a handler tries again."""
_OF_THE_SESSION = {
    "timezone": "UTC",
    "jit": "off",
    # A plan that was made while a table was small, and kept, scans all of it once there is a burst: planning anew costs far less.
    "plan_cache_mode": "force_custom_plan",
    # What is asked for often is in memory, and a disk of today finds any page as soon as the next one. PostgreSQL's 4 is of disks that
    # turn: by it, all of a table of 10,000 rows is cheaper to read than 200 of them by their keys, and is read
    # (tests/counts/test_reads.py fails in two services without this line).
    "random_page_cost": "1.1",
    "idle_in_transaction_session_timeout": SILENT_AT_MOST,
    "tcp_keepalives_idle": "20",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "4",
}


class _BoundedPool(Pool):
    """Nobody waits for a connection without end: after 5 s it is a TimeoutError, which is transient (to a caller, 503)."""

    def acquire(self, *, timeout: float | None = None) -> Any:  # noqa: ANN401 - asyncpg's own signature
        return super().acquire(timeout=_ACQUIRE_WITHIN.total_seconds() if timeout is None else timeout)


async def open_pool(dsn: str, *, name: str, connections: int = 10) -> Pool:
    """A pool whose connections carry the process's name; a statement that takes over 30 s fails.

    What is set for a session must be given back by whoever sets it (`migrate.py`): a connection that
    returns is rolled back, and no statement is spent on the rest. PostgresAwayError where no server answers.
    """
    return await _BoundedPool(
        dsn,
        min_size=1,
        max_size=connections,
        max_queries=50_000,
        max_inactive_connection_lifetime=300.0,
        connect=_connect,
        reset=_as_it_is,
        loop=None,
        connection_class=asyncpg.Connection,
        record_class=asyncpg.Record,
        timeout=_CONNECT_WITHIN.total_seconds(),
        command_timeout=_ANSWER_WITHIN.total_seconds(),
        server_settings={"application_name": name, **_OF_THE_SESSION},
    )


async def connect_alone(dsn: str, *, name: str) -> asyncpg.Connection:
    """A connection beside the pool, for what belongs to a session; PostgresAwayError where no server answers."""
    connection: asyncpg.Connection = await _connect(
        dsn,
        timeout=_CONNECT_WITHIN.total_seconds(),
        command_timeout=_ANSWER_WITHIN.total_seconds(),
        server_settings={"application_name": name, **_OF_THE_SESSION},
    )
    return connection


async def _connect(*args: Any, **options: Any) -> Any:  # noqa: ANN401 - asyncpg.connect's own, passed through
    try:
        return await asyncpg.connect(*args, target_session_attrs=SessionAttribute.read_write, **options)
    except asyncpg.TargetServerAttributeNotMatched as error:
        raise PostgresAwayError("PostgreSQL takes nothing there: it is a standby, or set to be read alone") from error
    except OSError as error:  # a socket's file that is not there yet is one too
        raise PostgresAwayError(f"PostgreSQL did not answer: {type(error).__name__}") from error


async def _as_it_is(connection: object) -> None:
    """In place of asyncpg's RESET ALL and its like, one more round trip for each unit of work."""


async def must_be_direct(pool: Pool) -> None:
    """FatalError where a pooler stands between us and PostgreSQL that does not pass on what a session is set to."""
    name, wanted = "idle_in_transaction_session_timeout", _OF_THE_SESSION["idle_in_transaction_session_timeout"]
    found = await pool.fetchval("SELECT current_setting($1)", name)
    if found != wanted:
        raise FatalError(
            f"expected {name} = {wanted} as this process has set it for its sessions, found {found}: a pooler in between drops "
            "it. Sessions' locks, which keep migrations and topics in order, are lost there too. Give the address of "
            "PostgreSQL itself (docs/running.md, Connections)"
        )


async def close_pool(pool: Pool) -> None:
    """Waits 5 s for connections that are in use, then cuts them: what they had open is rolled back."""
    try:
        async with asyncio.timeout(_CLOSE_WITHIN.total_seconds()):
            await pool.close()
    except TimeoutError:
        pool.terminate()
