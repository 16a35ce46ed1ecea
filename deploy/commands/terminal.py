"""How commands speak: results on standard output, the rest on standard error, errors with their exit code."""

import functools
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.status import Status

from deploy.local import broker
from deploy.local.broker import Broker
from deploy.local.errors import StackError
from deploy.local.state import Phase, StackState

P = ParamSpec("P")
R = TypeVar("R")

HomeOption = Annotated[
    Path | None,
    typer.Option("--home", metavar="DIR", help="Where the stack keeps everything (FAIRPOOL_HOME, else .fairpool)."),
]
BrokerOption = Annotated[
    Broker,
    typer.Option(
        envvar=broker.ENVIRONMENT,
        help="embedded: in memory, needs nothing. apache: Apache Kafka 4, keeps its data, needs Java 17 and once Maven. docker: servers in containers.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]

out = Console(highlight=False, soft_wrap=True, markup=False)
err = Console(highlight=False, soft_wrap=True, markup=False, stderr=True)

_QUIET_SECONDS = 2.0


def fails_plainly(command: Callable[P, R]) -> Callable[P, R]:
    """A StackError becomes its sentence on standard error and its exit code."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except StackError as error:
            err.print(f"error: {error}")
            sys.exit(error.exit_code)

    return wrapped


YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask whether you are sure.")]


def must_be_sure(question: str, *, yes: bool, of_scripts_too: bool = False) -> None:
    """Whoever sits at a terminal is asked before what cannot be undone; StackError for a no. A script has decided already, unless
    `of_scripts_too`: then it has to say so by --yes.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        if of_scripts_too:
            raise StackError("expected --yes: this can't be undone, and nobody is here to be asked.")
        return
    if not typer.confirm(question, err=True):
        raise StackError("nothing was done.")


def plain(text: str) -> str:
    """The text without what steers a terminal: characters that are not printed stand there as their code."""
    return "".join(mark if mark.isprintable() else f"<U+{ord(mark):04X}>" for mark in text)


def table(rows: Sequence[tuple[str, ...]]) -> str:
    """Aligned columns, two spaces between them."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def warn(text: str) -> None:
    """Say what the person should notice."""
    err.print(text, style="bold yellow")


def _what_is_missing(state: StackState) -> str:
    if not state.parts:
        return "starting: preparing the servers"
    if waiting := ", ".join(state.waiting_for()):
        return f"starting: waiting for {waiting}"
    return "starting: databases, topics, demo tenants and sources"


class Progress:
    """Says what a start is waiting for, once it takes longer than two seconds."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._said = ""
        self._status: Status | None = None

    def show(self, state: StackState) -> None:
        """Call often; a terminal sees one changing line, a log one line per change."""
        if state.phase is not Phase.STARTING or time.monotonic() - self._began < _QUIET_SECONDS:
            return
        text = _what_is_missing(state)
        if text == self._said:
            return
        self._said = text
        if not err.is_terminal:
            err.print(text)
        elif self._status is None:
            self._status = err.status(text)
            self._status.start()
        else:
            self._status.update(text)

    def end(self) -> None:
        """Take the line away."""
        if self._status is not None:
            self._status.stop()
            self._status = None
