"""Apache Kafka as others run it: three brokers, TLS, passwords, an authority that no system trusts."""

import contextlib
import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from aiokafka.errors import KafkaError

from deploy.local import ports, processes
from deploy.local.kafka import jars
from deploy.local.kafka.java import java
from deploy.local.ports import HOST
from deploy.local.processes import Command, Identity
from shared.messaging.kafka import Kafka, Login, Mechanism
from shared.messaging.topics import Admin
from tests.certificates import Authority
from tests.waiting import until

USER, PASSWORD = "fairpool", "correct-horse-battery"
CLUSTER = "4L6g3nShT-eMCtK--X86sw"
_MODULES = "org.apache.kafka.common.security"
JVM = (
    "-Xms64m",
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
)


@dataclass(frozen=True, slots=True)
class Node:
    """A broker; the first is the controller too."""

    number: int
    plain: int
    tls: int
    login: int


@dataclass(frozen=True, slots=True)
class Cluster:
    """Each broker listens three times: in plain text (also for the others), with TLS, with TLS and a login."""

    nodes: tuple[Node, ...]
    running: Mapping[int, Identity]
    authority: Authority

    @property
    def plain(self) -> Kafka:
        """In plain text."""
        return Kafka(tuple(f"{HOST}:{node.plain}" for node in self.nodes))

    @property
    def tls(self) -> Kafka:
        """With TLS."""
        return Kafka(tuple(f"{HOST}:{node.tls}" for node in self.nodes), tls=True, ca=self.authority.file)

    def login(self, mechanism: Mechanism, password: str = PASSWORD) -> Kafka:
        """With TLS and a login."""
        addresses = tuple(f"{HOST}:{node.login}" for node in self.nodes)
        return Kafka(addresses, tls=True, ca=self.authority.file, login=Login(mechanism, USER, password))


@contextlib.asynccontextmanager
async def cluster(folder: Path) -> AsyncIterator[Cluster]:
    """Three brokers that know each other; StackError where Java or the jars are missing."""
    classes = await jars.fetched(folder / "mvn.log", print)
    authority = Authority.at(folder / "ca.pem")
    authority.sign(folder / "server.pem")
    controller, *free = ports.free_ports(10)
    nodes = tuple(Node(number + 1, *free[3 * number : 3 * number + 3]) for number in range(3))
    running: dict[int, Identity] = {}
    try:
        for node in nodes:
            running[node.number] = await _start(folder, node, controller, classes)
        made = Cluster(nodes, running, authority)
        await until(lambda: _has(made.plain, len(nodes)), within=timedelta(seconds=180), what="three brokers")
        yield made
    finally:
        for identity in running.values():
            processes.sweep_group(identity.pid)
        await processes.wait_gone(running.values(), within=timedelta(seconds=10))


async def _has(kafka: Kafka, count: int) -> bool:
    try:
        async with Admin(kafka) as admin:
            return len((await admin.describe_cluster())["brokers"]) == count
    except KafkaError:
        return False


async def _start(folder: Path, node: Node, controller: int, classes: Path) -> Identity:
    place = folder / str(node.number)
    place.mkdir()
    (place / "server.properties").write_text(_settings(folder, node, controller))
    start = (str(java()), *JVM, "-cp", f"{classes}/*")
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    # The users whose passwords go by SCRAM are part of the metadata, which begin with the controller's formatting.
    users = [
        f"--add-scram={mechanism}=[name={USER},password={PASSWORD}]" for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
    ]
    tool = (
        "kafka.tools.StorageTool", "format", f"--cluster-id={CLUSTER}", "--config", "server.properties",
        *(users if node.number == 1 else ()),
    )  # fmt: skip
    assert await processes.run(Command((*start, *tool), environment, place), place / "log.txt") == 0
    started = await processes.spawn(
        Command((*start, "kafka.Kafka", "server.properties"), environment, place), place / "log.txt"
    )
    return Identity.of(started.pid)


def _settings(folder: Path, node: Node, controller: int) -> str:
    listeners = [f"INSIDE://{HOST}:{node.plain}", f"TLS://{HOST}:{node.tls}", f"LOGIN://{HOST}:{node.login}"]
    settings = {
        "process.roles": "broker,controller" if node.number == 1 else "broker",
        "node.id": str(node.number),
        "controller.quorum.voters": f"1@{HOST}:{controller}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "INSIDE",
        "listeners": ",".join([*listeners, *([f"CONTROLLER://{HOST}:{controller}"] if node.number == 1 else [])]),
        "advertised.listeners": ",".join(listeners),
        "listener.security.protocol.map": "INSIDE:PLAINTEXT,CONTROLLER:PLAINTEXT,TLS:SSL,LOGIN:SASL_SSL",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(folder / "server.pem"),
        "listener.name.login.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
        "listener.name.login.plain.sasl.jaas.config": f'{_MODULES}.plain.PlainLoginModule required user_{USER}="{PASSWORD}";',
        "listener.name.login.scram-sha-256.sasl.jaas.config": f"{_MODULES}.scram.ScramLoginModule required;",
        "listener.name.login.scram-sha-512.sasl.jaas.config": f"{_MODULES}.scram.ScramLoginModule required;",
        "log.dirs": "log",
        "auto.create.topics.enable": "false",
        "group.initial.rebalance.delay.ms": "0",
        "offsets.topic.num.partitions": "2",
        "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
        "log.index.size.max.bytes": str(1024 * 1024),
        "broker.heartbeat.interval.ms": "500",
        "broker.session.timeout.ms": "4000",
    }  # fmt: skip
    return "".join(f"{name}={value}\n" for name, value in settings.items())
