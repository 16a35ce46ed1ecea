"""Operating-system processes of the stack: each leads its own group, and is known by its pid and start time."""

import asyncio
import contextlib
import json
import os
import signal
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
from pydantic import BaseModel, ConfigDict

_SAME_START_SECONDS = 2.0  # a corrected system clock shifts what psutil computes; a pid is not reused that fast


@dataclass(frozen=True, slots=True)
class Account:
    """A user to run as."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Command:
    """What to start, where and as whom; `environment` is the whole environment."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    folder: Path
    account: Account | None = None


class Identity(BaseModel):
    """A process that can't be mistaken for a later one with the same pid."""

    model_config = ConfigDict(frozen=True)

    pid: int
    started: float
    """Seconds since 1970."""

    @classmethod
    def of(cls, pid: int) -> "Identity":
        """The process that has this pid now; a process that is gone already gets the start time 0."""
        try:
            return cls(pid=pid, started=psutil.Process(pid).create_time())
        except psutil.NoSuchProcess:
            return cls(pid=pid, started=0.0)

    def alive(self) -> bool:
        """Whether this very process still runs."""
        try:
            process = psutil.Process(self.pid)
            return (
                abs(process.create_time() - self.started) < _SAME_START_SECONDS
                and process.status() != psutil.STATUS_ZOMBIE
            )
        except psutil.NoSuchProcess:
            return False

    def frozen(self) -> bool:
        """Whether it was stopped by a signal (SIGSTOP): it is there, and does nothing."""
        try:
            return self.alive() and psutil.Process(self.pid).status() == psutil.STATUS_STOPPED
        except psutil.NoSuchProcess:
            return False

    def send(self, number: signal.Signals, *, group: bool = False) -> None:
        """Send a signal to the process, or to the group it leads; nothing if it is gone."""
        if self.alive():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number) if group else os.kill(self.pid, number)


async def spawn(command: Command, log: Path) -> asyncio.subprocess.Process:
    """Start it as the leader of a new session, its output appended to the log."""
    with log.open("ab") as output:
        account = command.account
        return await asyncio.create_subprocess_exec(
            *command.arguments,
            env=dict(command.environment),
            cwd=command.folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )


async def run(command: Command, log: Path) -> int:
    """Its exit code, once it has ended by itself; whoever stops waiting kills it."""
    process = await spawn(command, log)
    try:
        return await process.wait()
    finally:
        if process.returncode is None:
            sweep_group(process.pid)


async def wait_gone(identities: Iterable[Identity], *, within: timedelta) -> list[Identity]:
    """Wait until these processes have ended; returns those that are still there at the end of the time."""
    loop = asyncio.get_running_loop()
    until = loop.time() + within.total_seconds()
    left = [identity for identity in identities if identity.alive()]
    while left and loop.time() < until:
        await asyncio.sleep(0.05)
        left = [identity for identity in left if identity.alive()]
    return left


def sweep_group(leader: int) -> None:
    """SIGKILL whatever a dead leader left behind in its group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def ambient() -> dict[str, str]:
    """This process' environment without Fairpool's secrets and databases: each process is told its own."""
    return {
        name: value
        for name, value in os.environ.items()
        if not (name.startswith("FAIRPOOL_") and name.endswith(("_KEY", "_DATABASE", "_PASSWORD")))
    }


def write_last_word(log: Path, why: str) -> None:
    """Into a part's own log, why it is ended from outside: it can't say so itself."""
    said = {"event": "failed", "error": why, "level": "critical", "timestamp": datetime.now(UTC).isoformat()}
    with log.open("a", encoding="utf-8") as output:
        output.write(json.dumps(said) + "\n")


def size(log: Path) -> int:
    """How long a log is, in bytes; 0 when it is not there."""
    return log.stat().st_size if log.exists() else 0


def last_lines(log: Path, count: int, *, since: int = 0) -> list[str]:
    """The end of a log, for people; nothing of what was there when it was `since` bytes long."""
    try:
        with log.open(errors="replace") as file:
            file.seek(since)
            return [line.rstrip() for line in deque(file, maxlen=count)]
    except FileNotFoundError:
        return []
