"""The intake keys of the days: made on first use by whoever comes first, kept in memory, destroyed together."""

import hmac
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path

import structlog

from services.signup.vault.epoch_rows import EpochRows
from services.signup.vault.intake import unwrap_day_key, wrap_day_key
from shared.messaging.errors import TransientError
from shared.postgres.pool import Connection, Pool
from shared.postgres.queries import load
from shared.security import boxes

SQL = load(Path(__file__).parent / "queries.sql")
_log = structlog.get_logger(__name__)


class DayShutError(TransientError):
    """The key of this day does not open: what is told waits until a rotation of the vault has made room for another."""

    WAITS_FOR = "vault"
    MAY_END_THE_PROCESS = False


class IntakeKeys:
    """The keys of this process; what the table no longer has is forgotten here as well."""

    def __init__(self, epochs: EpochRows, content_key: bytes) -> None:
        self.epochs = epochs
        self._content_key = content_key
        self._kept: dict[date, bytes] = {}

    async def for_day(self, pool: Pool, day: date) -> bytes:
        """The day's key, made if there is none; committed before it is used, so nothing is sealed with a key that is lost.

        DayShutError where it is there and does not open.
        """
        if day not in self._kept:
            try:
                await self._find_or_make(pool, day)
            except boxes.CannotOpenError as error:
                _log.error("intake_key_shut", day=day.isoformat())
                raise DayShutError(f"the intake key of {day} does not open: rotate the vault") from error
        return self._kept[day]

    async def _find_or_make(self, pool: Pool, day: date) -> None:
        async with pool.acquire() as connection:
            if not await self.find(connection, [day]):
                async with connection.transaction():
                    epoch = await self.epochs.hold(connection)
                    fresh = wrap_day_key(self.epochs.epochs, epoch, boxes.new_key(), day)
                    await connection.execute(SQL["make_intake_key"], day, fresh, epoch)
                await self.find(connection, [day])

    async def find(self, connection: Connection, days: Iterable[date]) -> Mapping[date, bytes]:
        """The keys of these days; a destroyed one is missing."""
        wanted = set(days)
        missing = wanted - self._kept.keys()
        if missing:
            rows = await connection.fetch(SQL["read_intake_keys"], sorted(missing))
            await self.epochs.know(connection, {row["epoch"] for row in rows})
            for row in rows:
                key = unwrap_day_key(self.epochs.epochs, row["epoch"], row["sealed_key"], row["day"])
                self._kept[row["day"]] = key
        return {day: self._kept[day] for day in wanted & self._kept.keys()}

    def digest(self, content: bytes) -> bytes:
        """Recognises content without telling whoever reads the table what it was; useless without the key."""
        return hmac.digest(self._content_key, content, "sha256")

    def forget(self, before: date) -> None:
        """Drops the keys of days before."""
        self._kept = {day: key for day, key in self._kept.items() if day >= before}
