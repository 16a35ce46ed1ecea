"""Apache Kafka under the real supervisor: it keeps what it was given, and says what it needs."""

import warnings
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from deploy.local import broker, launch
from deploy.local.broker import Broker
from deploy.local.errors import OtherBrokerError, StackError
from deploy.local.home import Home
from deploy.local.kafka import apache, jars
from deploy.local.kafka.java import java
from shared.contracts.topics import Topic
from shared.messaging import topics
from shared.messaging.kafka import Kafka
from shared.messaging.producer import Producer
from tests.integration.messaging.kit import Log, numbered_on
from tests.stack import Servers
from tests.waiting import until

KEPT = Topic("kept-numbers", "key", "test", ("test",), "numbers", partitions=2)
OLD_JAVA = "#!/bin/sh\necho 'openjdk version \"11.0.2\" 2019-01-15' >&2\n"
FAILING_MAVEN = "#!/bin/sh\necho '[ERROR] Could not transfer artifact: unknown host'\nexit 1\n"


@pytest.fixture(scope="module")
async def _jars(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Skips, with the reason, what needs Apache Kafka where it can't be had."""
    try:
        java()
        await jars.fetched(tmp_path_factory.mktemp("maven") / "mvn.log", print)
    except StackError as error:
        warnings.warn(f"NOT TESTED on Apache Kafka: {error}", stacklevel=1)  # a skip alone is easily overlooked
        pytest.skip(str(error))


@pytest.fixture
def servers(_jars: None) -> Iterator[Servers]:
    with Servers(Broker.APACHE) as started:
        yield started


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.make()
    return made


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on PATH; no JAVA_HOME, and nothing cached."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}")
    monkeypatch.setenv(jars.ENVIRONMENT, str(tmp_path / "cache"))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    return folder


def _program(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


async def _write(servers: Servers, numbers: range) -> Log:
    log = Log(Kafka.plain(servers.kafka), KEPT, numbered_on(KEPT))
    producer = Producer(log.kafka, idempotence=servers.idempotence, client_id="test")
    await producer.start()
    await producer.send(log.records(log.numbers(len(numbers), first=numbers.start)))
    await producer.stop()
    return log


@pytest.mark.slow
async def test_a_killed_broker_is_restarted_and_has_its_topics_and_records(servers: Servers) -> None:
    assert servers.idempotence
    await topics.create_missing(Kafka.plain(servers.kafka), (KEPT,))
    await _write(servers, range(50))
    servers.kill("kafka")
    await until(lambda: servers.part("kafka").restarts == 1 and servers.is_ready("kafka"), within=timedelta(seconds=60))
    assert await topics.create_missing(Kafka.plain(servers.kafka), (KEPT,)) == []
    log = await _write(servers, range(50, 80))
    assert len(await log.read()) == 80


@pytest.mark.slow
async def test_a_second_start_keeps_log_and_tables_and_does_not_call_maven(
    servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await topics.create_missing(Kafka.plain(servers.kafka), (KEPT,))
    log = await _write(servers, range(20))
    dsn = await servers.create_database("kept")
    launch.stop(servers.home)

    _program(tmp_path / "mvn", FAILING_MAVEN)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    servers.start()
    assert len(await log.read()) == 20
    await (await asyncpg.connect(dsn)).close()
    launch.stop(servers.home)

    servers.broker = Broker.EMBEDDED
    with pytest.raises(StackError, match=r"made, apache, found embedded.*--broker apache.*rm -r") as refused:
        servers.start()
    assert refused.value.exit_code == OtherBrokerError.exit_code


def test_data_of_the_embedded_broker_are_no_log_that_fits(home: Home) -> None:
    (home.data / "kafka").mkdir()
    assert not broker.has_log(Broker.EMBEDDED, home)
    assert not broker.has_log(Broker.APACHE, home)


async def test_a_machine_without_java_is_told_where_it_was_looked_for(
    home: Home, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StackError, match=r"expected Java 17 .*no `java` on PATH.*--broker embedded"):
        await apache.command(home, 9, print)
    monkeypatch.setenv("JAVA_HOME", "/nowhere")
    with pytest.raises(StackError, match=r"none at JAVA_HOME \(/nowhere\)"):
        await apache.command(home, 9, print)


async def test_an_old_java_is_named_with_its_version(home: Home, programs: Path) -> None:
    _program(programs / "java", OLD_JAVA)
    with pytest.raises(StackError, match=r'expected Java 17 or newer.*openjdk version "11\.0\.2"'):
        await apache.command(home, 9, print)


async def test_a_missing_maven_matters_only_where_no_jars_are_cached(home: Home, programs: Path) -> None:
    with pytest.raises(StackError, match=r"expected Maven \(`mvn`\) on PATH.*apt-get install maven"):
        await jars.fetched(home.log_of("kafka"), print)
    jars.folder().mkdir(parents=True)
    assert await jars.fetched(home.log_of("kafka"), print) == jars.folder()


async def test_jars_that_can_not_be_fetched_are_an_error_with_mavens_own_words(home: Home, programs: Path) -> None:
    _program(programs / "mvn", FAILING_MAVEN)
    said: list[str] = []
    with pytest.raises(StackError, match=r"found exit code 1\. See that Maven reaches[\s\S]*unknown host"):
        await jars.fetched(home.log_of("kafka"), said.append)
    assert "Maven fetches them, once" in said[0]
    assert list(jars.folder().parent.iterdir()) == [], "nothing half-fetched may look like a cache"


def test_a_broker_that_does_not_exist_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(broker.ENVIRONMENT, "rabbit")
    with pytest.raises(StackError, match="expected one of embedded, apache, docker in FAIRPOOL_BROKER, found 'rabbit'"):
        broker.named()
