"""Kafka, PostgreSQL and Redis in containers, for `--broker docker`: testcontainers starts each, a process of ours holds it.

`python -m deploy.local.containers NAME PORT` is such a process: the supervisor treats it as any other part.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType, MappingProxyType
from typing import TYPE_CHECKING

from deploy.local import processes
from deploy.local.errors import StackError
from deploy.local.parts import Part, Probe
from deploy.local.ports import HOST
from deploy.local.processes import Command

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

IMAGES: Mapping[str, str] = MappingProxyType(
    {"kafka": "apache/kafka:4.1.1", "postgres": "postgres:18-bookworm", "redis": "valkey/valkey:8.1"}
)
"""The same as in docker-compose.yml."""
_PROJECT = Path(__file__).resolve().parents[2]
_PASSWORD = "POSTGRES_PASSWORD"  # noqa: S105 - the variable's name
_OTHERWISE = "or choose `--broker embedded`, which needs no containers"


def check(report: Callable[[str], None]) -> None:
    """Return when the engine answers and has the images; StackError says what is missing."""
    try:
        import docker  # here, since nothing but `--broker docker` needs it
        from docker.errors import DockerException, ImageNotFound
    except ImportError as error:
        raise StackError(f"expected the package testcontainers, found none. Run `make setup`, {_OTHERWISE}.") from error
    try:
        client = docker.from_env()
        client.ping()
    except DockerException as error:
        raise StackError(
            f"expected a Docker engine that answers, found none (DOCKER_HOST, else /var/run/docker.sock). Start one, {_OTHERWISE}."
        ) from error
    for image in IMAGES.values():
        try:
            client.images.get(image)
        except ImageNotFound:
            report(f"The image {image} is not here yet: the engine fetches it.")
            _pull(client, image, DockerException)


def command(name: str, port: int, *, password: str = "") -> Command:
    """The process that holds a server's container; it ends when the container does, and the other way round."""
    environment = processes.ambient() | {_PASSWORD: password, "PYTHONUNBUFFERED": "1"}
    return Command((sys.executable, "-m", "deploy.local.containers", name, str(port)), environment, _PROJECT)


def part(name: str, port: int, probe: Probe, *, password: str = "") -> Part:
    """A server in its container; what it holds is gone when it ends, so the stack ends with it."""
    return Part(name, command(name, port, password=password), port, probe, keeps_nothing=True)


def _pull(client: object, image: str, failure: type[Exception]) -> None:
    try:
        client.images.pull(image)  # type: ignore[attr-defined]  # docker has no types
    except failure as error:
        raise StackError(
            f"expected that the engine fetches {image}, found: {error}. See that it reaches its registry, {_OTHERWISE}."
        ) from error


def _container(name: str, port: int) -> "DockerContainer":
    from testcontainers.core.container import DockerContainer

    made = DockerContainer(IMAGES[name])
    match name:
        case "kafka":
            return made.with_bind_ports(9092, port).with_envs(**_kafka(port))
        case "postgres":
            # Survives the kill of any process, not the loss of power, as the local one.
            settings = ["postgres", "-c", "max_connections=300", "-c", "fsync=off"]
            return made.with_bind_ports(5432, port).with_env(_PASSWORD, os.environ[_PASSWORD]).with_command(settings)
        case _:
            settings = [
                "valkey-server",
                "--save",
                "",
                "--appendonly",
                "no",
                "--maxmemory-policy",
                "noeviction",
                "--protected-mode",
                "no",
            ]
            return made.with_bind_ports(6379, port).with_command(settings)


def _kafka(port: int) -> dict[str, str]:
    return {
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_LISTENERS": "BROKER://:9092,CONTROLLER://:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"BROKER://{HOST}:{port}",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "KAFKA_INTER_BROKER_LISTENER_NAME": "BROKER",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_LOG_DIRS": "/var/lib/kafka/data",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "4",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR": "1",
        "KAFKA_HEAP_OPTS": "-Xms128m -Xmx512m",
    }


def main() -> int:
    """Hold the container until SIGTERM; 1 when it ended by itself."""
    name, port = sys.argv[1], int(sys.argv[2])
    asked = threading.Event()

    def stop(_: int, __: FrameType | None) -> None:
        asked.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    with _container(name, port) as container:
        wrapped = container.get_wrapped_container()
        print(f"container {wrapped.short_id} of {IMAGES[name]} on port {port}")
        while not asked.wait(1.0):
            wrapped.reload()
            if wrapped.status != "running":
                print(wrapped.logs(tail=20).decode(errors="replace"))
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
