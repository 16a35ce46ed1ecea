"""Holding work back, as metrics show it."""

from shared.messaging.errors import waits_for
from shared.metrics import HOLDING, HOLDS


class Holding:
    """One part of a process, and what it waits for at the moment."""

    def __init__(self, part: str) -> None:
        self._part = part
        self._waits_for: set[str] = set()

    def note(self, error: BaseException) -> None:
        """An attempt failed with a transient error."""
        reason = waits_for(error)
        HOLDS.labels(self._part, reason).inc()
        HOLDING.labels(self._part, reason).set(1)
        self._waits_for.add(reason)

    def over(self) -> None:
        """It works again, or waits no longer."""
        while self._waits_for:
            HOLDING.labels(self._part, self._waits_for.pop()).set(0)
