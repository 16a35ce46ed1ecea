"""What can heal, what cannot, and what ends the process."""

import asyncpg
from aiokafka.errors import KafkaError


class WillHealError(Exception):
    """Something outside is away or busy: hold the batch and try again."""


class FatalError(Exception):
    """Going on would lose or repeat something: the process ends with a non-zero code and is started again."""


_HEALING: tuple[type[BaseException], ...] = (
    WillHealError,
    OSError,
    TimeoutError,
    KafkaError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    asyncpg.InterfaceError,
)


def heals(error: BaseException) -> bool:
    """Whether trying the same again later can succeed."""
    if isinstance(error, asyncpg.DataError):
        return False
    return isinstance(error, _HEALING)
