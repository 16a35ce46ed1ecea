"""The folder that holds everything a local stack writes: `.fairpool/`, or the one that `--home` names."""

import os
from dataclasses import dataclass
from pathlib import Path

from deploy.local.errors import StackError

ENVIRONMENT = "FAIRPOOL_HOME"


@dataclass(frozen=True, slots=True)
class Home:
    """The paths of one stack; two stacks never share a home."""

    root: Path

    @classmethod
    def at(cls, path: Path | None = None) -> "Home":
        """The given folder, else FAIRPOOL_HOME, else `.fairpool` in the working directory."""
        return cls((path or Path(os.environ.get(ENVIRONMENT) or ".fairpool")).absolute())

    @property
    def logs(self) -> Path:
        """One `NAME.log` for each part, and `supervisor.log` of a detached stack."""
        return self.root / "logs"

    @property
    def data(self) -> Path:
        """What the servers keep."""
        return self.root / "data"

    @property
    def vault_keys(self) -> Path:
        """The vault's epoch keys, one file each."""
        return self.root / "keys"

    @property
    def mail(self) -> Path:
        """One file for each caught mail."""
        return self.data / "mail"

    @property
    def state_file(self) -> Path:
        """Written by the supervisor, read by `status` and `down`."""
        return self.root / "state.json"

    @property
    def dev_file(self) -> Path:
        """Addresses and demo keys; there from the moment that the stack is ready until it stops."""
        return self.root / "dev.json"

    @property
    def secrets_file(self) -> Path:
        """What must not change between two starts; mode 0600."""
        return self.root / "secrets.json"

    @property
    def clock_file(self) -> Path:
        """The offset of the stack's clock in milliseconds."""
        return self.root / "clock"

    @property
    def lock_file(self) -> Path:
        """Locked by the supervisor as long as it lives."""
        return self.root / "lock"

    def log_of(self, part: str) -> Path:
        """Where a part's output goes."""
        return self.logs / f"{part}.log"

    def hold_of(self, part: str) -> Path:
        """Who holds the part, so that it is not started again (`holds`)."""
        return self.root / f"{part}.hold"

    def make(self) -> None:
        """Create the folders; StackError when this user can't write there."""
        try:
            for folder in (self.root, self.logs, self.data, self.mail):
                folder.mkdir(parents=True, exist_ok=True)
            probe = self.root / ".writable"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise StackError(
                f"expected a folder that this user can write at {self.root}, found: {error.strerror}. "
                f"Choose another with --home DIR, or remove it if another user made it."
            ) from error

    def put_logs_aside(self) -> None:
        """Keep the parts' logs of the last start as `NAME.log.previous` and begin new ones."""
        for log in self.logs.glob("*.log"):
            if log != self.log_of("supervisor"):
                log.replace(log.with_name(log.name + ".previous"))


def write_whole(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Write a file so that a reader sees the old text or the new one, never a part."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    fresh.replace(path)
