"""Brings one service's database back as a dump has it: whole, closed, and in one step for whoever looks at it.

The dump is loaded into a database of another name, which says there that it was restored; then it takes the name of the old
one. So nobody can ever be connected to a restored database that does not say so. Killed anywhere before that step, the old
one is as it was, and the next attempt begins anew. Of signup's old one is taken along what only it knows (`carrying`). A dump
of a newer release than this one is refused (`releases`): nobody here would know what its rows mean.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from signal import Signals
from typing import TypeVar

import asyncpg

from deploy import databases
from deploy.backup import manifest, offsets, programs, releases
from deploy.backup.carrying import carry_over
from deploy.backup.manifest import Dump, Manifest
from deploy.commands.kafka import speak
from deploy.local import holds, processes, state
from deploy.local.errors import StackError
from deploy.local.home import Home
from shared.contracts.topics import ERASURES
from shared.messaging.kafka import Kafka
from shared.postgres.migrate import PLUMBING
from shared.postgres.pool import Connection

R = TypeVar("R")
_TABLE = PLUMBING / "0021_pre_restored.sql"
_STOPS_WITHIN = timedelta(seconds=60)
_SESSIONS = """
    SELECT coalesce(nullif(application_name, ''), usename) AS who, count(*) AS sessions FROM pg_stat_activity
    WHERE datname = $1 AND pid <> pg_backend_pid() AND backend_type = 'client backend' GROUP BY who ORDER BY who
"""
_IS_THERE = "SELECT count(*) FROM pg_database WHERE datname = $1"
_ARE_THERE = "SELECT datname FROM pg_database WHERE datname = ANY($1)"
_EPOCHS = "SELECT reference FROM epochs WHERE reference IS NOT NULL"
_OF_THE_VAULT = "signup"
_NOT_SAID = "SELECT count(*) FROM outbox WHERE topic = $1"
_ROW = """
    INSERT INTO restored (process, taken_at, ends) SELECT process, $2, $3 FROM unnest($1::text[]) AS of (process)
    ON CONFLICT (process) DO UPDATE SET taken_at = excluded.taken_at, ends = excluded.ends, restored_at = now()
"""

Tell = Callable[[str], None]
"""What is being done, for people."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What there is to say of a restore that is done."""

    carried: Mapping[str, int]
    """By what it is, how much was taken along from the database that was there."""
    lacks: Sequence[str]
    """Migrations of this release that an older one's dump has yet to get."""


