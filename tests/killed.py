"""Runs a command of ours in a process of its own that ends as SIGKILL does, at a step that the test names: no `finally` runs."""

import asyncio
import inspect
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any, Literal

When = Literal["before", "after"]


async def killed(step: str, when: When, *arguments: str) -> str:
    """What `fairpool` with these arguments had printed until it was killed; `step` is a function, as `package.module:Class.name`."""
    command = [sys.executable, "-m", "tests.killed", step, when, *arguments]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=300)
    assert done.returncode == -signal.SIGKILL, f"it ended by itself: {done.stdout}{done.stderr}"
    return done.stdout


def _deadly(real: Callable[..., Any], when: When) -> Callable[..., Any]:
    def end() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    async def awaited(*given: Any, **named: Any) -> None:
        if when == "after":
            await real(*given, **named)
        end()

    def called(*given: Any, **named: Any) -> None:
        if when == "after":
            real(*given, **named)
        end()

    return awaited if inspect.iscoroutinefunction(real) else called


def _main(step: str, when: When, *arguments: str) -> None:
    module, _, path = step.partition(":")
    *owners, name = path.split(".")
    owner: Any = import_module(module)
    for one in owners:
        owner = getattr(owner, one)
    setattr(owner, name, _deadly(getattr(owner, name), when))
    from deploy.cli import main

    sys.argv = ["fairpool", *arguments]
    main()


if __name__ == "__main__":
    _main(*sys.argv[1:])  # type: ignore[arg-type]  # whoever calls it says before or after
