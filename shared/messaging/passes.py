"""One pass over a compacted topic, a step at a time: the topic is read, rows are held against it, then its keys against the rows."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import structlog
from aiokafka import TopicPartition

from shared.contracts.base import State
from shared.messaging.envelope import Outgoing, Received, Record, decode
from shared.messaging.errors import is_slow, is_transient
from shared.messaging.kafka import Kafka
from shared.messaging.reading import read_to_the_end
from shared.messaging.reconciled import Reconciled
from shared.messaging.signatures import Verifier, signed_with
from shared.messaging.unit import Unit
from shared.metrics import READ_BACK_FAILURES, REPUBLISHED
from shared.postgres.queries import load
from shared.runner.model import Job

SQL = load(Path(__file__).parent / "read_back.sql")
AT_ONCE = 500
"""Keys of a page."""
_READ_AT_ONCE, _READ_FOR = 10_000, timedelta(seconds=20)
"""Records of a step, and how long one reads at most: well within the lease."""
_LONGEST_KEY = 200
"""Ours are under 60 characters; whatever else lies on a topic is nobody's."""
_log = structlog.get_logger(__name__)

Phase = Literal["reading", "rows", "keys", "over"]


class PageTookTooLongError(Exception):
    """A page of several keys: no outage, as far as anybody knows; the next attempt takes a smaller one."""


_TOO_LONG = f"failed: {PageTookTooLongError.__name__}"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a pass has come: the payload of its row."""

    phase: Phase = "reading"
    positions: tuple[int, ...] = ()
    """By partition, the offset to read from; -1 where nothing was read; none at the beginning."""
    after: str = ""
    """Of the rows, the last key that was looked at: the pages after it are left."""
    republished: int = 0
    ahead: int = 0
    """Keys that the topic has newer than their rows."""
    most: int = AT_ONCE
    """Keys of the next page."""
    at_once: int = AT_ONCE
    """Keys of a page that may yet be handled in time."""

    @classmethod
    def of(cls, job: Job) -> "Progress":
        """As its row has it."""
        values = dict(job.payload or {})
        return cls(**values | {"positions": tuple(values.get("positions", ()))})

    def as_payload(self) -> Mapping[str, Any]:
        """For its row."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Read:
    """What a step has read of the topic."""

    versions: Mapping[str, int]
    """The last of each key, as `_version` has it."""
    highest: Mapping[str, int]
    """The highest of each key, whether or not it came last."""
    positions: tuple[int, ...]
    is_all: bool