@dataclass(frozen=True, slots=True)
class Restoring:
    """A restore of one service from a backup that was looked at."""

    service: str
    folder: Path
    found: Manifest
    home: Home
    kafka: Kafka
    tell: Tell

    @property
    def _dump(self) -> Dump:
        return self.found.services[self.service]

    @property
    def _name(self) -> str:
        """Of the database, and of the role that the service runs as."""
        return databases.name(self.service, self.home)

    @property
    def _fresh(self) -> str:
        return f"{self._name}_restoring"

    @property
    def _old(self) -> str:
        return f"{self._name}_before_restore"

    def run(self, *, keep: bool) -> Restored:
        """Does all of it. With `keep` the database that was there stays, under another name that no service knows."""
        dump, program = (
            self._must_be_possible(),
            programs.find("pg_restore", local=not databases.is_given(self.service)),
        )
        carried: Mapping[str, int] = {}
        try:
            lacks = self._load(program, dump)
            is_there = self._administer(self._is_there)
            if is_there and self.service == _OF_THE_VAULT:
                self._must_be_readable()
            with self._stopped():
                if is_there:
                    self._administer(self._must_have_said_who_was_erased, self._name)
                self._administer(self._must_be_alone)
                if is_there and self.service == _OF_THE_VAULT:
                    self._must_be_readable()  # a rotation went on while it was loaded
                    self.tell(f"{self.service}: taking along who said no since, and the keys of days")
                    carried = self._administer(self._carry_over, self._fresh)
                self._administer(self._close, self._fresh)
                self.tell(f"{self.service}: setting its groups back on Kafka")
                speak(offsets.set_back(self.kafka, self.service, self._dump.offsets))
                self._administer(self._swap)
                if not keep:
                    self._administer(self._drop_old)
        except BaseException:  # also Ctrl-C: what no erasure reaches is not left behind
            with suppress(StackError, asyncpg.PostgresError, OSError):
                self._administer(self._drop_fresh)
            raise
        return Restored(carried, lacks)

    def _must_be_possible(self) -> Path:
        """The dump's file, once it is sure that Kafka has what the restore needs; where others stop the service, that they did."""
        releases.must_be_old_enough(self.service, self._dump, self.found.made_by)
        dump = manifest.must_be_whole(self.folder, self._dump)
        ends, then = speak(offsets.end_of_erasures(self.kafka)), self.found.erasures
        if len(ends) < len(then) or any(now < before for now, before in zip(ends, then, strict=False)):
            raise StackError(
                "expected Kafka's erasures to have at least what it had when the dump was made, found less: it was lost or made anew, and "
                "nobody could tell from it who was erased since. Bring it back first (docs/operating.md, Backups and restores)."
            )
        if databases.is_given(self.service):
            self._administer(self._must_be_alone)
        return dump

    def _load(self, program: Path, dump: Path) -> Sequence[str]:
        """Into a database of its own, while the services go on; what this release has yet to apply to it."""
        self.tell(f"{self.service}: loading {self._dump.bytes / 1e6:.1f} MB")
        self._administer(self._make_fresh)
        programs.run(program, self._of(self._fresh), "--exit-on-error", "--single-transaction", str(dump))
        return self._administer(self._must_be_known, self._fresh)

    @contextmanager
    def _stopped(self) -> Iterator[None]:
        """The local stack's own processes are stopped, and started again by their supervisor, also once this process is killed; others have to be stopped already."""
        if databases.is_given(self.service):
            yield
            return
        found = state.read(self.home)
        names = offsets.PROCESSES[self.service]
        parts = [part for part in found.parts if part.name.partition("-")[0] in names] if found else []
        try:
            for part in parts:
                holds.take(self.home, part.name)
            self.tell(f"{self.service}: stopping {' and '.join(part.name for part in parts)}")
            running = [part.process for part in parts if part.process is not None]
            for process in running:
                process.send(Signals.SIGTERM)
            if asyncio.run(processes.wait_gone(running, within=_STOPS_WITHIN)):
                raise StackError(f"expected {', '.join(names)} to stop within a minute, found that they do not.")
            yield
        finally:
            for part in parts:
                holds.release(self.home, part.name)

    async def _must_be_known(self, fresh: Connection) -> Sequence[str]:
        return await releases.missing(fresh, self.service, self.found.made_by)

    async def _is_there(self, connection: Connection) -> bool:
        return bool(await connection.fetchval(_IS_THERE, self._name))

    async def _must_have_said_who_was_erased(self, connection: Connection) -> None:
        """What was answered with a certificate and is not on Kafka yet would go with this database."""
        if await connection.fetchval("SELECT to_regclass('outbox')") is None:
            return
        if waiting := await connection.fetchval(_NOT_SAID, ERASURES.name):
            raise StackError(
                f"expected that Kafka knows everybody who was erased, found {waiting} whom only {self.service}'s database knows: start "
                f"{self.service} until its outbox is empty, then stop it again. Nothing was changed."
            )

    def _must_be_readable(self) -> None:
        """Epochs that the database which is there has no more were ended by a rotation, and their keys destroyed; or it is another vault's."""
        ended = self._administer(_epochs, self._fresh) - self._administer(_epochs, self._name)
        if ended:
            raise StackError(
                f"expected a dump of which the vault's keys are there, found {len(ended)} that a rotation has destroyed since, or that "
                "are of another vault than the one that is there (a stack that began anew): who is sealed under them could not be read. "
                "Take a backup of after the rotation, or restore where the backup was taken. Nothing was changed."
            )

    async def _carry_over(self, fresh: Connection) -> Mapping[str, int]:
        async def from_it(replaced: Connection) -> Mapping[str, int]:
            return await carry_over(replaced, fresh)

        return await _administer(self._of(self._name), from_it)

    async def _must_be_alone(self, connection: Connection) -> None:
        rows = await connection.fetch(_SESSIONS, self._name)
        if rows:
            who = ", ".join(f"{row['who']} ({row['sessions']})" for row in rows)
            raise StackError(
                f"expected nobody connected to {self.service}'s database, found {who}: stop {' and '.join(offsets.PROCESSES[self.service])} "
                "first, each process of it. Nothing was changed."
            )

    async def _make_fresh(self, connection: Connection) -> None:
        name, fresh = self._name, self._fresh
        await self._drop_fresh(connection)
        await connection.execute(f"CREATE DATABASE {fresh} TEMPLATE template0")
        await connection.execute(f"REVOKE ALL ON DATABASE {fresh} FROM PUBLIC")
        await connection.execute(f"ALTER DATABASE {fresh} OWNER TO {name}_owner")
        await connection.execute(f"GRANT CONNECT, TEMPORARY ON DATABASE {fresh} TO {name}")

    async def _drop_fresh(self, connection: Connection) -> None:
        """What it holds, erasures have not reached: nothing of it stays where it was refused."""
        await connection.execute(f"DROP DATABASE IF EXISTS {self._fresh} WITH (FORCE)")

    async def _close(self, connection: Connection) -> None:
        async with connection.transaction():
            await connection.execute(f"SET LOCAL ROLE {self._name}")
            await connection.execute(_TABLE.read_text())
            processes_of = list(offsets.PROCESSES[self.service])
            await connection.execute(_ROW, processes_of, self._dump.taken_at, list(self.found.erasures))

    async def _swap(self, connection: Connection) -> None:
        await self._must_be_alone(connection)
        await connection.execute(f"DROP DATABASE IF EXISTS {self._old}")
        there = await self._is_there(connection)
        async with connection.transaction():
            if there:
                await connection.execute(f"ALTER DATABASE {self._name} RENAME TO {self._old}")
            await connection.execute(f"ALTER DATABASE {self._fresh} RENAME TO {self._name}")

    async def _drop_old(self, connection: Connection) -> None:
        await connection.execute(f"DROP DATABASE IF EXISTS {self._old}")

    def _of(self, database: str) -> str:
        return databases.administrator(self.service, self.home, database)

    def _administer(self, work: Callable[[Connection], Awaitable[R]], database: str = "postgres") -> R:
        return asyncio.run(_administer(self._of(database), work))


