"""What one process of a service tells the others the moment it has committed it: LISTEN and NOTIFY, over a connection of its own."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import timedelta

import asyncpg
import structlog

from shared.backoff import Backoff
from shared.messaging.errors import is_transient
from shared.postgres.pool import Connection, connect_alone

_CHANNEL = "fairpool"
_APART = timedelta(milliseconds=20)
"""Between two notices of a process: PostgreSQL lets one transaction at a time commit that has one."""
_QUIET = timedelta(seconds=30)
"""After so long without anything to tell the connection is asked whether it is there: one that died silently never says so."""
_log = structlog.get_logger(__name__)


class Notices:
    """Wakes what waits in other processes; what is told is a name, that of a queue or of a feed.

    A notice is sent after the commit that it is about, in a transaction of its own: it holds up no commit, and a process that
    dies in between sends none. So it may be lost, and whoever waits for one looks from time to time without. Whenever the
    connection was made anew, everything is woken once.
    """

    def __init__(self) -> None:
        self._wakes: defaultdict[str, list[Callable[[], None]]] = defaultdict(list)
        self._untold: set[str] = set()
        self._to_do = asyncio.Event()
        self.heard = 0
        """Notices of other processes."""

    def on(self, name: str, wake: Callable[[], None]) -> None:
        """`wake()` when another process tells this name."""
        self._wakes[name].append(wake)

    def tell(self, names: Iterable[str]) -> None:
        """The other processes that listen are told soon; call it once it is committed."""
        self._untold.update(names)
        if self._untold:
            self._to_do.set()

    async def run(self, dsn: str, *, name: str) -> None:
        """Listens and tells until cancelled; while the database is away nothing is told, and all are woken when it is back."""
        backoff = Backoff()
        while True:
            try:
                async with contextlib.AsyncExitStack() as stack:
                    connection = await connect_alone(dsn, name=name)
                    stack.callback(_cut, connection)
                    await connection.add_listener(_CHANNEL, self._hear)
                    connection.add_termination_listener(lambda _: self._to_do.set())
                    self._wake(self._wakes)
                    backoff.reset()
                    await self._tell_over(connection)
            except Exception as error:
                if not is_transient(error):
                    raise
                _log.warning("notices_wait", error=type(error).__name__)
            await backoff.wait()

    async def _tell_over(self, connection: Connection) -> None:
        """Until the connection is lost."""
        while True:
            try:
                async with asyncio.timeout(_QUIET.total_seconds()):
                    await self._to_do.wait()
            except TimeoutError:
                await connection.execute("SELECT 1")  # fails within the limit of every statement
                continue
            self._to_do.clear()
            if connection.is_closed():
                return
            names, self._untold = sorted(self._untold), set()
            if names:
                await connection.execute("SELECT pg_notify($1, $2)", _CHANNEL, "\n".join(names))
            await asyncio.sleep(_APART.total_seconds())

    def _hear(self, connection: object, sender: int, _: str, payload: object) -> None:
        if isinstance(connection, asyncpg.Connection) and sender == connection.get_server_pid():
            return
        self.heard += 1
        self._wake(str(payload).split("\n"))

    def _wake(self, names: Iterable[str]) -> None:
        for name in names:
            for wake in self._wakes.get(name, ()):
                wake()


def _cut(connection: Connection) -> None:
    with suppress(asyncpg.InterfaceError):  # it is gone already
        connection.terminate()
