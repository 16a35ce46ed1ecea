"""Whether the windows can be asked, as readiness says it."""

import asyncio

from services.outreach_gateway.model import SHARDS
from services.outreach_gateway.ports.windows import Windows
from shared.messaging.errors import TransientError
from shared.web.health import HeldError

_ANSWERS_WITHIN = 1.5


class WindowsHealth:
    """No reason to be taken out of service: only decisions need the windows, and they are held without losing any."""

    def __init__(self, windows: Windows) -> None:
        self._windows = windows

    async def check(self) -> None:
        """HeldError, in words for the operator, where the outreach of some people, or of all, is not decided at present."""
        held = len(self._windows.held)
        whose = "no outreach is decided" if held == SHARDS else f"outreach is held in {held} of {SHARDS} shards"
        try:
            async with asyncio.timeout(_ANSWERS_WITHIN):
                refuses_eviction = await self._windows.refuses_eviction()
        except (TransientError, TimeoutError) as error:
            whose = whose if held else "no outreach is decided"
            raise HeldError(f"{whose}: Redis does not answer, or says that it can't now") from error
        if held:
            raise HeldError(f"{whose}: the windows are being built anew, or their Redis can't be written now")
        if not refuses_eviction:
            raise HeldError("Redis may forget slots: set maxmemory-policy noeviction")
