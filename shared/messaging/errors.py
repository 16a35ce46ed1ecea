"""Which errors are transient, which are not, and what ends the process."""

from typing import ClassVar

import asyncpg
from aiokafka.errors import KafkaError


class TransientError(Exception):
    """Something outside is away or busy: hold the batch and try again."""

    WAITS_FOR: ClassVar[str] = "other"
    """What of the outside it is, in one word for metrics."""


class FatalError(Exception):
    """Going on would lose or repeat something: the process ends with a non-zero code and is started again."""


_TRANSIENT: tuple[type[BaseException], ...] = (
    TransientError,
    OSError,
    TimeoutError,
    KafkaError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that was cut in the middle of an answer
)


def waits_for(error: BaseException) -> str:
    """What must come back before trying again can succeed, in one word: postgres, kafka, windows, projection, network, other."""
    if isinstance(error, TransientError):
        return error.WAITS_FOR
    if isinstance(error, asyncpg.PostgresError | asyncpg.InterfaceError):
        return "postgres"
    return "kafka" if isinstance(error, KafkaError) else "network"


def is_transient(error: BaseException) -> bool:
    """Whether trying the same again later can succeed."""
    if isinstance(error, asyncpg.DataError):
        return False
    return isinstance(error, _TRANSIENT)
