"""The webhooks' secrets: sealed in the table, opened in memory for a short while."""

import hmac
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

import asyncpg
import structlog

from services.signup.model.hooks import ListedSource, Source
from services.signup.ports.intake import SourceShutError
from services.signup.vault.epoch_rows import EpochRows
from services.signup.vault.webhooks import seal_secret, unseal_secret
from shared.messaging.unit import Unit
from shared.postgres.pool import Connection, Pool
from shared.postgres.queries import load
from shared.security.boxes import CannotOpenError

SQL = load(Path(__file__).parent / "queries.sql")
_log = structlog.get_logger(__name__)
_MOST_KEPT = 10_000
_FRESH_FOR = 1.0
"""Seconds: who signs wrongly all the time does not make us ask the table all the time."""


class PostgresSources:
    """`ports.Sources`; a source that is found stays in memory for `kept`, one that is not is asked for again."""

    def __init__(
        self,
        pool: Callable[[], Pool],
        work: Callable[[], AbstractAsyncContextManager[Unit]],
        epochs: EpochRows,
        now: Callable[[], datetime],
        *,
        kept: timedelta,
    ) -> None:
        self._pool = pool
        self._work = work
        self._now = now
        self._epochs = epochs
        self._kept_for = kept.total_seconds()
        self._kept: dict[tuple[str, str], tuple[float, Source]] = {}

    async def find(self, format_: str, source: str, *, fresh: bool = False) -> Source | None:
        """The webhook of this name; `fresh`: as the table has it now, though not more than once a second."""
        read_at, kept = self._kept.get((format_, source), (0.0, None))
        if kept is not None and time.monotonic() - read_at < (_FRESH_FOR if fresh else self._kept_for):
            return kept
        self._kept.pop((format_, source), None)
        async with self._pool().acquire() as connection:
            row = await connection.fetchrow(SQL["read_source"], format_, source)
            if row is None:
                return None
            await self._epochs.know(connection, [row["epoch"]])
        still_signs = row["previous_until"] is not None and self._now() < row["previous_until"]
        secret = self._secret(row, row["sealed_secret"])
        if secret is None:
            _log.error("source_shut", name=f"{format_}/{source}")
            raise SourceShutError(f"the secret of {format_}/{source} does not open: set another")
        previous = self._secret(row, row["sealed_previous"] if still_signs else None)
        found = Source(format_, source, row["vendor"], row["employer"], secret, previous)
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        self._kept[format_, source] = (time.monotonic(), found)
        return found

    async def _there(self, format_: str, source: str) -> Source | None:
        """The webhook as it is now; None where there is none, or its secret does not open."""
        try:
            return await self.find(format_, source, fresh=True)
        except SourceShutError:
            return None

    def _secret(self, row: asyncpg.Record, box: bytes | None) -> str | None:
        """What is in this box of the row; None where there is none, or it does not open."""
        if box is None:
            return None
        with suppress(CannotOpenError):
            return unseal_secret(self._epochs.epochs, row["epoch"], box, row["format"], row["source"])
        return None

    async def add(self, source: Source, *, by: str) -> Literal["added", "same", "different"]:
        """Keep it; never over another of the same name."""
        async with self._work() as unit:
            epoch = await self._epochs.hold(unit.connection)
            box = seal_secret(self._epochs.epochs, epoch, source.secret, source.format, source.source)
            added = await unit.connection.fetchval(
                SQL["add_source"], source.format, source.source, source.vendor, source.employer, box, self._now(), epoch
            )
            if added is not None:
                await self._note(unit.connection, by, "source_added", source.employer, source.format, source.source)
                return "added"
        there = await self._there(source.format, source.source)
        if there is None:
            return "different"
        is_same = (there.vendor, there.employer) == (source.vendor, source.employer)
        is_same &= hmac.compare_digest(there.secret.encode(), source.secret.encode())
        return "same" if is_same else "different"

    async def listed(self) -> Sequence[ListedSource]:
        """All of them, by name."""
        return [ListedSource(**dict(row)) for row in await self._pool().fetch(SQL["list_sources"], self._now())]

    async def rotate(self, format_: str, source: str, secret: str, *, previous_until: datetime, by: str) -> bool:
        """Another secret signs from now on, the present one until then as well; whether there is such a webhook."""
        there = await self._there(format_, source)
        if there is not None and hmac.compare_digest(there.secret.encode(), secret.encode()):
            return True  # asked again: the secret before it goes on as it was told the first time
        async with self._work() as unit:
            epoch = await self._epochs.hold(unit.connection)
            row = await unit.connection.fetchrow(SQL["lock_source"], format_, source)
            if row is None:
                return False
            name, epochs = (format_, source), self._epochs.epochs
            box = seal_secret(epochs, epoch, secret, *name)
            before = self._secret(row, row["sealed_secret"])
            previous = None if before is None else seal_secret(epochs, epoch, before, *name)
            employer = await unit.connection.fetchval(
                SQL["rotate_source"], format_, source, box, previous_until, self._now(), previous, epoch
            )
            if employer is not None:
                await self._note(unit.connection, by, "source_rotated", employer, format_, source)
        self._kept.pop((format_, source), None)
        return employer is not None

    async def delete(self, format_: str, source: str, *, by: str) -> bool:
        """Forget it; whether it was there."""
        async with self._work() as unit:
            employer = await unit.connection.fetchval(SQL["delete_source"], format_, source)
            if employer is not None:
                await self._note(unit.connection, by, "source_deleted", employer, format_, source)
        self._kept.pop((format_, source), None)
        return employer is not None

    async def _note(self, connection: Connection, by: str, act: str, employer: str, format_: str, source: str) -> None:
        await connection.execute(SQL["note_source"], self._now(), by, act, employer, f"{format_}/{source}")
