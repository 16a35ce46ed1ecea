"""Whether the windows can be asked, as readiness says it."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from services.outreach_gateway.ports import Epochs, Windows
from shared.messaging.errors import TransientError
from shared.web.health import HeldError

_ANSWERS_WITHIN = 1.5


class WindowsHealth:
    """No reason to be taken out of service: only decisions need the windows, and they are held without losing any."""

    def __init__(self, epochs: Callable[[], AbstractAsyncContextManager[Epochs]], windows: Windows) -> None:
        self._epochs = epochs
        self._windows = windows

    async def check(self) -> None:
        """HeldError, in words for the operator, where outreach is not decided at present."""
        async with self._epochs() as rows:
            present = await rows.present()
        try:
            async with asyncio.timeout(_ANSWERS_WITHIN):
                intact = await self._windows.is_intact(present)
                refuses_eviction = await self._windows.refuses_eviction()
        except (TransientError, TimeoutError) as error:
            raise HeldError("no outreach is decided: Redis does not answer, or says that it can't now") from error
        if not intact:
            raise HeldError("no outreach is decided: the windows are being built anew")
        if not refuses_eviction:
            raise HeldError("Redis may forget slots: set maxmemory-policy noeviction")
