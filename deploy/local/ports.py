"""The ports of the local stack: where they are by default, how all of them move, and who sits on one already."""

import fcntl
import os
import random
import socket
import tempfile
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from functools import cache
from pathlib import Path

import psutil

from deploy.local.errors import PortTakenError, StackError

HOST = "127.0.0.1"
BASE_ENVIRONMENT = "FAIRPOOL_DEV_PORT_BASE"
_FREE_PORTS = range(15_000, 32_000)  # below the range from which Linux takes ports for outgoing connections


@dataclass(frozen=True, slots=True)
class Ports:
    """One TCP port of 127.0.0.1 for each part."""

    signup: int = 8101
    consent: int = 8102
    pool_matching: int = 8103
    outreach_gateway: int = 8104
    courier: int = 8105
    kafka: int = 8106
    postgres: int = 8107
    redis: int = 8108
    mail: int = 8025
    smtp: int = 1025

    @classmethod
    def from_base(cls, base: int) -> "Ports":
        """All ports in a row, the first at base + 1."""
        if not 1023 <= base <= 65_535 - len(fields(cls)):
            raise StackError(f"expected a port base from 1023 to {65_535 - len(fields(cls))}, found {base}.")
        return cls(*range(base + 1, base + 1 + len(fields(cls))))

    @classmethod
    def free(cls) -> "Ports":
        """Ports on which nothing listens now, other ones each time."""
        return cls(*free_ports(len(fields(cls))))

    @classmethod
    def chosen(cls, *, base: int | None, free: bool) -> "Ports":
        """Free ports if asked for, else those of the base given or in FAIRPOOL_DEV_PORT_BASE, else the usual ones."""
        if free:
            return cls.free()
        named = os.environ.get(BASE_ENVIRONMENT)
        if base is None and named:
            if not named.isdecimal():
                raise StackError(f"expected a whole number in {BASE_ENVIRONMENT}, found {named!r}.")
            base = int(named)
        return cls() if base is None else cls.from_base(base)

    def named(self) -> dict[str, int]:
        """Part name to port."""
        return dict(zip((field.name for field in fields(self)), astuple(self), strict=True))


def free_ports(count: int) -> list[int]:
    """Ports on which nothing listens now, and which no other process of this user was given that still lives.

    Nobody listens on them for a while: without the second half, two stacks that start together may get the same one.
    StackError when there are too few.
    """
    found: list[int] = []
    for port in random.sample(_FREE_PORTS, len(_FREE_PORTS)):
        if is_free(port) and _claim(port):
            found.append(port)
        if len(found) == count:
            return found
    raise StackError(f"expected {count} free ports between 15000 and 32000 on 127.0.0.1, found fewer.")


def is_free(port: int) -> bool:
    """Whether this process could listen on the port of 127.0.0.1."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as every server does: TIME_WAIT is no user
        try:
            candidate.bind((HOST, port))
        except OSError:
            return False
        return True


def _claim(port: int) -> bool:
    """Lock the port's byte of a file for as long as this process lives; the system unlocks it, however that ends."""
    if port in _claimed:
        return False
    claims = _claims()
    try:
        fcntl.lockf(claims, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    _claimed.add(port)
    return True


_claimed: set[int] = set()


@cache
def _claims() -> int:
    """Opened once and never closed: closing any descriptor of the file would give up all locks of the process."""
    place = Path(tempfile.gettempdir()) / f"fairpool-ports-{os.getuid()}"
    return os.open(place, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def check(needed: Iterable[tuple[str, int]]) -> None:
    """PortTakenError, naming each port that is taken and by whom, unless all are free."""
    taken = [f"  {port}, for {part}: used by {user_of(port)}" for part, port in needed if not is_free(port)]
    if taken:
        raise PortTakenError(
            "expected free ports on 127.0.0.1, found these taken:\n"
            + "\n".join(taken)
            + f"\nStop what uses them (another stack: `fairpool down`), or move all ports: "
            f"`fairpool dev --port-base 18100` (or {BASE_ENVIRONMENT}=18100), or `fairpool dev --free-ports`."
        )


def user_of(port: int) -> str:
    """The process that listens on the port, as far as this user may know."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except (psutil.AccessDenied, OSError):
        return "a process that this user can't see"
    for connection in connections:
        if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port:
            return _describe(connection.pid)
    return "a process that this user can't see"


def _describe(pid: int | None) -> str:
    try:
        return f"{psutil.Process(pid).name()} (pid {pid})" if pid else "a process of another user"
    except psutil.Error:
        return f"pid {pid}"
