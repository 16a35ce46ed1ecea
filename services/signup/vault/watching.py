"""A process opens the epochs' keys when it starts, and looks what has become of them while it runs."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import structlog

from services.signup.vault.epoch_rows import EpochRows
from shared.messaging.errors import is_transient
from shared.postgres.pool import Pool

LOOKS_EVERY = timedelta(seconds=2)
"""So late at most a process seals under the new epoch; what others sealed under it, it opens at once."""
_log = structlog.get_logger(__name__)


class EpochWatch:
    """What a process has to do for its `EpochRows`."""

    def __init__(self, rows: EpochRows, pool: Callable[[], Pool], *, makes: bool) -> None:
        self._rows = rows
        self._pool = pool
        self._makes = makes

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """A resource: tries it once, and lets the process start also where the keeper is away."""
        try:
            await self.look()
        except Exception as error:
            if not is_transient(error):
                raise
            _log.warning("epochs_wait", error=type(error).__name__)
        yield

    async def look(self) -> None:
        """Makes what has no key yet, if that is this process's to do, and learns what is new."""
        async with self._pool().acquire() as connection:
            if self._makes:
                await self._rows.make(connection)
            await self._rows.refresh(connection)

    async def check(self) -> None:
        """Ready where this process can seal, and where all keys are lost, since an operator has to reach it then."""
        if not self._rows.has_lost:
            _ = self._rows.epochs.current
