"""One unit of work: a transaction, and the events that leave with it or not at all."""

import json
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from json.encoder import encode_basestring_ascii as as_json
from pathlib import Path

from opentelemetry.trace import SpanContext

from shared import tracing
from shared.contracts.base import Event
from shared.messaging.envelope import Outgoing, encode, encode_written
from shared.messaging.handed import Written
from shared.messaging.signatures import Headers
from shared.postgres.columns import joined
from shared.postgres.pool import Connection, Pool
from shared.postgres.queries import load
from shared.runner.postgres import PostgresWork
from shared.runner.scheduling import Scheduling

SHARDS = 4
"""Outbox shards of a service, ten at most; one relay holds each at a time. Changing it needs an empty outbox."""
_KEPT_FOR_THE_RELAY = 10_000
"""Records of one transaction. A listing of a million people writes as many, some at a time: what is not kept is read back."""

SQL = load(Path(__file__).parent / "queries.sql")


def shard_of(key: bytes | None) -> int:
    """The shard of the outbox that the records with this key are in."""
    return zlib.crc32(key or b"") % SHARDS


@dataclass(slots=True)
class Unit:
    """What a handler or a route works in: the connection inside the transaction, the time, and the way out."""

    connection: Connection
    at: datetime
    source: str
    outbox_ids: list[int] = field(default_factory=list)
    """Known once the transaction is over: what `Relay.has_published` is asked for."""
    shards: set[int] = field(default_factory=set)
    """Known then too: the shards of the outbox that were written to; `Relay.committed` is told of them."""
    written: Written | None = None
    """Known then too: what was written there, for the relay."""
    work: Scheduling = field(default_factory=Scheduling)
    """What is to be done later, or by others; its queues are what `Runner.wake` is told."""
    causes: Mapping[bytes, SpanContext] = field(default_factory=dict)
    """By key, the traces that the records of a batch belong to; empty when traces are off."""
    _leaving: list[Outgoing] = field(default_factory=list)
    _afterwards: list[Callable[[], None]] = field(default_factory=list)

    def publish(self, *events: Event, id: str | None = None, cause: SpanContext | None = None) -> None:
        """The events leave when the transaction commits; an id of one's own makes a repeated event the same event.

        Each belongs to the trace of `cause`, else of the record in the batch that has its key, else of the batch.
        """
        self._leave((encode(event, source=self.source, at=self.at, id=id) for event in events), cause)

    def publish_written(
        self, kind: type[Event], events: Iterable[tuple[str, str, bytes]], *, at: datetime | None = None
    ) -> None:
        """The same of (id, key, value), where a batch's events are many and their owner writes the values itself (`encode_written`);
        `at` is when they say that it was (`Event.told_at`), where that is not now."""
        self._leave(encode_written(kind, events, source=self.source, at=at or self.at))

    def _leave(self, records: Iterable[Outgoing], cause: SpanContext | None = None) -> None:
        for record in records:
            trace = tracing.write(cause or self.causes.get(record.key or b""))
            if trace is not None:
                record = replace(record, headers=(*record.headers, (tracing.HEADER, trace.encode())))
            self._leaving.append(record)

    async def publish_now(self, send: Callable[[Sequence[Outgoing]], Awaitable[None]]) -> None:
        """Sends what was published so far at once, past the outbox, and returns when Kafka has it.

        Kafka has it then also where the transaction is rolled back. So this is for events that do no harm when they come
        again under their ids, and that whoever waits for an answer sends again when there was none.
        """
        leaving, self._leaving = self._leaving, []
        await send(leaving)

    def trace_of(self, key: bytes) -> str | None:
        """The `traceparent` to keep with a row that is made of the record with this key; None when traces are off."""
        return tracing.write(self.causes.get(key))

    def when_committed(self, then: Callable[[], None]) -> None:
        """Called once the transaction is committed, and not at all when it is not: for what is counted."""
        self._afterwards.append(then)

    def write(self, outgoing: Outgoing) -> None:
        """A record that is not one of our events leaves as it is (dead letters)."""
        self._leaving.append(outgoing)

    async def first_time(self, consumer: str, ids: Iterable[str]) -> set[str]:
        """Which of these ids this consumer never saw; they count as seen when the transaction commits."""
        rows = await self.connection.fetch(SQL["note_in_inbox"], consumer, list(dict.fromkeys(ids)))
        return {row["event_id"] for row in rows}

    async def flush(self) -> None:
        """Writes what is leaving to the outbox, in the order in which it was published, and last what was scheduled."""
        await self._flush_outbox()
        await self.work.write(PostgresWork(self.connection))

    async def _flush_outbox(self) -> None:
        leaving, self._leaving = self._leaving, []
        if not leaving:
            return
        shards = [shard_of(record.key) for record in leaving]
        # An array costs half a microsecond an element more than a text that PostgreSQL takes apart.
        (row,) = await self.connection.fetch(
            SQL["write_to_outbox"],
            "".join(map(str, shards)),
            " ".join([record.topic for record in leaving]),
            [record.key for record in leaving],
            [record.value for record in leaving],
            joined([headers_to_json(record.headers) for record in leaving]),
        )
        self.outbox_ids += row["ids"]
        self.shards.update(shards)
        before = self.written.records if self.written else {}
        records = {**before, **dict(zip(row["ids"], leaving, strict=True))}
        self.written = Written(row["at"], records if len(records) <= _KEPT_FOR_THE_RELAY else {})


def headers_to_json(headers: Headers) -> str:
    """Headers as text: each byte of a value becomes the character of that number, so that nothing is lost."""
    return f"[{', '.join([_remembered(*one) if one[0] in _REPEATED else _header(*one) for one in headers])}]"


_REPEATED = frozenset({"ce_specversion", "ce_source", "ce_type", "ce_time", "content-type"})
"""Headers that what leaves together has in common."""
_KEPT = 1024
"""Bytes of headers that are remembered, at most: those of a dead letter are whatever it came with."""


def _header(name: str, raw: bytes | None) -> str:
    return f"[{as_json(name)}, {'null' if raw is None else as_json(raw.decode('latin-1'))}]"


def _remembered(name: str, raw: bytes | None) -> str:
    return _repeated(name, raw) if raw is None or len(raw) <= _KEPT else _header(name, raw)


_repeated = lru_cache(maxsize=256)(_header)


def headers_from_json(text: str) -> Headers:
    """The headers that `headers_to_json` wrote.

    What stands before an event's id, and behind it, is the same for all that left together, and read once.
    """
    before, _, rest = text.partition(_ID)
    id, quote, behind = rest.partition('"')
    if not quote or "\\" in id or len(text) > 4 * _KEPT:
        return _read(text)
    front, back = _shared(before.removesuffix(", ") + "]"), _shared("[" + behind[1:].removeprefix(", "))
    return (*front, ("ce_id", id.encode("latin-1")), *back)


_ID = '["ce_id", "'
"""Within a text its quotes would be escaped: so it is where the header begins, and nowhere else."""


def _read(text: str) -> Headers:
    return tuple([(name, None if raw is None else raw.encode("latin-1")) for name, raw in json.loads(text)])


_shared = lru_cache(maxsize=256)(_read)


@asynccontextmanager
async def unit_of_work(pool: Pool, *, at: datetime, source: str) -> AsyncIterator[Unit]:
    """A unit that commits when the block ends, and leaves nothing behind when it raises."""
    async with pool.acquire() as connection, connection.transaction():
        unit = Unit(connection, at, source)
        yield unit
        await unit.flush()
    for then in unit._afterwards:
        then()
