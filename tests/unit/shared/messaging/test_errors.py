"""What is tried again and what is not."""

import asyncpg
import pytest
from aiokafka.errors import KafkaConnectionError

from shared.messaging.errors import FatalError, TransientError, is_transient


@pytest.mark.parametrize(
    "error",
    [
        TransientError(),
        ConnectionResetError(),
        TimeoutError(),
        KafkaConnectionError(),
        asyncpg.ConnectionDoesNotExistError(),
        asyncpg.AdminShutdownError(),
        asyncpg.TooManyConnectionsError(),
        asyncpg.DeadlockDetectedError(),
        asyncpg.SerializationError(),
        asyncpg.LockNotAvailableError(),
        asyncpg.InterfaceError("connection is closed"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_is_away_or_busy_is_transient(error: Exception) -> None:
    assert is_transient(error)


@pytest.mark.parametrize(
    "error",
    [
        ValueError(),
        KeyError(),
        FatalError(),
        asyncpg.UniqueViolationError(),
        asyncpg.CharacterNotInRepertoireError(),
        asyncpg.UndefinedTableError(),
        asyncpg.DataError("invalid input for query argument"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_will_be_the_same_the_next_time_does_not(error: Exception) -> None:
    assert not is_transient(error)
