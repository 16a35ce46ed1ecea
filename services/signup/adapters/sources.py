"""The webhooks' secrets: sealed in the table, opened in memory for a short while."""

import hmac
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Literal

from services.signup.model import Source
from shared.postgres.pool import Pool
from shared.postgres.queries import load
from shared.security import boxes

SQL = load(Path(__file__).parent / "queries.sql")
_MOST_KEPT = 10_000


class PostgresSources:
    """`ports.Sources`; a source that is found stays in memory for `kept`, one that is not is asked for again."""

    def __init__(self, pool: Callable[[], Pool], vault_key: bytes, *, kept: timedelta) -> None:
        self._pool = pool
        self._vault_key = vault_key
        self._kept_for = kept.total_seconds()
        self._kept: dict[tuple[str, str], tuple[float, Source]] = {}

    async def find(self, format_: str, source: str) -> Source | None:
        """The webhook of this name."""
        until, kept = self._kept.get((format_, source), (0.0, None))
        if kept is not None and time.monotonic() < until:
            return kept
        row = await self._pool().fetchrow(SQL["read_source"], format_, source)
        if row is None:
            return None
        secret = boxes.unseal(self._vault_key, row["sealed_secret"], context=_context(format_, source))
        found = Source(format_, source, row["vendor"], row["employer"], secret.decode())
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        self._kept[format_, source] = (time.monotonic() + self._kept_for, found)
        return found

    async def add(self, source: Source) -> Literal["added", "same", "different"]:
        """Keep it; never over another of the same name."""
        box = boxes.seal(self._vault_key, source.secret.encode(), context=_context(source.format, source.source))
        added = await self._pool().fetchval(
            SQL["add_source"], source.format, source.source, source.vendor, source.employer, box
        )
        if added is not None:
            return "added"
        there = await self.find(source.format, source.source)
        if there is None:
            return "different"
        is_same = (there.vendor, there.employer) == (source.vendor, source.employer)
        is_same &= hmac.compare_digest(there.secret.encode(), source.secret.encode())
        return "same" if is_same else "different"


def _context(format_: str, source: str) -> str:
    return f"source:{format_}:{source}"
