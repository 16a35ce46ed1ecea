"""Owners reconcile their compacted topics with their rows: they read them back and republish what Kafka does not have as new.

A relay that was paused and comes back late can put an old version last, and compaction then keeps that one alone; a topic can
be lost and made anew. Readers that build a projection from such a topic would believe what is no longer true.

A pass reads the topic once and then goes over the rows, and over the topic's keys, page by page. Each page is a transaction
of its own that notes how far the pass has come, so a pass of any length goes on where it was, in whichever process.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Literal

import structlog
from aiokafka import TopicPartition

from shared.clock import Clock
from shared.contracts.base import State
from shared.contracts.topics import Topic
from shared.ids import new_id
from shared.messaging.envelope import Outgoing, Received, Record, decode
from shared.messaging.errors import TransientError, is_slow, is_transient
from shared.messaging.kafka import Kafka
from shared.messaging.reading import read_to_the_end
from shared.messaging.signatures import Verifier, signed_with
from shared.messaging.unit import Unit, unit_of_work
from shared.metrics import READ_BACK_FAILURES, REPUBLISHED, TOPIC_AHEAD
from shared.postgres.pool import Pool
from shared.postgres.queries import load

EVERY = timedelta(hours=1)
LOOKS_EVERY = timedelta(seconds=15)
"""How often it is looked whether it is time, or somebody asked."""
_DOUBTS_EVERY = timedelta(minutes=5)
_FAILED_AGAIN_AFTER = timedelta(minutes=5)
_LEASE = timedelta(minutes=1)
_AT_ONCE = 500
_LONGEST_KEY = 200
"""Ours are under 60 characters; whatever else lies on a topic is nobody's."""
_log = structlog.get_logger(__name__)

SQL = load(Path(__file__).parent / "read_back.sql")


@dataclass(frozen=True, slots=True)
class Behind:
    """How an owner's rows are asked what a topic lacks, and what it has that they don't, a page at a time."""

    keys: Callable[[Unit, str, int], Awaitable[Sequence[str]]]
    """The keys of the next rows after a key (none: ''), at most so many, in the rows' own order; every row has its turn."""
    states: Callable[[Unit], Awaitable[Sequence[State]]]
    """Of the page in the temporary table `read_back` (`key`; `id`, the key as uuid where it is one; `version`, 0 where the
    topic shows none, below 0 where it has an old key), those whose rows have a higher version. Their rows stay locked until the unit is over."""
    ahead: Callable[[Unit], Awaitable[int]]
    """Of `read_back`, here a page of the topic's keys: how many have a higher version than their row, or no row though
    nothing says that it is gone. Rows only rise, so none are, unless rows were lost or somebody else writes."""


Orphaned = Callable[[Unit], Awaitable[Sequence[str]]]
"""The keys in `read_back`, here a page of the topic's keys, that have a version other than 0 and no row any more."""

ApplyReadBack = Callable[[Unit, int], Awaitable[int]]
"""Does to rows what `read_back` says, here a page of the topic's keys; never more than so many. How many it was."""


@dataclass(frozen=True, slots=True)
class Reconciled:
    """A compacted topic, and what a service's rows have to do with it."""

    topic: Topic
    behind: Behind | None = None
    """None where the topic is another service's own, and is only read."""
    orphaned: Orphaned | None = None
    """None where rows never go."""
    apply: ApplyReadBack | None = None


class LeaseLostError(TransientError):
    """Another process goes on with the pass."""

    WAITS_FOR = "postgres"


