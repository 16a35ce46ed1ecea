"""Which errors are transient, which are not, and what ends the process."""

import errno
import socket
import ssl
from typing import ClassVar

import asyncpg
from aiokafka.errors import KafkaError


class TransientError(Exception):
    """Something outside is away or busy: hold the batch and try again."""

    WAITS_FOR: ClassVar[str] = "other"
    """What of the outside it is, in one word for metrics."""
    MAY_END_THE_PROCESS: ClassVar[bool] = True
    """Whether a consumer that waits too long for it ends the process; not where a new process could do no more than wait."""


class PostgresAwayError(TransientError, ConnectionError):
    """No PostgreSQL answers where one should."""

    WAITS_FOR = "postgres"


class FatalError(Exception):
    """Going on would lose or repeat something: the process ends with a non-zero code and is started again."""


_TRANSIENT: tuple[type[BaseException], ...] = (
    TransientError,
    ConnectionError,
    TimeoutError,
    socket.gaierror,
    ssl.SSLError,
    KafkaError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    asyncpg.InternalClientError,  # a connection that was cut in the middle of an answer
    asyncpg.InvalidCachedStatementError,  # a release changed the table; asyncpg has dropped what it remembered
    asyncpg.ReadOnlySQLTransactionError,  # it is a standby now: what is opened next is to the primary (`pool.py`)
)
_OF_THE_NETWORK = frozenset(
    {
        errno.EADDRNOTAVAIL,  # no port is left to connect from
        errno.EAGAIN,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.EMFILE,  # too many sockets of this process, or (ENFILE) of the machine
        errno.ENETDOWN,
        errno.ENETRESET,
        errno.ENETUNREACH,
        errno.ENFILE,
        errno.ENOBUFS,
        errno.ENOTCONN,
    }
)
"""Those that Python has no ConnectionError for."""
_LOST = ("connection is closed", "pool is closed", "pool is closing", "released back to the pool")
"""asyncpg has one class for a connection that was lost and for a call that is wrong; only its words tell them apart."""


def waits_for(error: BaseException) -> str:
    """What must come back before trying again can succeed, in one word: postgres, kafka, windows, projection, vault, network, other."""
    if isinstance(error, TransientError):
        return error.WAITS_FOR
    if isinstance(error, asyncpg.PostgresError | asyncpg.InterfaceError):
        return "postgres"
    return "kafka" if isinstance(error, KafkaError) else "network"


def is_transient(error: BaseException) -> bool:
    """Whether trying the same again later can succeed.

    A missing file, a wrong number of arguments or a value that does not fit will be the same then.
    """
    if isinstance(error, _TRANSIENT):
        return True
    if isinstance(error, asyncpg.InterfaceError):
        return any(words in str(error) for words in _LOST)
    return isinstance(error, OSError) and _is_of_the_network(error)


def is_slow(error: BaseException) -> bool:
    """Whether it may be the work itself that takes too long: an outage, as far as anybody can tell, or a statement at its limit."""
    slow = isinstance(error, TimeoutError | asyncpg.QueryCanceledError | asyncpg.LockNotAvailableError)
    return slow and not isinstance(error, TransientError)


def _is_of_the_network(error: OSError) -> bool:
    if error.errno is None:  # asyncio's, when several addresses of a host failed in different ways
        return type(error) is OSError
    return error.errno in _OF_THE_NETWORK


def may_end_the_process(error: BaseException) -> bool:
    """Whether to give up after waiting long enough for what is transient."""
    return not isinstance(error, TransientError) or error.MAY_END_THE_PROCESS
