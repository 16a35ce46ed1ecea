"""Kills in this process: a connection of PostgreSQL's that breaks off before the so-and-so-many-th command."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg
import pytest

_STATEMENT: Any = vars(asyncpg.Connection)["_execute"]
_COMMAND = asyncpg.Connection.execute


class KilledError(Exception):
    """The process is no more."""


KILLED = (KilledError, asyncpg.PostgresError, asyncpg.InterfaceError, ConnectionError)
"""What somebody sees whose process is killed by `killed_before`."""


@contextmanager
def killed_before(step: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The connection breaks off, as the kernel closes it for a process that is killed, before its so-and-so-many-th command.

    `BEGIN` and `COMMIT` count as commands; after the step nothing is executed any more.
    """
    left = step

    def count(connection: asyncpg.Connection) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            connection.terminate()
        if left <= 0:
            raise KilledError

    async def statement(self: asyncpg.Connection, *given: Any, **more: Any) -> Any:
        count(self)
        return await _STATEMENT(self, *given, **more)

    async def command(self: asyncpg.Connection, query: str, *given: Any, **more: Any) -> Any:
        if not given:
            count(self)
        return await _COMMAND(self, query, *given, **more)

    with monkeypatch.context() as patched:
        patched.setattr(asyncpg.Connection, "_execute", statement)
        patched.setattr(asyncpg.Connection, "execute", command)
        yield
