"""`fairpool logs`: what the parts of the local stack wrote."""

import time
from collections import deque
from pathlib import Path
from typing import Annotated

import typer

from deploy.commands.terminal import HomeOption, fails_plainly, out, plain
from deploy.local.errors import NotRunningError, StackError
from deploy.local.home import Home

_LOOK_EVERY = 0.3


@fails_plainly
def logs(
    parts: Annotated[list[str] | None, typer.Argument(metavar="[PART]...", help="Such as signup; none: all.")] = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the last lines of each.")] = 20,
    home: HomeOption = None,
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what is written (Ctrl-C ends it).")
    ] = False,
) -> None:
    """Show the last lines of each part's log, each with the part that wrote it. Exit codes: 0 shown, 8 there is no log."""
    place = Home.at(home)
    found = {path.stem: path for path in sorted(place.logs.glob("*.log"))}
    if not found:
        raise NotRunningError(f"expected logs in {place.logs}, found none. `fairpool dev` writes them.")
    if unknown := [part for part in parts or () if part not in found]:
        raise StackError(f"expected parts among {', '.join(found)}, found {', '.join(unknown)}.")
    wanted = {part: path for part, path in found.items() if not parts or part in parts}
    width = max(map(len, wanted))
    for part, path in wanted.items():
        with path.open(encoding="utf-8", errors="replace") as opened:
            for line in deque(opened, maxlen=lines):
                _show(part, line, width)
    if follow:
        _follow(wanted, width)


def _follow(wanted: dict[str, Path], width: int) -> None:
    reached = {part: path.stat().st_size for part, path in wanted.items()}
    try:
        while True:
            for part, path in wanted.items():
                size = path.stat().st_size if path.exists() else 0
                if size < reached[part]:
                    reached[part] = 0  # a new start writes a new file
                with path.open(encoding="utf-8", errors="replace") as opened:
                    opened.seek(reached[part])
                    while (line := opened.readline()).endswith("\n"):
                        _show(part, line, width)
                        reached[part] = opened.tell()
            time.sleep(_LOOK_EVERY)
    except KeyboardInterrupt:
        return


def _show(part: str, line: str, width: int) -> None:
    out.print(f"{part.ljust(width)}  {plain(line.rstrip())}")