class Reconciler:
    """Runs in every process of a service; one of them at a time has a topic's lease, once an hour or when asked.

    Of a topic of one's own, what is signed with another key than the one that signs now (`own_key`), or not at all, is
    republished: an exchange of keys needs nothing but time.
    """

    def __init__(
        self,
        kafka: Kafka,
        reconciled: Sequence[Reconciled],
        clock: Clock,
        *,
        source: str,
        own_key: bytes | None = None,
    ) -> None:
        self._kafka = kafka
        self._reconciled = reconciled
        self._clock = clock
        self._source = source
        self._own_key = own_key
        self._process = new_id("reconciler")
        for each in reconciled:  # series that are there from the start, with 0
            REPUBLISHED.labels(each.topic.name)
            READ_BACK_FAILURES.labels(each.topic.name)
            if each.behind is not None:
                TOPIC_AHEAD.labels(each.topic.name)

    async def turn(self, pool: Pool) -> int:
        """Reads back what is due; how many records were republished. One topic's trouble is not the others'.

        What was transient is raised once the others had their turn, and is taken up at the next one.
        """
        republished, trouble = 0, None
        for reconciled in self._reconciled:
            try:
                republished += await self._turn(pool, reconciled)
            except Exception as error:  # noqa: BLE001 - the next topic has its turn
                _log.warning("read_back_waits", topic=reconciled.topic.name, error=type(error).__name__)
                trouble = trouble or (error if is_transient(error) else None)
        await self._tell_ahead(pool)
        if trouble is not None:
            raise trouble
        return republished

    async def _tell_ahead(self, pool: Pool) -> None:
        """In every process what the last pass found, whichever made it: else an old finding would stand beside a new one."""
        own = [each.topic.name for each in self._reconciled if each.behind is not None]
        for row in await pool.fetch(SQL["ahead"], own):
            TOPIC_AHEAD.labels(row["topic"]).set(row["ahead"])

    async def doubt(self, pool: Pool) -> None:
        """A relay had trouble: reads back soon, though not over and over while the trouble lasts."""
        await pool.execute(SQL["doubt"], [reconciled.topic.name for reconciled in self._reconciled], _DOUBTS_EVERY)

    async def ask(self, pool: Pool) -> None:
        """Every topic is due now, in whichever process looks first."""
        await pool.execute(SQL["ask"], [reconciled.topic.name for reconciled in self._reconciled])

    async def _turn(self, pool: Pool, reconciled: Reconciled) -> int:
        name, again_after = reconciled.topic.name, timedelta(0)
        if not await pool.fetchval(SQL["lease"], name, self._process, _LEASE, EVERY):
            return 0
        going = _Pass(
            pool,
            self._kafka,
            self._clock,
            self._source,
            self._process,
            reconciled,
            _AT_ONCE,
            _AT_ONCE,
            own_key=None if reconciled.behind is None else self._own_key,
        )
        try:
            return await going.run()
        except Exception as error:
            if not is_transient(error):
                again_after = _FAILED_AGAIN_AFTER
                READ_BACK_FAILURES.labels(name).inc()
                _log.exception("read_back_failed", topic=name, again_after=str(again_after))
            raise
        finally:
            with contextlib.suppress(Exception):  # else the lease runs out
                await pool.execute(SQL["release"], name, self._process, again_after)


_Phase = Literal["reading", "rows", "keys", "over"]


@dataclass(frozen=True, slots=True)
class _Progress:
    """How far a pass has come."""

    phase: _Phase
    positions: tuple[int, ...]
    """By partition, the offset to read from; -1 where nothing was read."""
    after: str = ""
    republished: int = 0
    ahead: int = 0
    """Keys that the topic has newer than their rows."""


