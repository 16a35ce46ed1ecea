"""Which rows are under which key, in PostgreSQL."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import asyncpg

from services.signup.vault.epoch_rows import EpochRows
from services.signup.vault.index import BlindIndex
from services.signup.vault.reading import read_identities
from services.signup.vault.sealing import SealedIdentity
from shared.messaging.unit import Unit
from shared.postgres.queries import load

SQL = load(Path(__file__).with_suffix(".sql"))


_FIRST, _LAST = UUID(int=0), UUID(int=2**128 - 1)
_BEYOND = b"\xff" * 16
"""Behind every key: their ids have eight bytes."""
_RESTS_FOR = timedelta(minutes=10)
"""After a round that met somebody: whoever stays under another key is not opened again at once."""


@dataclass(slots=True)
class Round:
    """How far this process has come among those who are under other keys. A process that is restarted begins anew, and misses nobody."""

    key: bytes | None = b""
    """None: at those of before there were keys, who come last."""
    candidate: UUID = _FIRST
    rests_until: datetime | None = None

    def go_on(self, rows: Sequence[asyncpg.Record], *, is_over: bool, at: datetime) -> None:
        """From the last of these, or from the beginning."""
        has_met = bool(rows) or (self.key, self.candidate) != (b"", _FIRST)
        if not is_over:
            self.key, self.candidate = rows[-1]["index_key"], UUID(rows[-1]["candidate"])
            return
        self.key, self.candidate = b"", _FIRST
        self.rests_until = at + _RESTS_FOR if has_met else None


class PostgresSecretRows:
    """`ports.SecretRows`."""

    def __init__(self, unit: Unit, epochs: EpochRows, place: Round | None = None) -> None:
        self._unit = unit
        self._connection = unit.connection
        self._epochs = epochs
        self._round = place or Round()

    async def to_reindex(self, index: BlindIndex, *, limit: int) -> tuple[Mapping[str, SealedIdentity], bool]:
        """By the index of keys and people, from where the round is."""
        here, at = self._round, self._unit.at
        if here.rests_until is not None and at < here.rests_until:
            return {}, False
        of_none = here.key is None
        rows = await self._connection.fetch(
            SQL["to_reindex"],
            index.key_id,
            limit,
            _BEYOND if here.key is None else here.key,
            _LAST if of_none else here.candidate,
            here.candidate if of_none else _FIRST,
        )
        has_more = len(rows) == limit
        here.go_on(rows, is_over=not has_more, at=at)
        taken = [row["candidate"] for row in rows if row["is_taken"]]
        return (await read_identities(self._connection, taken, self._epochs) if taken else {}), has_more

    async def reindex(self, index: BlindIndex, mails: Mapping[str, str]) -> int:
        """One statement."""
        if not mails:
            return 0
        values = [index.of(mail).value for mail in mails.values()]
        return len(await self._connection.fetch(SQL["reindex"], index.key_id, list(mails), values))

    async def under_index_keys(self, index: BlindIndex, *, most: int) -> Mapping[bytes, int]:
        """From the index of keys alone."""
        rows = await self._connection.fetch(SQL["under_index_keys"], index.key_id, most)
        return {row["key"]: row["count"] for row in rows}

    async def under_peppers(self, *, most: int) -> Mapping[bytes, int]:
        """From the index of prefixes alone, from one pepper to the next."""
        rows = await self._connection.fetch(SQL["under_peppers"], most)
        return {row["key"]: row["count"] for row in rows}
