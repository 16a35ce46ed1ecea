"""What tests share: one set of real servers for the session, and of them a database and topics of one's own."""

import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import hypothesis
import pytest
import structlog

from deploy.demo.client import connect
from deploy.demo.watching import watch
from shared.messaging.kafka import Kafka
from shared.postgres.migrate import PLUMBING
from shared.postgres.pool import Pool, open_pool
from tests.databases import Databases
from tests.e2e.scene import Scene
from tests.stack import Servers, Stack

hypothesis.settings.register_profile("any machine", deadline=None)  # a busy one takes seconds where this takes none
hypothesis.settings.load_profile("any machine")


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """Kafka's protocol, PostgreSQL and Redis, started when the first test asks for them."""
    with Servers() as started:
        yield started


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The whole product, started when the first end-to-end or fault test asks for it."""
    with Stack() as started:
        yield started


@pytest.fixture(scope="session")
async def whole_scene(stack: Stack) -> AsyncIterator[Scene]:
    """A client and two watches on the stack, and what was sent in by all tests."""
    async with connect(stack.dev) as client, watch(client) as (mails, topics):
        yield Scene(stack, client, mails, topics)


@pytest.fixture
def scene(whole_scene: Scene) -> Scene:
    """The stack at an hour that is open everywhere."""
    whole_scene.at_working_hours()
    return whole_scene


def unique(word: str) -> str:
    """A name that no other test uses, good for databases and topics."""
    return f"{word}_{secrets.token_hex(4)}"


@pytest.fixture(scope="session")
def databases(servers: Servers) -> Databases:
    """Databases to borrow, alone for the time of a test."""
    return Databases(servers)


@pytest.fixture
def migrations() -> tuple[Path, ...]:
    """What `database` is made of: inbox and outbox. Tests of a service say `MIGRATIONS_OF[service]` in its place."""
    return (PLUMBING,)


@pytest.fixture
async def database(databases: Databases, migrations: tuple[Path, ...]) -> AsyncIterator[str]:
    """The DSN of a database that is this test's own, up to date and without a row of other tests."""
    async with databases.lent(*migrations) as dsn:
        yield dsn


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    """A pool to `database`."""
    opened = await open_pool(database, name="test")
    yield opened
    await opened.close()


@pytest.fixture
def kafka(servers: Servers) -> Kafka:
    """The brokers, in plain text."""
    return Kafka.plain(servers.kafka)


@pytest.fixture(scope="session", autouse=True)
def _plain_logs() -> None:
    """Logs as short lines; structlog's default draws every local variable of a traceback."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
        ]
    )
