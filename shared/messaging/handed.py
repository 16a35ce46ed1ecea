"""What this process wrote into the outbox, kept for its own relay, which then need not read it back."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from shared.messaging.envelope import Outgoing

_MOST = 16 * 1024 * 1024
"""Bytes of keys and values; what is more is read back."""


@dataclass(frozen=True, slots=True)
class Written:
    """What one transaction wrote: the records by the ids of their rows, and the rows' `written_at`, by PostgreSQL's clock."""

    at: datetime
    records: Mapping[int, Outgoing]


class Handed:
    """Rows of this process that are committed and not sent, as far as there is room: whatever is not here is read from the table.

    A restored database gives ids again, and no moment twice: so a row is known by both.
    """

    def __init__(self) -> None:
        self._rows: dict[int, tuple[datetime, Outgoing]] = {}
        self._bytes = 0
        self._before: Collection[int] = ()

    def put(self, written: Written) -> None:
        """It is committed."""
        self.take(written.records)
        size = sum(map(_size, written.records.values()))
        if self._bytes + size <= _MOST:
            self._bytes += size
            self._rows |= {id: (written.at, record) for id, record in written.records.items()}

    def known(self) -> tuple[Mapping[int, Outgoing], Collection[datetime]]:
        """The rows by their ids, and the moments at which they were written."""
        return {id: record for id, (_, record) in self._rows.items()}, {at for at, _ in self._rows.values()}

    def take(self, ids: Iterable[int]) -> None:
        """These are here no longer."""
        for id in ids:
            if (row := self._rows.pop(id, None)) is not None:
                self._bytes -= _size(row[1])

    def forget(self) -> None:
        """What was here already when this was called last: another process has sent it, or it waits for long."""
        self.take(self._before)
        self._before = [*self._rows]


def _size(record: Outgoing) -> int:
    return len(record.key or b"") + len(record.value or b"")
