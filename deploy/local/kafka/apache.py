"""Apache Kafka 4 on this machine: one node, KRaft, broker and controller in one process, data on disk."""

import base64
import os
import shutil
import uuid
from pathlib import Path

from deploy.local import ports, processes
from deploy.local.errors import StackError
from deploy.local.home import Home
from deploy.local.kafka import jars
from deploy.local.kafka.java import java
from deploy.local.ports import HOST
from deploy.local.processes import Command
from deploy.local.supervisor import Report

_LOG = "log"  # below the folder that Kafka runs in: no character of the home's path needs an escape
_SETTINGS = "server.properties"
_SHOWN_LINES = 12
_JVM = (
    "-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true", "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSZ",
)  # fmt: skip


async def command(home: Home, port: int, report: Report) -> Command:
    """The broker in the foreground, its jars fetched and its storage formatted."""
    place, log = folder(home), home.log_of("kafka")
    program = java()
    classes = await jars.fetched(log, report)
    place.mkdir(parents=True, exist_ok=True)
    (place / _SETTINGS).write_text(_settings(port, ports.free_ports(1)[0]))
    start = (str(program), *_JVM, "-cp", f"{classes}/*")
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    if not has_data(home):
        await _format(Command((*start, *_storage_tool()), environment, place), log)
    return Command((*start, "kafka.Kafka", _SETTINGS), environment, place)


def has_data(home: Home) -> bool:
    """Whether an earlier start left a log here."""
    return (folder(home) / _LOG / "meta.properties").exists()


def forget(home: Home) -> None:
    """Remove the log of this home."""
    shutil.rmtree(folder(home), ignore_errors=True)


def folder(home: Home) -> Path:
    """Where the broker runs and keeps its log."""
    return home.data / "kafka-apache"


def _storage_tool() -> tuple[str, ...]:
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    return ("kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "--config", _SETTINGS)


async def _format(tool: Command, log: Path) -> None:
    code = await processes.run(tool, log)
    if code != 0:
        shutil.rmtree(tool.folder / _LOG, ignore_errors=True)
        lines = "\n".join(f"  | {line}" for line in processes.last_lines(log, _SHOWN_LINES))
        raise StackError(
            f"expected that Kafka's StorageTool formats {tool.folder / _LOG}, found exit code {code}. "
            f"Its last lines (all: {log}):\n{lines}"
        )


def _settings(port: int, controller_port: int) -> str:
    settings = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{HOST}:{controller_port}",
        "listeners": f"BROKER://{HOST}:{port},CONTROLLER://{HOST}:{controller_port}",
        "advertised.listeners": f"BROKER://{HOST}:{port}",
        "listener.security.protocol.map": "BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "BROKER",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": _LOG,
        "auto.create.topics.enable": "false",
        "group.initial.rebalance.delay.ms": "0",
        # After a SIGKILL the broker may not register again before its old session has timed out (default: 9 s).
        "broker.heartbeat.interval.ms": "500",
        "broker.session.timeout.ms": "4000",
        # One node holds the only replica of everything.
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        # Sized for one machine: the defaults (50 partitions each, 128 MB of heap to compact) are a cluster's.
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.num.partitions": "4",
        "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
        "log.index.size.max.bytes": str(1024 * 1024),
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())
