"""A stack in the background: start it, look at it, stop it, from another process."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from deploy.local import lifecycle, processes, state
from deploy.local.errors import StackError
from deploy.local.home import Home
from deploy.local.services import PROJECT
from deploy.local.stack import Options
from deploy.local.state import Phase, StackState

_POLL_SECONDS = 0.1
_STOPS_WITHIN = timedelta(seconds=60)
_KILLED_WITHIN = timedelta(seconds=10)

Progress = Callable[[StackState], None]


@dataclass(frozen=True, slots=True)
class Background:
    """A supervisor in a session of its own; keep this as long as a stack that `ends_with_caller` should run."""

    home: Home
    process: subprocess.Popen[bytes]
    said: tuple[str, ...]
    """What the supervisor reported while it started."""


def start(options: Options, progress: Progress = lambda _: None) -> Background:
    """Return when the whole stack is ready; raises the StackError that kept it from starting."""
    home = Home(options.home)
    home.make()
    if running(home):
        raise lifecycle.already_running(home)
    own_log = home.log_of("supervisor")
    began = processes.size(own_log)
    with own_log.open("ab") as log:
        process = subprocess.Popen(
            (sys.executable, "-m", "deploy.local.background", options.model_dump_json()),
            cwd=PROJECT,
            stdin=subprocess.PIPE if options.ends_with_caller else subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    while process.poll() is None:
        found = state.read(home)
        if found and found.supervisor.pid == process.pid:
            if found.phase is Phase.READY:
                return Background(home, process, _said(own_log, began))
            progress(found)
        time.sleep(_POLL_SECONDS)
    raise _why(home, process)


def running(home: Home) -> StackState | None:
    """The state of the stack whose supervisor runs in this home now."""
    found = state.read(home)
    return found if found and found.supervisor.alive() else None


def stop(home: Home) -> list[str]:
    """Stop the stack of this home and wait for its end; returns the parts that ran. Nothing running is no error."""
    found = state.read(home)
    if found is None:
        return []
    names = [part.name for part in found.alive()]
    if found.supervisor.alive():
        found.supervisor.send(signal.SIGTERM)
        _wait_gone([found.supervisor], _STOPS_WITHIN)
    found.supervisor.send(signal.SIGKILL)
    left = [part.process for part in (state.read(home) or found).alive() if part.process]
    for identity in left:
        identity.send(signal.SIGKILL, group=True)
    if _wait_gone(left, _KILLED_WITHIN):
        raise StackError(f"expected that processes {[identity.pid for identity in left]} end, found that they do not.")
    home.state_file.unlink(missing_ok=True)
    home.dev_file.unlink(missing_ok=True)
    return names


def _wait_gone(identities: list[processes.Identity], within: timedelta) -> bool:
    """Whether some are still there at the end of the time."""
    until = time.monotonic() + within.total_seconds()
    while any(identity.alive() for identity in identities):
        if time.monotonic() > until:
            return True
        time.sleep(_POLL_SECONDS / 2)
    return False


def _said(log: Path, began: int) -> tuple[str, ...]:
    lines = (line.partition(" ")[2] for line in processes.last_lines(log, 100, since=began))
    return tuple(line for line in lines if line != "ready")


def _why(home: Home, process: subprocess.Popen[bytes]) -> StackError:
    found = state.read(home)
    if found and found.supervisor.pid == process.pid and found.error:
        error = StackError(found.error)
        error.exit_code = found.exit_code
        return error
    log = home.log_of("supervisor")
    lines = "\n".join(f"  | {line}" for line in processes.last_lines(log, 12))
    return StackError(
        f"the supervisor ended with exit code {process.returncode} before the stack was ready. "
        f"Its last lines (all: {log}):\n{lines}"
    )
