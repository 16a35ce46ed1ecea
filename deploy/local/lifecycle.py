"""What a supervisor owes its home: to be the only one, to clear up after one that was killed, to stop when asked."""

import asyncio
import fcntl
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from deploy.local import processes, state
from deploy.local.errors import AlreadyRunningError, StackError
from deploy.local.home import Home
from deploy.local.supervisor import Report

_KILLED_WITHIN = timedelta(seconds=10)


@contextmanager
def only_one(home: Home) -> Iterator[None]:
    """Hold the home's lock; AlreadyRunningError when another supervisor does."""
    with home.lock_file.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise already_running(home) from error
        yield


def already_running(home: Home) -> AlreadyRunningError:
    """The error of a second start in the same home."""
    found = state.read(home)
    pid = f" (pid {found.supervisor.pid})" if found else ""
    return AlreadyRunningError(
        f"expected no running stack in {home.root}, found one{pid}. "
        f"Look at it with `fairpool status`, stop it with `fairpool down`, or start another one with --home DIR --free-ports."
    )


async def stop_leftovers(home: Home, report: Report) -> None:
    """End what a killed supervisor left running."""
    found = state.read(home)
    left = found.alive() if found else []
    if not left:
        return
    report(f"The last supervisor was killed; ending what it left: {', '.join(part.name for part in left)}.")
    identities = [part.process for part in left if part.process]
    for identity in identities:
        identity.send(signal.SIGKILL, group=True)
    if still := await processes.wait_gone(identities, within=_KILLED_WITHIN):
        raise StackError(f"expected that processes {[identity.pid for identity in still]} end, found that they do not.")


async def asked_to_stop(*, with_caller: bool) -> None:
    """Return at the first Ctrl-C, SIGTERM or hang-up; with a caller, also when it closes our standard input."""
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, asked.set)
    if with_caller:
        loop.add_reader(sys.stdin.fileno(), asked.set)
    await asked.wait()
    if with_caller:
        loop.remove_reader(sys.stdin.fileno())
