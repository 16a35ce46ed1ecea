"""What this process wrote into the outbox, kept for its own relay, which then need not read it back."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from shared.messaging.envelope import Outgoing

_MOST = 16 * 1024 * 1024
"""Bytes of keys, values and headers; what is more is read back. Python needs some 300 bytes more for each row."""
_MOST_ROWS = 20_000


@dataclass(frozen=True, slots=True)
class Written:
    """What one transaction wrote: the records by the ids of their rows, and the rows' `written_at`, by PostgreSQL's clock."""

    at: datetime
    records: Mapping[int, Outgoing]


class Handed:
    """Rows of this process that are committed and not sent, as far as there is room: whatever is not here is read from the table.

    A restored database gives ids again, and no moment twice: so a row is known by both.
    """

    def __init__(self, shard_of: Callable[[bytes | None], int]) -> None:
        self._shard_of = shard_of
        self._rows: defaultdict[int, dict[int, tuple[datetime, Outgoing, int]]] = defaultdict(dict)
        """By shard, in the order in which they were put here; with their bytes."""
        self._bytes = 0
        self._before: Collection[int] = ()

    def __len__(self) -> int:
        return sum(map(len, self._rows.values()))

    def put(self, written: Written) -> None:
        """It is committed."""
        for rows in self._rows.values():
            self._take(rows, written.records.keys() & rows.keys())
        sizes = [*map(_size, written.records.values())]
        if self._bytes + sum(sizes) <= _MOST and len(self) + len(written.records) <= _MOST_ROWS:
            self._bytes += sum(sizes)
            for (id, record), size in zip(written.records.items(), sizes, strict=True):
                self._rows[self._shard_of(record.key)][id] = written.at, record, size

    def known(self, shards: Iterable[int], most: int) -> tuple[Mapping[int, Outgoing], Collection[datetime]]:
        """Of each of these shards the first rows, so many at most, by their ids, and the moments at which they were written."""
        rows = {id: row for shard in shards for id, row in islice(self._rows[shard].items(), most)}
        return {id: record for id, (_, record, _) in rows.items()}, {at for at, _, _ in rows.values()}

    def take(self, ids: Collection[int]) -> None:
        """These are here no longer."""
        for rows in self._rows.values():
            self._take(rows, ids)

    def _take(self, rows: dict[int, tuple[datetime, Outgoing, int]], ids: Iterable[int]) -> None:
        for id in ids:
            if (row := rows.pop(id, None)) is not None:
                self._bytes -= row[2]

    def gone(self, known: Mapping[int, Outgoing], up_to: Mapping[int, float]) -> None:
        """Of these every one up to this row of its shard: they are sent, by this process or by another."""
        self.take([id for id, record in known.items() if id <= up_to.get(self._shard_of(record.key), -1)])

    def forget(self) -> None:
        """What was here already when this was called last: another process has sent it, or it waits for long."""
        self.take(self._before)
        self._before = [id for rows in self._rows.values() for id in rows]


def _size(record: Outgoing) -> int:
    headers = sum(len(name) + len(raw or b"") for name, raw in record.headers)
    return len(record.key or b"") + len(record.value or b"") + headers
