"""What is tried again and what is not."""

import errno
import io
import socket
import ssl

import asyncpg
import pytest
from aiokafka.errors import KafkaConnectionError

from shared.messaging.errors import FatalError, PostgresAwayError, TransientError, is_transient, waits_for
from shared.postgres.pool import open_pool

TRANSIENT = [
    TransientError(),
    PostgresAwayError(),
    ConnectionRefusedError(),
    ConnectionResetError(),
    BrokenPipeError(),
    TimeoutError(),
    socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"),
    ssl.SSLEOFError(8, "EOF occurred in violation of protocol"),
    OSError("Multiple exceptions: [Errno 111] Connect call failed, [Errno 101] Network is unreachable"),
    *(
        OSError(number, "of the network")
        for number in (
            errno.EADDRNOTAVAIL,
            errno.EHOSTUNREACH,
            errno.EMFILE,
            errno.ENETDOWN,
            errno.ENETUNREACH,
            errno.ENFILE,
            errno.ENOBUFS,
        )
    ),
    KafkaConnectionError(),
    asyncpg.ConnectionDoesNotExistError(),
    asyncpg.AdminShutdownError(),
    asyncpg.TooManyConnectionsError(),
    asyncpg.DeadlockDetectedError(),
    asyncpg.SerializationError(),
    asyncpg.LockNotAvailableError(),
    asyncpg.InvalidCachedStatementError(),
    asyncpg.ReadOnlySQLTransactionError(),
    asyncpg.InterfaceError("connection is closed"),
    asyncpg.InterfaceError("cannot call Transaction.__aexit__(): the underlying connection is closed"),
    asyncpg.InterfaceError("cannot call Connection.fetch(): connection has been released back to the pool"),
    asyncpg.InterfaceError("pool is closing"),
    asyncpg.InterfaceError("pool is closed"),
]
NOT_TRANSIENT = [
    ValueError(),
    KeyError(),
    FatalError(),
    FileNotFoundError(errno.ENOENT, "No such file or directory"),
    PermissionError(errno.EACCES, "Permission denied"),
    IsADirectoryError(errno.EISDIR, "Is a directory"),
    OSError(errno.ENOSPC, "No space left on device"),
    OSError(errno.EINVAL, "Invalid argument"),
    io.UnsupportedOperation("not readable"),
    asyncpg.UniqueViolationError(),
    asyncpg.CharacterNotInRepertoireError(),
    asyncpg.UndefinedTableError(),
    asyncpg.DataError("invalid input for query argument"),
    asyncpg.InterfaceError("the server expects 2 arguments for this query, 1 was passed"),
    asyncpg.InterfaceError("cannot perform operation: another operation is in progress"),
]


def _name(error: BaseException) -> str:
    said = errno.errorcode.get(error.errno or 0, "") if isinstance(error, OSError) else str(*error.args[:1])[:50]
    return f"{type(error).__name__} {said}".strip()


@pytest.mark.parametrize("error", TRANSIENT, ids=_name)
def test_what_is_away_or_busy_is_transient(error: Exception) -> None:
    assert is_transient(error)


@pytest.mark.parametrize("error", NOT_TRANSIENT, ids=_name)
def test_what_will_be_the_same_the_next_time_is_not(error: Exception) -> None:
    assert not is_transient(error)


async def test_a_connection_that_postgresql_cuts_in_hand_is_transient(database: str) -> None:
    pool = await open_pool(database, name="test")
    other = await open_pool(database, name="other")
    try:
        with pytest.raises((asyncpg.InterfaceError, asyncpg.PostgresError)) as raised:
            async with pool.acquire() as connection, connection.transaction():
                await other.fetchval("SELECT pg_terminate_backend($1, 5000)", connection.get_server_pid())
                await connection.fetchval("SELECT 1")
        with pytest.raises(asyncpg.InterfaceError) as wrong:
            await pool.fetchval("SELECT $1::int")
    finally:
        await other.close()
        await pool.close()
    assert is_transient(raised.value)
    assert waits_for(raised.value) == "postgres"
    assert not is_transient(wrong.value), "a wrong number of arguments stays wrong"


async def test_a_server_that_is_not_there_is_transient_also_behind_a_socket(tmp_path: object) -> None:
    with pytest.raises(PostgresAwayError) as raised:
        await open_pool(f"postgresql:///none?host={tmp_path}", name="test")
    assert is_transient(raised.value)
    assert waits_for(raised.value) == "postgres"


async def test_a_statement_that_was_prepared_before_a_release_changed_its_table_succeeds_the_next_time(
    database: str,
) -> None:
    pool = await open_pool(database, name="test", connections=1)
    try:
        await pool.execute("CREATE TABLE things (one int)")
        await pool.fetch("SELECT * FROM things")
        await pool.execute("ALTER TABLE things ADD COLUMN two text")
        with pytest.raises(asyncpg.InvalidCachedStatementError) as raised:
            async with pool.acquire() as connection, connection.transaction():
                await connection.fetch("SELECT * FROM things")
        async with pool.acquire() as connection, connection.transaction():
            assert await connection.fetch("SELECT * FROM things") == []
    finally:
        await pool.close()
    assert is_transient(raised.value)
    assert waits_for(raised.value) == "postgres"


async def test_no_connection_is_opened_to_a_server_that_takes_nothing(database: str) -> None:
    with pytest.raises(PostgresAwayError, match="it is a standby"):
        await open_pool(f"{database}?default_transaction_read_only=on", name="test")
