"""A process opens the epochs' keys when it starts, and looks what has become of them while it runs."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import structlog
from prometheus_client import Gauge

from services.signup.vault.epoch_rows import EpochRows
from services.signup.vault.epochs import KeeperAwayError
from shared.clock import Clock
from shared.messaging.errors import is_transient
from shared.postgres.pool import Pool

LOOKS_EVERY = timedelta(seconds=2)
"""So late at most a process seals under the new epoch; what others sealed under it, it opens at once."""
ASKS_EVERY = timedelta(hours=1)
"""How often a worker asks the keeper for keys that it has in memory; AWS KMS destroys one 7 days at the earliest after it was told to."""
_ASKED_AGAIN_AFTER = timedelta(minutes=1)
"""While the keeper does not answer, or does not have one of them."""
KEYS_LOST = Gauge(
    "fairpool_vault_keys_lost",
    "Keys of epochs in use that their keeper does not have: those that this process still has in memory, and those that are gone.",
    ["state"],
)
KEEPER_AWAY = Gauge(
    "fairpool_vault_keeper_away", "1 while the keeper of the vault's keys does not answer, or refuses this process."
)
for _state in ("in_memory", "gone"):
    KEYS_LOST.labels(_state)
_log = structlog.get_logger(__name__)


class EpochWatch:
    """What a process has to do for its `EpochRows`."""

    def __init__(self, rows: EpochRows, pool: Callable[[], Pool], clock: Clock, *, makes: bool) -> None:
        self._rows = rows
        self._pool = pool
        self._clock = clock
        self._makes = makes
        self._asked: tuple[datetime, datetime] | None = None
        """When the keeper was asked last, and from when it is asked again."""

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
        """Makes what has no key yet, if that is this process's to do, learns what is new, and shows what is lost."""
        async with self._pool().acquire() as connection:
            if self._makes:
                await self._rows.make(connection)
            await self._rows.refresh(connection)
        # Who missed one, asked by an operator, asks until it is back, or its alarm would not end.
        if (self._makes or self._rows.in_memory_alone) and self._is_to_ask():
            await self._ask_keeper()
        KEYS_LOST.labels("in_memory").set(len(self._rows.in_memory_alone))
        KEYS_LOST.labels("gone").set(len(self._rows.lost))

    def _is_to_ask(self) -> bool:
        """Also where the clock was set back: nobody could say how long ago that was."""
        return self._asked is None or not self._asked[0] <= self._clock.now() < self._asked[1]

    async def _ask_keeper(self) -> None:
        """What runs from memory would not start again: that is to be known while there is a way back."""
        pause = _ASKED_AGAIN_AFTER
        try:
            await self._rows.ask_keeper()
        except KeeperAwayError as error:
            KEEPER_AWAY.set(1)
            _log.warning("keeper_away", error=str(error))
        else:
            KEEPER_AWAY.set(0)
            pause = _ASKED_AGAIN_AFTER if self._rows.in_memory_alone else ASKS_EVERY
        self._asked = (self._clock.now(), self._clock.now() + pause)

    async def check(self) -> None:
        """Ready where this process can seal, and where all keys are lost, since an operator has to reach it then."""
        if not self._rows.lost:
            _ = self._rows.epochs.current
