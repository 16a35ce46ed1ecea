"""What tests share: one set of real servers for the session, and of them a database and topics of one's own."""

import secrets
import string
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from operator import itemgetter
from pathlib import Path

import pytest
import structlog
from hypothesis import settings

from deploy.demo.client import connect
from deploy.demo.watching import watch
from shared.messaging.kafka import Kafka
from shared.postgres.migrate import PLUMBING
from shared.postgres.pool import Pool, open_pool
from tests import workers
from tests.browsers import NO_BROWSER
from tests.databases import Databases
from tests.e2e.scene import Scene
from tests.stack import Servers, Stack

# No deadline for an example: a machine that is busy is no fault. Those of `make test-all` are chosen in the Makefile.
settings.register_profile("quick", max_examples=30, deadline=None)
settings.register_profile("thorough", max_examples=200, deadline=None)
settings.load_profile("quick")


def pytest_configure(config: pytest.Config) -> None:
    """With `-n`, tests are given to several workers by our own rules."""
    if config.pluginmanager.has_plugin("xdist"):
        config.pluginmanager.register(workers.Plugin())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A worker gets what takes long first; alone, pytest keeps its usual order."""
    if hasattr(config, "workerinput"):
        items[:] = workers.in_order(items)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Where the time went, by folder; of several workers together it is more than passed on the clock."""
    spent: dict[str, float] = defaultdict(float)
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                spent["/".join(report.nodeid.partition("::")[0].split("/")[1:-1])] += report.duration
    said = ", ".join(
        f"{folder} {seconds:.0f} s" for folder, seconds in sorted(spent.items(), key=itemgetter(1), reverse=True)[:12]
    )
    terminalreporter.write_line(f"time by folder: {said}")
    unopened = [one for one in terminalreporter.getreports("skipped") if NO_BROWSER in str(one.longrepr)]
    if unopened:
        terminalreporter.section("pages that no test opened", red=True, bold=True)
        terminalreporter.write_line(f"{len(unopened)} tests skipped. {NO_BROWSER}")


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
    """A name that no other test uses, good for databases and topics; of letters, so that nothing takes it for a phone number."""
    return f"{word}_{''.join(secrets.choice(string.ascii_lowercase) for _ in range(8))}"


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