@dataclass(slots=True)
class _Pass:
    """One pass over a topic, from wherever the process before has left it."""

    pool: Pool
    kafka: Kafka
    clock: Clock
    source: str
    process: str
    reconciled: Reconciled
    most: int
    """Keys of the next page."""
    at_once: int
    """Keys of a page that may yet be handled in time."""
    own_key: bytes | None = None
    """What a record of this topic is to be signed with; None: it is another's topic, or nothing is signed."""
    at: _Progress = field(init=False)
    verifier: Verifier | None = field(init=False)
    """Its own, since it is asked in a thread."""
    passes_over: bool = False
    """Whether the next page is one key that can't be handled."""

    def __post_init__(self) -> None:
        self.verifier = None if self.kafka.verifier is None else replace(self.kafka.verifier)

    async def run(self) -> int:
        """How many records this process republished."""
        (row,) = await self.pool.fetch(SQL["begin_pass"], self._name)
        unread = (-1,) * self.reconciled.topic.partitions
        self.at = _Progress(
            row["phase"], tuple(row["positions"]) or unread, row["after"], row["republished"], row["ahead"]
        )
        before = self.at.republished
        if self.at.phase == "reading":
            await self._read()
        await self._in_pages("rows", self._compare_rows)
        await self._in_pages("keys", self._compare_keys)
        if self.at.republished:
            _log.warning("republished", topic=self._name, records=self.at.republished)
        if self.at.ahead:
            _log.error("topic_is_ahead_of_rows", topic=self._name, records=self.at.ahead)
        return self.at.republished - before

    @property
    def _name(self) -> str:
        return self.reconciled.topic.name

    @asynccontextmanager
    async def _step(self) -> AsyncIterator[Unit]:
        async with unit_of_work(self.pool, at=self.clock.now(), source=self.source) as unit:
            if not await unit.connection.fetchval(SQL["renew"], self._name, self.process, _LEASE):
                raise LeaseLostError("another process has the lease")
            yield unit

    async def _note(self, unit: Unit, at: _Progress) -> None:
        if at.phase == "over":
            await unit.connection.execute(SQL["end_pass"], self._name, at.ahead)
        else:
            await unit.connection.execute(
                SQL["note_progress"], self._name, at.phase, at.positions, at.after, at.republished, at.ahead
            )

        def noted() -> None:
            REPUBLISHED.labels(self._name).inc(at.republished - self.at.republished)
            self.at = at

        unit.when_committed(noted)

    async def _read(self) -> None:
        start = {
            TopicPartition(self._name, partition): offset
            for partition, offset in enumerate(self.at.positions)
            if offset >= 0
        }
        reading = read_to_the_end(self.kafka, [self.reconciled.topic], client_id=f"fairpool-{self.source}", start=start)
        async with contextlib.aclosing(reading):
            async for records in reading:
                if records:
                    await self._note_versions(records)
        async with self._step() as unit:
            await self._note(unit, replace(self.at, phase="rows"))

    async def _note_versions(self, records: Sequence[Record]) -> None:
        versions = await asyncio.to_thread(_versions, records, self.verifier, self.own_key)  # the loop goes on serving
        positions = list(self.at.positions)
        for record in records:
            positions[record.partition] = record.offset + 1
        async with self._step() as unit:
            await unit.connection.execute(SQL["note_versions"], self._name, list(versions), list(versions.values()))
            await self._note(unit, replace(self.at, positions=tuple(positions)))

    async def _in_pages(self, phase: str, page: Callable[[Unit], Awaitable[_Progress]]) -> None:
        """Until the phase is over. A page that takes too long, or that holds what can't be handled, is taken in smaller
        ones; what can't be handled alone is counted and passed over.
        """
        while self.at.phase == phase:
            try:
                async with self._step() as unit:
                    await self._note(unit, await page(unit))
            except Exception as error:
                too_much = self.most > 1 and is_slow(error)
                if self.passes_over or (is_transient(error) and not too_much):
                    raise
                if too_much:
                    self.at_once = max(self.most // 8, 1)
                elif self.most == 1:
                    READ_BACK_FAILURES.labels(self._name).inc()
                    _log.exception("read_back_passes_over", topic=self._name, phase=phase)
                    self.passes_over = True
                self.most = max(self.most // 8, 1)
            else:
                self.most, self.passes_over = min(self.most * 2, self.at_once), False

    async def _compare_rows(self, unit: Unit) -> _Progress:
        behind = self.reconciled.behind
        keys = await behind.keys(unit, self.at.after, self.most) if behind else ()
        republished = self.at.republished
        if behind and keys and not self.passes_over:
            await unit.connection.execute(SQL["begin_page"])
            await unit.connection.execute(SQL["fill_page"], self._name, keys)
            states = await behind.states(unit)
            unit.publish(*states)
            republished += len(states)
        if len(keys) < self.most:
            return replace(self.at, phase="keys", after="", republished=republished)
        return replace(self.at, after=keys[-1], republished=republished)

    async def _compare_keys(self, unit: Unit) -> _Progress:
        await unit.connection.execute(SQL["begin_page"])
        taken = await unit.connection.fetch(SQL["take_page"], self._name, self.most)
        orphaned: Sequence[str] = ()
        ahead = self.at.ahead
        if taken and not self.passes_over:
            if self.reconciled.behind is not None:  # before anything is mended
                ahead += await self.reconciled.behind.ahead(unit)
            if self.reconciled.apply is not None:
                await self.reconciled.apply(unit, len(taken))
            if self.reconciled.orphaned is not None:
                orphaned = await self.reconciled.orphaned(unit)
            for key in orphaned:
                unit.write(Outgoing(self._name, key.encode(), value=None, headers=()))
        phase: _Phase = "over" if len(taken) < self.most else "keys"
        return replace(self.at, phase=phase, republished=self.at.republished + len(orphaned), ahead=ahead)


def _versions(records: Sequence[Record], verifier: Verifier | None, own_key: bytes | None) -> dict[str, int]:
    """The last version of each key: 0 for a tombstone and for what nobody can read or may say; below 0, as if it were older than
    any row, for what holds and is to be said again since it has an old key.
    """
    keys = [(record.key or b"").decode("utf-8", "replace") for record in records]
    return {
        key: _version(record, verifier, own_key)
        for key, record in zip(keys, records, strict=True)
        if 0 < len(key) <= _LONGEST_KEY and "\0" not in key
    }


def _version(record: Record, verifier: Verifier | None, own_key: bytes | None) -> int:
    found = decode(record, verifier)
    if not isinstance(found, Received) or not isinstance(found.event, State):
        return 0
    is_to_be_signed_anew = own_key is not None and signed_with(record) != own_key
    return -found.event.version if is_to_be_signed_anew else found.event.version