@dataclass(slots=True)
class Pass:
    """How the passes over one topic go, in this process."""

    reconciled: Reconciled
    kafka: Kafka
    source: str
    at_once: int
    """Keys of a page."""
    own_key: bytes | None = None
    """What a record of this topic is to be signed with; None: it is another's topic, or nothing is signed."""
    verifier: Verifier | None = field(init=False)
    """Its own, since it is asked in a thread."""

    def __post_init__(self) -> None:
        self.verifier = None if self.kafka.verifier is None else replace(self.kafka.verifier)

    @property
    def _name(self) -> str:
        return self.reconciled.topic.name

    def begin(self) -> Progress:
        """Where a pass begins."""
        return Progress(most=self.at_once, at_once=self.at_once)

    async def read(self, at: Progress) -> Read:
        """Some of the topic, from where the pass has come; what fails after something was read is left to the next step."""
        positions = list(at.positions) or [-1] * self.reconciled.topic.partitions
        start = {TopicPartition(self._name, number): offset for number, offset in enumerate(positions) if offset >= 0}
        versions: dict[str, int] = {}
        highest: dict[str, int] = {}
        read, until = 0, asyncio.get_running_loop().time() + _READ_FOR.total_seconds()
        reading = read_to_the_end(self.kafka, [self.reconciled.topic], client_id=f"fairpool-{self.source}", start=start)
        try:
            async with contextlib.aclosing(reading):
                async for records in reading:
                    # in a thread: the loop goes on serving
                    found = await asyncio.to_thread(_versions, records, self.verifier, self.own_key)
                    for key, version in found:
                        versions[key] = version
                        highest[key] = max(highest.get(key, 0), abs(version))
                    for record in records:
                        positions[record.partition] = record.offset + 1
                    read += len(records)
                    if read >= _READ_AT_ONCE or (read and asyncio.get_running_loop().time() > until):
                        return Read(versions, highest, tuple(positions), is_all=False)
        except Exception as error:
            if not read or not is_transient(error):
                raise
            return Read(versions, highest, tuple(positions), is_all=False)
        return Read(versions, highest, tuple(positions), is_all=True)

    async def step(self, unit: Unit, job: Job, read: Read | None) -> Progress:
        """One step more; what was read is noted, or a page is handled.

        A page that takes too long, or that holds what can't be handled, is taken in smaller ones: each attempt takes an eighth.
        What can't be handled alone is counted and passed over, until the next pass.
        """
        at = Progress.of(job)
        if at.phase != "reading" and not await unit.connection.fetchval(SQL["is_noted"], self._name):
            return self.begin()  # PostgreSQL crashed, and what was read went with it
        if at.phase == "reading":
            after = at if read is None else await self._note(unit, at, read)
        else:
            after = await self._page(unit, at, job)

        def noted() -> None:
            REPUBLISHED.labels(self._name).inc(max(after.republished - at.republished, 0))
            if after.phase == "over":
                self._tell(after)

        unit.when_committed(noted)
        return after

    async def _note(self, unit: Unit, at: Progress, read: Read) -> Progress:
        if at.positions and not await unit.connection.fetchval(SQL["is_noted"], self._name):
            return self.begin()
        versions = {"": 0, **read.versions}
        await unit.connection.execute(
            SQL["note_versions"],
            self._name,
            list(versions),
            list(versions.values()),
            [read.highest.get(key, 0) for key in versions],
        )
        return replace(at, positions=read.positions, phase="rows" if read.is_all else "reading")

    async def _page(self, unit: Unit, at: Progress, job: Job) -> Progress:
        most, passes_over = at.most, False
        for _ in range(
            0 if job.reason is None else job.attempts - 1
        ):  # a process that was killed says nothing of the page
            most, passes_over = max(most // 8, 1), most == 1
        look = self._look_at_rows if at.phase == "rows" else self._look_at_keys
        try:
            after = await look(unit, at, most, passes_over=passes_over)
        except Exception as error:
            if most > 1 and is_slow(error):
                raise PageTookTooLongError from error
            if passes_over and not is_transient(error):
                READ_BACK_FAILURES.labels(self._name).inc()
            raise
        if passes_over:
            READ_BACK_FAILURES.labels(self._name).inc()
            _log.error("read_back_passes_over", topic=self._name, phase=at.phase, reason=job.reason)
        at_once = most if job.reason == _TOO_LONG else at.at_once
        return replace(after, most=min(most * 2, at_once), at_once=at_once)

    async def _look_at_rows(self, unit: Unit, at: Progress, most: int, *, passes_over: bool) -> Progress:
        behind = self.reconciled.behind
        keys = await behind.keys(unit, at.after, most) if behind else ()
        republished = at.republished
        if behind and keys and not passes_over:
            await unit.connection.execute(SQL["begin_page"])
            await unit.connection.execute(SQL["fill_page"], self._name, keys)
            states = await behind.states(unit)
            unit.publish(*states)
            republished += len(states)
        if len(keys) < most:
            return replace(at, phase="keys", after="", republished=republished)
        return replace(at, after=keys[-1], republished=republished)

    async def _look_at_keys(self, unit: Unit, at: Progress, most: int, *, passes_over: bool) -> Progress:
        await unit.connection.execute(SQL["begin_page"])
        taken = await unit.connection.fetch(SQL["take_page"], self._name, most)
        orphaned: Sequence[str] = ()
        ahead = at.ahead
        if taken and not passes_over:
            if self.reconciled.behind is not None:  # before anything is mended
                ahead += await self.reconciled.behind.ahead(unit)
            if self.reconciled.apply is not None:
                await self.reconciled.apply(unit, len(taken))
            if self.reconciled.orphaned is not None:
                orphaned = await self.reconciled.orphaned(unit)
            for key in orphaned:
                unit.write(Outgoing(self._name, key.encode(), value=None, headers=()))
        is_over = len(taken) < most
        if is_over:
            await unit.connection.execute(SQL["forget_noted"], self._name)
        republished = at.republished + len(orphaned)
        return replace(at, phase="over" if is_over else "keys", republished=republished, ahead=ahead)

    def _tell(self, after: Progress) -> None:
        if after.republished:
            _log.warning("republished", topic=self._name, records=after.republished)
        if after.ahead:
            _log.error("topic_is_ahead_of_rows", topic=self._name, records=after.ahead)


def _versions(records: Sequence[Record], verifier: Verifier | None, own_key: bytes | None) -> list[tuple[str, int]]:
    """Keys and their versions, in order: 0 for a tombstone and for what nobody can read or may say; below 0, as if it were older than
    any row, for what holds and is to be said again since it has an old key or form.
    """
    keys = [(record.key or b"").decode("utf-8", "replace") for record in records]
    return [
        (key, _version(record, verifier, own_key))
        for key, record in zip(keys, records, strict=True)
        if 0 < len(key) <= _LONGEST_KEY and "\0" not in key
    ]


def _version(record: Record, verifier: Verifier | None, own_key: bytes | None) -> int:
    found = decode(record, verifier)
    if not isinstance(found, Received) or not isinstance(found.event, State):
        return 0
    is_to_be_said_anew = (own_key is not None and signed_with(record) != own_key) or (
        verifier is not None and found.event.is_outdated(verifier.seals)
    )
    return -found.event.version if is_to_be_said_anew else found.event.version
