"""A database that was restored from a dump stays closed until whatever `erasures` says has been done to it.

The dump brings back whom it held; who was erased since is in it again. So nothing is served, consumed, worked off or sent on such
a database before the whole topic was replayed through the service's own erasers, from the beginning. Killed on the way, it
begins anew: each eraser does nothing where it has nothing to do.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from shared.contracts.base import rfc3339
from shared.messaging.errors import is_slow, is_transient
from shared.messaging.kafka import Kafka
from shared.messaging.passes import AT_ONCE, PageTookTooLongError, Pass, Progress
from shared.messaging.reconciled import Reconciled
from shared.messaging.unit import Unit
from shared.postgres.pool import Pool
from shared.postgres.queries import load
from shared.postgres.session_lock import session_lock
from shared.runner.model import Job

SQL = load(Path(__file__).parents[1] / "postgres" / "restored.sql")
LOOKS_EVERY = timedelta(seconds=1)
REPLAY_LOCK = 0x0FA1_B021
"""Of the database: signup and courier share one, and note what they read in the same table."""
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Restored:
    """A row of a database that was restored: which process has yet to replay."""

    process: str
    taken_at: datetime
    ends: Sequence[int]


class TopicLostError(Exception):
    """`erasures` has less than it had when the dump was made: who was erased can't be known from it."""


async def rows_of(pool: Pool) -> Sequence[Restored]:
    """Who has yet to replay; none where the database was not restored."""
    return [Restored(row["process"], row["taken_at"], row["ends"]) for row in await pool.fetch(SQL["restored"])]


@dataclass(slots=True)
class Replay:
    """Opens one process on a restored database, once each process of that database has replayed."""

    process: str
    kafka: Kafka
    replayed: Sequence[Reconciled]
    """Topics, and what does to rows what they say; what a topic lacks is not looked at here."""
    pool: Pool
    work: Callable[[], AbstractAsyncContextManager[Unit]]
    once_replayed: Callable[[Unit], None] = field(default=lambda _: None)
    """In the transaction that opens: what the process is to look at then."""
    at_once: int = AT_ONCE
    _waits: str = ""
    _trouble: str = ""

    @property
    def why(self) -> str:
        """Why it is closed, in sentences for an operator; empty while it is not."""
        return f"{self._waits} {self._trouble}".strip() if self._waits else ""

    async def is_closed(self) -> bool:
        """Whether the database is a restored one, in which somebody has yet to replay."""
        rows = await rows_of(self.pool)
        self._waits = _waits(rows) if rows else ""
        return bool(rows)

    async def until_open(self) -> None:
        """Replays what is this process's own, by one of its processes at a time, and returns once nobody has anything left."""
        _log.warning("closed", why=self.why)
        while True:
            try:
                if not await self.is_closed():
                    _log.warning("opened")
                    return
                await self._try()
                self._trouble = ""
            except TopicLostError as error:
                self._say(str(error))
            except Exception as error:
                if not is_transient(error):
                    raise
                self._say(f"It can't at the moment ({type(error).__name__}), and tries again.")
            await asyncio.sleep(LOOKS_EVERY.total_seconds())

    async def _try(self) -> None:
        own = next((row for row in await rows_of(self.pool) if row.process == self.process), None)
        if own is None:
            return
        async with (
            self.pool.acquire() as connection,
            session_lock(connection, SQL["try_replay"], SQL["leave_replay"], REPLAY_LOCK) as is_ours,
        ):
            if not is_ours:
                return
            for one in self.replayed:
                await self._replay(one, own.ends)
            async with self.work() as unit:
                self.once_replayed(unit)
                await unit.connection.execute(SQL["is_replayed"], self.process)
        _log.warning("replayed", taken_at=rfc3339(own.taken_at.astimezone(UTC)))

    async def _replay(self, one: Reconciled, ends: Sequence[int]) -> None:
        """All of the topic, from its beginning. A page that takes too long is taken in smaller ones; what can't be handled ends
        the process, and it stays closed: nothing is passed over.
        """
        topic, most = one.topic.name, self.at_once
        replayed = Pass(Reconciled(one.topic, apply=one.apply), self.kafka, self.process, most)
        await self.pool.execute(SQL["forget_seen"], topic)
        at = replayed.begin()
        while at.phase != "over":
            read = await replayed.read(at) if at.phase == "reading" else None
            if read is not None and read.is_all and not _reaches(read.positions, ends):
                raise TopicLostError(
                    f"Kafka's {topic} ends before it did when the dump was made: it was lost or made anew, and nobody can tell from it "
                    "who was erased. Bring it back (docs/operating.md, Backups and restores)."
                )
            try:
                async with self.work() as unit:
                    at = await replayed.step(unit, _job(topic, at), read)
            except Exception as error:
                is_too_much = isinstance(error, PageTookTooLongError) or is_slow(error)
                if not is_too_much or at.most == 1:
                    raise
                at = replace(at, most=max(at.most // 8, 1))

    def _say(self, what: str) -> None:
        if what != self._trouble:
            self._trouble = what
            _log.warning("stays_closed", why=self.why)


def _waits(rows: Sequence[Restored]) -> str:
    taken_at = min(row.taken_at for row in rows).astimezone(UTC).replace(microsecond=0)
    names = " and ".join(row.process for row in rows)
    return (
        f"The database was restored from a dump of {rfc3339(taken_at)}; {names} must first replay who was erased since. "
        "It opens by itself."
    )


def _reaches(positions: Sequence[int], ends: Sequence[int]) -> bool:
    return all(max(position, 0) >= end for position, end in zip(positions, ends, strict=False))


def _job(topic: str, at: Progress) -> Job:
    return Job(topic, datetime.now(UTC), attempts=1, payload=at.as_payload())
