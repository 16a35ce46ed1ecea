"""Counts what a piece of code asks of PostgreSQL, Redis and Kafka, in its own task and in those that it starts.

One mechanism for all gates: whatever else the process does meanwhile is not counted, and nothing in the code under test knows.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import pytest
from redis.asyncio.connection import AbstractConnection

from shared.messaging.producer import Producer
from tests.waiting import others_run


@dataclass(slots=True)
class Counts:
    """Round trips, each of which waits for an answer."""

    statements: int = 0
    """PostgreSQL: statements, BEGIN and COMMIT among them."""
    redis: int = 0
    """Calls; a pipeline is one."""
    kafka: int = 0
    """Batches that were sent and waited for."""
    said: list[str] = field(default_factory=list)
    """The statements, for whoever looks why it is another number."""
    asked: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)
    """The same whole, with what they were given."""


_COUNTED: ContextVar[Counts | None] = ContextVar("counted", default=None)


@asynccontextmanager
async def counted() -> AsyncIterator[Counts]:
    """What is asked for inside of the block."""
    counts = Counts()
    token = _COUNTED.set(counts)
    try:
        yield counts
        await others_run()  # asyncpg tells of a statement in the loop's next turn
    finally:
        _COUNTED.reset(token)


def _note_statement(asked: Any) -> None:
    if (counts := _COUNTED.get()) is not None:
        counts.statements += 1
        counts.said.append(" ".join(asked.query.split())[:100])
        counts.asked.append((asked.query, tuple(asked.args)))


def note_batch() -> None:
    """A batch is sent to Kafka."""
    if (counts := _COUNTED.get()) is not None:
        counts.kafka += 1


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections that are made from now on are listened to."""
    connect, send_command, send = asyncpg.connect, AbstractConnection.send_packed_command, Producer.send

    async def connected(*args: Any, **options: Any) -> Any:
        connection = await connect(*args, **options)
        connection.add_query_logger(_note_statement)
        return connection

    async def sent_to_redis(self: AbstractConnection, *args: Any, **options: Any) -> None:
        if (counts := _COUNTED.get()) is not None:
            counts.redis += 1
        await send_command(self, *args, **options)

    async def sent_to_kafka(self: Producer, *args: Any, **options: Any) -> None:
        note_batch()
        await send(self, *args, **options)

    monkeypatch.setattr(asyncpg, "connect", connected)
    monkeypatch.setattr(AbstractConnection, "send_packed_command", sent_to_redis)
    monkeypatch.setattr(Producer, "send", sent_to_kafka)
