"""The list of steps that grows while the demo works: a spinner on a terminal, lines in a log."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.status import Status

_SAYS_EVERY = 15.0
"""Seconds, of a step that takes longer, where no terminal shows a spinner."""


@dataclass(slots=True)
class Step:
    """The step that runs now."""

    title: str
    console: Console
    status: Status | None
    result: str = ""

    def say(self, text: str) -> None:
        """How far it is."""
        self.result = text
        if self.status is not None:
            self.status.update(f"{self.title}: {text}")


@dataclass(slots=True)
class Steps:
    """Shows each step while it runs and keeps a line of it when it is over."""

    console: Console
    began: float = field(default_factory=time.monotonic)
    says_every: float = _SAYS_EVERY

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """One step; a tick and its time when the block ends, a cross when it raises."""
        status = self.console.status(title) if self.console.is_terminal else None
        step, began, mark = Step(title, self.console, status), time.monotonic(), "✗"
        over = threading.Event()
        saying = threading.Thread(target=self._say_on, args=(step, began, over), daemon=True)
        if status is not None:
            status.start()
        else:
            saying.start()
        try:
            yield step
            mark = "✓"
        finally:
            if status is not None:
                status.stop()
            else:
                over.set()
                saying.join()
            told = f"{title}: {step.result}" if step.result else title
            self.console.print(f"{mark} {told}  [dim]{time.monotonic() - began:.1f} s[/dim]")

    def _say_on(self, step: Step, began: float, over: threading.Event) -> None:
        while not over.wait(self.says_every):
            far = f": {step.result}" if step.result else ""
            self.console.print(f"… {step.title}{far}  [dim]{time.monotonic() - began:.0f} s so far[/dim]")
