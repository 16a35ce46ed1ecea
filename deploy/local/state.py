"""`.fairpool/state.json`: what the supervisor knows, for `status`, `down` and whoever started it in the background."""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, ValidationError

from deploy.local.home import Home, write_whole
from deploy.local.processes import Identity


class Phase(StrEnum):
    """Where the whole stack is."""

    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"
    FAILED = "failed"


class PartPhase(StrEnum):
    """Where one part is."""

    STARTING = "starting"
    READY = "ready"
    CRASHED = "crashed"
    STOPPED = "stopped"


class Ended(BaseModel):
    """How the process of a part that was the last to end ended."""

    model_config = ConfigDict(frozen=True)

    code: int
    """Its exit code; below 0, the signal that killed it."""
    started: float
    """When that process was started, in seconds since 1970."""


class PartState(BaseModel):
    """One part: `restarts` counts its starts after the first, whyever; `ended` is there once one of its processes has ended."""

    model_config = ConfigDict(frozen=True)

    name: str
    phase: PartPhase
    process: Identity | None
    port: int
    restarts: int
    since: datetime
    ended: Ended | None = None


class StackState(BaseModel):
    """The whole stack; `error` and `exit_code` are there once it has failed."""

    model_config = ConfigDict(frozen=True)

    supervisor: Identity
    phase: Phase
    parts: tuple[PartState, ...]
    error: str | None = None
    exit_code: int = 0

    def alive(self) -> list[PartState]:
        """The parts whose processes run."""
        return [part for part in self.parts if part.process is not None and part.process.alive()]

    def waiting_for(self) -> list[str]:
        """The parts that are not ready yet."""
        return [part.name for part in self.parts if part.phase is not PartPhase.READY]


def read(home: Home) -> StackState | None:
    """The last state written in this home, or None when no stack ran here or the last one stopped cleanly."""
    try:
        return StackState.model_validate_json(home.state_file.read_text())
    except (FileNotFoundError, ValidationError):
        return None


def write(home: Home, state: StackState) -> None:
    """Replace the state in one step."""
    write_whole(home.state_file, state.model_dump_json(indent=1))
