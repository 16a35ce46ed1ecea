"""What employers could read of people, in PostgreSQL."""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import asyncpg
from pydantic import TypeAdapter

from services.consent.adapters import messages
from services.consent.adapters.told_sql import SQL
from services.consent.model import BEGINNING, Disclosed, Memberships, TellingPlace
from shared.contracts.pool_matching import (
    Criteria,
    DisclosedV1,
    DisclosureEndedV1,
    Membership,
    MembershipsChangedV1,
    PoolChangedV1,
)
from shared.facts import UNKNOWN, Fact, Known
from shared.messaging.unit import Unit

_POOLS = TypeAdapter(tuple[Membership, ...])


class PostgresTold:
    """The port `Tellings` on a unit of work."""

    def __init__(self, unit: Unit) -> None:
        self._connection = unit.connection
        self.at: datetime = unit.at

    async def hold(self, candidates: Collection[str]) -> Collection[str]:
        """Nobody is closed meanwhile; what others wrote of them until then is seen by the next statements."""
        asked = set(candidates)
        await self._connection.execute(messages.SQL["hold_erasures"], messages.ERASURES)
        rows = await self._connection.fetch(SQL["hold_people"], sorted(asked))
        return asked - {row["candidate"] for row in rows if row["closed_at"] is not None}

    async def note_disclosures(self, events: Sequence[DisclosedV1]) -> None:
        """One statement, where there is something to write."""
        if not events:
            return
        await self._connection.execute(
            SQL["note_disclosures"],
            [one.candidate for one in events],
            [one.at for one in events],
            [one.pool for one in events],
            [one.employer for one in events],
            [" ".join(one.fields) for one in events],
            [one.way for one in events],
            [one.member_since for one in events],
            [one.memberships for one in events],
        )

    async def end_disclosures(self, events: Sequence[DisclosureEndedV1]) -> None:
        """One statement, where there is something to write."""
        if not events:
            return
        await self._connection.execute(
            SQL["end_disclosures"],
            [one.candidate for one in events],
            [one.pool for one in events],
            [one.at for one in events],
        )

    async def note_memberships(self, events: Sequence[tuple[MembershipsChangedV1, datetime]]) -> None:
        """One statement."""
        await self._connection.execute(
            SQL["note_memberships"],
            [one.candidate for one, _ in events],
            [one.version for one, _ in events],
            [at for _, at in events],
            [_POOLS.dump_json(one.pools).decode() for one, _ in events],
        )

    async def note_pools(self, events: Sequence[PoolChangedV1]) -> None:
        """One statement."""
        await self._connection.execute(
            SQL["note_pools"],
            [one.pool for one in events],
            [one.version for one in events],
            [one.employer for one in events],
            [one.criteria.model_dump_json() if one.criteria else None for one in events],
            self.at,
        )

    async def memberships(self, candidate: str) -> Fact[Memberships]:
        """By its key."""
        pools = await self._connection.fetchval(SQL["read_memberships"], candidate)
        return UNKNOWN if pools is None else Known(Memberships(_POOLS.validate_json(pools)))

    async def in_force(self, candidate: str) -> Sequence[Disclosed]:
        """By index."""
        return [_disclosed(row) for row in await self._connection.fetch(SQL["disclosures_in_force"], candidate)]

    async def disclosures(self, candidate: str, most: int, *, before: TellingPlace = BEGINNING) -> Sequence[Disclosed]:
        """From the index, page by page."""
        rows = await self._connection.fetch(SQL["disclosures"], candidate, before.at, before.pool, most)
        return [_disclosed(row) for row in rows]

    async def asked(self, pools: Collection[str]) -> Mapping[str, Criteria]:
        """One statement."""
        rows = await self._connection.fetch(SQL["pools_asked"], list(pools))
        return {row["pool"]: Criteria.model_validate(json.loads(row["criteria"])) for row in rows if row["criteria"]}

    async def forget(self, most: int, *, before: datetime) -> bool:
        """Both by age."""
        done = [
            await self._connection.execute(SQL[name], before, most) for name in ("forget_disclosures", "forget_pools")
        ]
        return any(int(one.split()[-1]) == most for one in done)


def _disclosed(row: asyncpg.Record) -> Disclosed:
    return Disclosed(
        row["employer"],
        row["pool"],
        row["at"],
        tuple(row["fields"]),
        row["way"],
        row["member_since"],
        row["ended_at"],
    )