def left_behind(services: Iterable[str], home: Home) -> list[str]:
    """Databases beside the services' own that a restore which was killed, or `--keep`, left there: no erasure reaches them."""
    found = []
    for service in services:
        name = databases.name(service, home)
        names = [f"{name}_restoring", f"{name}_before_restore"]

        async def of_them(connection: Connection, names: list[str] = names) -> list[str]:
            return [row["datname"] for row in await connection.fetch(_ARE_THERE, names)]

        found += asyncio.run(_administer(databases.administrator(service, home, "postgres"), of_them))
    return sorted(found)


async def _epochs(connection: Connection) -> frozenset[str]:
    """What finds the key of each epoch at its keeper; none where the database is older than they are."""
    if await connection.fetchval("SELECT to_regclass('epochs')") is None:
        return frozenset()
    return frozenset(row["reference"] for row in await connection.fetch(_EPOCHS))


async def _administer(dsn: str, work: Callable[[Connection], Awaitable[R]]) -> R:
    try:
        connection = await asyncpg.connect(dsn, timeout=10)
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        raise StackError(f"expected PostgreSQL to let an administrator in, found: {type(error).__name__}.") from error
    try:
        return await work(connection)
    except asyncpg.ObjectInUseError as error:
        raise StackError(
            "expected nobody connected to the database, found that somebody is by now: stop them, then again."
        ) from error
    except asyncpg.PostgresError as error:
        raise StackError(f"PostgreSQL refused: {type(error).__name__}: {error}") from error
    finally:
        await connection.close(timeout=5)
