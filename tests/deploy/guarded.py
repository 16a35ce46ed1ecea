"""Apache Kafka as docker-compose.yml sets it up, with what `fairpool secrets new` makes, on this machine."""

import asyncio
import contextlib
import os
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import yaml
from aiokafka.errors import KafkaError

from deploy import access, kafka_secrets
from deploy.local import ports, processes
from deploy.local.kafka import jars
from deploy.local.kafka.java import java
from deploy.local.ports import HOST
from deploy.local.processes import Command, Identity
from deploy.local.secrets import kafka_password_of
from shared.messaging.kafka import Kafka, Login
from shared.messaging.topics import Admin, create_missing
from shared.settings import KafkaSettings
from tests.deploy.secured import CLUSTER, JVM
from tests.waiting import until

_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Guarded:
    """A broker that lets nobody do what was not said, and the passwords."""

    server: str
    secrets: dict[str, str]

    @property
    def admin(self) -> Kafka:
        """As the administrator."""
        return self._as("admin", "PLAIN", self.secrets[kafka_secrets.ADMIN_PASSWORD])

    def user(self, name: str) -> Kafka:
        """As one of Fairpool's users."""
        return self._as(name, "SCRAM-SHA-512", self.secrets[kafka_password_of(name)])

    def environment(self) -> dict[str, str]:
        """What commands are told that run as the administrator, with everybody's passwords."""
        return {
            "FAIRPOOL_KAFKA": self.server,
            "FAIRPOOL_KAFKA_SECURITY": "SASL_SSL",
            "FAIRPOOL_KAFKA_MECHANISM": "PLAIN",
            "FAIRPOOL_KAFKA_USER": "admin",
            "FAIRPOOL_KAFKA_PASSWORD": self.secrets[kafka_secrets.ADMIN_PASSWORD],
            "FAIRPOOL_KAFKA_CA": self.secrets["KAFKA_CA"],
            **{name: value for name, value in self.secrets.items() if name.startswith("FAIRPOOL_KAFKA_")},
        }

    async def fill(self) -> None:
        """Topics, users and what they may do, as `fairpool topics create --users` makes them."""
        await create_missing(self.admin)
        await access.grant(self.admin, kafka_secrets.given_in(self.secrets))

    def _as(self, user: str, mechanism: str, password: str) -> Kafka:
        read = KafkaSettings.model_validate(
            {"kafka": self.server, "kafka_security": "SASL_SSL", "kafka_mechanism": mechanism, "kafka_user": user,
             "kafka_password": password, "kafka_ca": self.secrets["KAFKA_CA"]}
        )  # fmt: skip
        return read.cluster


def wrong_password(kafka: Kafka) -> Kafka:
    """The same user with another password."""
    assert kafka.login is not None
    return replace(kafka, login=Login(kafka.login.mechanism, kafka.login.user, "not-this-one"))


@contextlib.asynccontextmanager
async def guarded(folder: Path) -> AsyncIterator[Guarded]:
    """One broker, with no topic and no user but the administrator; StackError where Java or the jars are missing."""
    classes = await jars.fetched(folder / "mvn.log", print)
    port, controller = ports.free_ports(2)
    secrets = {
        name: value.strip("'") for name, value in (kafka_secrets.passwords() | kafka_secrets.of_broker()).items()
    }
    (folder / "server.properties").write_text(_properties(secrets, port, controller))
    start = (str(java()), *JVM, "-cp", f"{classes}/*")
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    log = folder / "log.txt"
    tool = ("kafka.tools.StorageTool", "format", f"--cluster-id={CLUSTER}", "--config", "server.properties")
    assert await processes.run(Command((*start, *tool), environment, folder), log) == 0
    started = await processes.spawn(Command((*start, "kafka.Kafka", "server.properties"), environment, folder), log)
    running = Identity.of(started.pid)
    try:
        made = Guarded(f"{HOST}:{port}", secrets)
        await until(lambda: _answers(made.admin), within=timedelta(seconds=180), what="the broker")
        yield made
    finally:
        processes.sweep_group(running.pid)
        await processes.wait_gone([running], within=timedelta(seconds=10))


def _properties(secrets: dict[str, str], port: int, controller: int) -> str:
    """The environment of compose's broker as its image makes settings of it, but for addresses and the place of the log."""
    told = yaml.safe_load((_ROOT / "docker-compose.yml").read_text())["services"]["kafka"]["environment"]
    settings = {
        _property(name): re.sub(r"\$\{(\w+)[^}]*\}", lambda found: secrets[found[1]], str(value))
        for name, value in told.items()
        if name != "KAFKA_HEAP_OPTS"
    }
    at = {":9092": f"{HOST}:{port}", "kafka:9092": f"{HOST}:{port}", "127.0.0.1:9093": f"127.0.0.1:{controller}"}
    for name in ("listeners", "advertised.listeners", "controller.quorum.voters"):
        for old, new in at.items():
            settings[name] = re.sub(rf"(?<=[/@]){re.escape(old)}", new, settings[name])
    settings |= {
        "log.dirs": "log",
        "offsets.topic.num.partitions": "2",
        "log.cleaner.dedupe.buffer.size": str(16 << 20),
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def _property(variable: str) -> str:
    words = variable.removeprefix("KAFKA_").lower().replace("___", "-").replace("__", "\0")
    return words.replace("_", ".").replace("\0", "_")


async def _answers(kafka: Kafka) -> bool:
    try:
        async with Admin(kafka) as admin:
            await asyncio.wait_for(admin.list_topics(), 5)
    except (KafkaError, TimeoutError):
        return False
    return True
