"""The local broker: what is different about each kind; the only file that knows which one runs."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from deploy.local import containers
from deploy.local.errors import OtherBrokerError, StackError
from deploy.local.home import Home
from deploy.local.kafka import apache, tansu
from deploy.local.parts import Part
from deploy.local.ports import HOST
from deploy.local.processes import Command
from deploy.local.supervisor import Report
from shared.messaging import topics
from shared.messaging.kafka import Kafka

ENVIRONMENT = "FAIRPOOL_BROKER"


class Broker(StrEnum):
    """Which broker `fairpool dev` starts."""

    EMBEDDED = "embedded"
    """Tansu: Kafka's protocol, in memory, neither Docker nor Java."""
    APACHE = "apache"
    """Apache Kafka 4, data on disk; needs Java 17 and, once, Maven."""
    DOCKER = "docker"
    """Apache Kafka 4, and PostgreSQL and Valkey with it, in containers that keep nothing; needs a Docker engine."""

    @property
    def nature(self) -> "Nature":
        """What is different about it."""
        return _NATURES[self]


@dataclass(frozen=True, slots=True)
class Nature:
    """All that differs between the brokers."""

    keeps_nothing: bool
    """Its restart loses every record, so that all else must begin empty too."""
    idempotence: bool
    """It can do idempotent producers."""
    fetch_wait: str
    """How long it may hold a fetch that it has no record for: Tansu holds each fetch to the end, also one that it has records for."""
    fetch_wait_busy: str
    """The same for whom records came lately."""
    command: Callable[[Home, int, Report], Awaitable[Command]]
    """How it is started on a port; fetches and prepares what it needs."""


async def _tansu(home: Home, port: int, _: Report) -> Command:
    return tansu.command(home, port)


async def _docker(_: Home, port: int, report: Report) -> Command:
    await asyncio.to_thread(containers.check, report)
    return containers.command("kafka", port)


_NATURES: Mapping[Broker, Nature] = MappingProxyType(
    {
        Broker.EMBEDDED: Nature(
            keeps_nothing=True, idempotence=False, fetch_wait="PT0.2S", fetch_wait_busy="PT0.015S", command=_tansu
        ),
        Broker.APACHE: Nature(
            keeps_nothing=False, idempotence=True, fetch_wait="PT1S", fetch_wait_busy="PT1S", command=apache.command
        ),
        Broker.DOCKER: Nature(
            keeps_nothing=True, idempotence=True, fetch_wait="PT1S", fetch_wait_busy="PT1S", command=_docker
        ),
    }
)


def named() -> Broker:
    """The broker that FAIRPOOL_BROKER names, the embedded one when it names none."""
    name = os.environ.get(ENVIRONMENT) or Broker.EMBEDDED
    try:
        return Broker(name)
    except ValueError as error:
        raise StackError(f"expected one of {', '.join(Broker)} in {ENVIRONMENT}, found {name!r}.") from error


async def part(broker: Broker, home: Home, port: int, report: Report) -> Part:
    """The broker in the foreground."""
    return Part(
        name="kafka",
        command=await broker.nature.command(home, port, report),
        port=port,
        probe=_answers(port),
        keeps_nothing=broker.nature.keeps_nothing,
    )


def has_log(broker: Broker, home: Home) -> bool:
    """Whether this broker goes on with the log of an earlier start; OtherBrokerError when only another one could."""
    if not apache.has_data(home):
        return False
    if broker is Broker.APACHE:
        return True
    raise OtherBrokerError(
        f"expected the broker with which the data in {home.root} was made, apache, found {broker}, which would begin "
        f"empty and remove them. Start with `--broker apache`, take another home (--home DIR), "
        f"or give the data up: rm -r {apache.folder(home)}"
    )


def forget(home: Home) -> None:
    """Remove whatever a broker keeps in this home."""
    apache.forget(home)


def _answers(port: int) -> Callable[[], Awaitable[None]]:
    async def probe() -> None:
        await topics.wait_for_kafka(Kafka.plain(f"{HOST}:{port}"), seconds=0)

    return probe
