"""Which services have yet to say that they erased what they kept of an erased person."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import get_args
from uuid import UUID

from prometheus_client import Gauge

from services.signup.model.erasures import Sweep
from services.signup.model.operators import Outstanding
from shared.contracts.signup import CandidateErasedV1, ErasureSweptV1
from shared.messaging.unit import Unit
from shared.postgres.queries import load

SQL = load(Path(__file__).parent / "erasures.sql")
SERVICES: tuple[str, ...] = get_args(ErasureSweptV1.model_fields["service"].annotation)
"""All that are asked; signup itself erases in the transaction that makes somebody an erased person."""
OLDEST = Gauge(
    "fairpool_erasure_outstanding_seconds",
    "Age of the oldest erasure that a service has not confirmed yet, by service; 0 when there is none.",
    ["part"],
)
for _service in SERVICES:
    OLDEST.labels(_service)
_FIRST = UUID(int=0)


class PostgresErasures:
    """`ports.Erasures` in one unit of work."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    @property
    def at(self) -> datetime:
        """The time of the unit."""
        return self._unit.at

    async def swept(self, told: Sequence[tuple[str, Sweep]]) -> None:
        """One statement; what is not outstanding changes nothing."""
        await self._unit.connection.execute(
            SQL["swept"],
            [candidate for candidate, _ in told],
            [sweep.service for _, sweep in told],
            [sweep.at for _, sweep in told],
            [json.dumps([store.model_dump(mode="json") for store in sweep.stores]) for _, sweep in told],
        )

    async def ask_again(self, *, first: timedelta, longest: timedelta, limit: int) -> int:
        """What another process asks again just now is left to it."""
        rows = await self._unit.connection.fetch(SQL["ask_again"], self.at, first, longest, limit)
        erased = {row["candidate"]: row["at"] for row in rows}
        self._unit.publish(*(CandidateErasedV1(candidate=one, at=at) for one, at in sorted(erased.items())))
        return len(rows)

    async def outstanding(self, *, after: tuple[str, str] | None, limit: int) -> Sequence[Outstanding]:
        """From the index of the key."""
        candidate, service = after or (str(_FIRST), "")
        rows = await self._unit.connection.fetch(SQL["outstanding"], candidate, service, limit)
        return [Outstanding(**dict(row)) for row in rows]

    async def note_oldest(self) -> None:
        """One look at an index for each service."""
        for row in await self._unit.connection.fetch(SQL["oldest"], SERVICES):
            age = (self.at - row["erased_at"]).total_seconds() if row["erased_at"] else 0.0
            OLDEST.labels(row["service"]).set(max(age, 0.0))
