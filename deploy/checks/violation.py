"""What a check finds."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from deploy.checks.history import History
from deploy.checks.policy import PolicyWindows


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken promise: which, and of what."""

    promise: str
    subject: str
    detail: str

    def __str__(self) -> str:
        return f"{self.promise}: {self.subject}: {self.detail}"


Check = Callable[[History, PolicyWindows], Iterator[Violation]]
