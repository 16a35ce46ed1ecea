"""Owners reconcile their compacted topics with their rows: they read them back and republish what Kafka does not have as new.

A relay that was paused and comes back late can put an old version last, and compaction then keeps that one alone; a topic can
be lost and made anew. Readers that build a projection from such a topic would believe what is no longer true.
"""

import zlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from shared.clock import Clock
from shared.contracts.base import State
from shared.contracts.topics import Topic
from shared.messaging.envelope import Outgoing, Received, Record, decode
from shared.messaging.kafka import Kafka
from shared.messaging.reading import read_to_the_end
from shared.messaging.unit import SQL, Unit
from shared.metrics import REPUBLISHED
from shared.postgres.pool import Connection, Pool
from shared.postgres.session_lock import session_lock

EVERY = timedelta(hours=1)
LOOKS_EVERY = timedelta(seconds=15)
"""How often it is looked whether it is time, or somebody asked."""
_DOUBTS_EVERY = timedelta(minutes=5)
_LOCK_SPACE = 0x0FA1_B003
_AT_ONCE = 500
_log = structlog.get_logger(__name__)

Behind = Callable[[Unit, str, int], Awaitable[Sequence[State]]]
"""The next states after a key (none: ''), at most so many, in the order of their keys, whose rows have a higher version than
the temporary table `read_back` (`key`, `version`) knows, or that it lacks. Their rows stay locked until the unit is over."""
Orphaned = Callable[[Unit, str, int], Awaitable[Sequence[str]]]
"""The next keys after a key that `read_back` has with a version above 0, and that have no row any more."""

ApplyReadBack = Callable[[Unit, int], Awaitable[int]]
"""Does what `read_back` says to rows, at most so many in a unit, again until fewer are done; it comes before all else."""


@dataclass(frozen=True, slots=True)
class Reconciled:
    """A compacted topic, and what a service's rows have to do with it."""

    topic: Topic
    behind: Behind | None = None
    """None where the topic is another service's own, and is only read."""
    orphaned: Orphaned | None = None
    """None where rows never go."""
    apply: ApplyReadBack | None = None


class Reconciler:
    """Runs in every process of a service; one of them reads a topic at a time, once an hour or when asked."""

    def __init__(self, kafka: Kafka, reconciled: Sequence[Reconciled], clock: Clock, *, source: str) -> None:
        self._kafka = kafka
        self._reconciled = reconciled
        self._clock = clock
        self._source = source
        for each in reconciled:
            REPUBLISHED.labels(each.topic.name)  # a series that is there from the start, with 0

    async def turn(self, pool: Pool) -> int:
        """Reads back what is due; how many records were republished."""
        return sum([await self._turn(pool, reconciled) for reconciled in self._reconciled])

    async def doubt(self, pool: Pool) -> None:
        """A relay had trouble: reads back soon, though not over and over while the trouble lasts."""
        await pool.execute(
            SQL["doubt_topics"], [reconciled.topic.name for reconciled in self._reconciled], _DOUBTS_EVERY
        )

    async def ask(self, pool: Pool) -> None:
        """Every topic is due now, in whichever process looks first."""
        await pool.execute(SQL["ask_to_read_back"], [reconciled.topic.name for reconciled in self._reconciled])

    async def _turn(self, pool: Pool, reconciled: Reconciled) -> int:
        name = reconciled.topic.name
        lock = _LOCK_SPACE, zlib.crc32(name.encode()) >> 1
        statements = SQL["lock_read_back"], SQL["unlock_read_back"]
        async with pool.acquire() as connection, session_lock(connection, *statements, *lock) as is_ours:
            if not is_ours:
                return 0
            again = await self._reconcile(connection, reconciled)
        REPUBLISHED.labels(name).inc(again)
        if again:
            _log.warning("republished", topic=name, records=again)
        return again

    async def _reconcile(self, connection: Connection, reconciled: Reconciled) -> int:
        name = reconciled.topic.name
        if (now := await connection.fetchval(SQL["when_due"], name, EVERY)) is None:
            return 0
        await connection.execute(SQL["begin_read_back"])
        await self._read(connection, reconciled.topic)
        again = await self._republish(connection, reconciled)
        await connection.execute(SQL["note_read_back"], name, now)
        await connection.execute(SQL["end_read_back"])
        return again

    async def _read(self, connection: Connection, topic: Topic) -> None:
        async for records in read_to_the_end(self._kafka, [topic], client_id=f"fairpool-{self._source}"):
            last = {record.key.decode("utf-8", "replace"): _version(record) for record in records if record.key}
            await connection.execute(SQL["note_versions"], list(last), list(last.values()))
        await connection.execute("ANALYZE read_back")

    async def _republish(self, connection: Connection, reconciled: Reconciled) -> int:
        await self._apply(connection, reconciled)
        again, after = 0, ""
        while True:
            async with connection.transaction():
                unit = Unit(connection, self._clock.now(), self._source)
                states = await reconciled.behind(unit, after, _AT_ONCE) if reconciled.behind else ()
                unit.publish(*states)
                await unit.flush()
            again += len(states)
            if len(states) < _AT_ONCE:
                break
            after = states[-1].key
        return again + await self._write_tombstones(connection, reconciled)

    async def _apply(self, connection: Connection, reconciled: Reconciled) -> None:
        while reconciled.apply is not None:
            async with connection.transaction():
                unit = Unit(connection, self._clock.now(), self._source)
                done = await reconciled.apply(unit, _AT_ONCE)
                await unit.flush()
            if done < _AT_ONCE:
                break

    async def _write_tombstones(self, connection: Connection, reconciled: Reconciled) -> int:
        buried, after = 0, ""
        while reconciled.orphaned is not None:
            async with connection.transaction():
                unit = Unit(connection, self._clock.now(), self._source)
                keys = await reconciled.orphaned(unit, after, _AT_ONCE)
                for key in keys:
                    unit.write(Outgoing(reconciled.topic.name, key.encode(), value=None, headers=()))
                await unit.flush()
            buried += len(keys)
            if len(keys) < _AT_ONCE:
                break
            after = keys[-1]
        return buried


def _version(record: Record) -> int:
    """0 for a tombstone, and for what nobody can read."""
    found = decode(record)
    return found.event.version if isinstance(found, Received) and isinstance(found.event, State) else 0
