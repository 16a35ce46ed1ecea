"""Rows for windows to be built from: on PostgreSQL alone, wherever the windows are."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from services.outreach_gateway.adapters.policy_file import read_policy
from services.outreach_gateway.adapters.postgres import PostgresOutreach
from services.outreach_gateway.adapters.postgres_epochs import PostgresEpochs
from services.outreach_gateway.model import Place
from services.outreach_gateway.ports.windows import Building
from shared.feed.ports import FeedWriter
from shared.feed.postgres import PostgresFeedWriter
from shared.messaging.unit import Unit, unit_of_work
from shared.postgres.pool import Pool
from shared.ticks import Ticks
from tests.signing import TICK_KEY

POLICY = read_policy("2026-12")
TICKS = Ticks(TICK_KEY)
NOW = datetime.now(UTC).replace(microsecond=0)


def feed(unit: Unit) -> FeedWriter:
    """The feed of outreach; nobody is woken by it."""
    return PostgresFeedWriter(unit, "outreach", lambda: None)


def person(number: int, shard: int = 0) -> str:
    """Another one for each number, of this shard."""
    return str(UUID(int=number * 256 + shard))


@dataclass
class Rows:
    """The gateway's database."""

    pool: Pool
    places: dict[str, tuple[Place, ...]] = field(default_factory=dict)
    """By person, what was sent."""

    @asynccontextmanager
    async def epochs(self) -> AsyncIterator[PostgresEpochs]:
        async with unit_of_work(self.pool, at=NOW, source="outreach_gateway") as unit:
            yield PostgresEpochs(unit)

    @asynccontextmanager
    async def store(self) -> AsyncIterator[PostgresOutreach]:
        async with unit_of_work(self.pool, at=NOW, source="outreach_gateway") as unit:
            yield PostgresOutreach(unit, POLICY, feed, TICKS)

    async def sent(self, *people: str) -> None:
        """A message that went to each of them now."""
        await self.pool.execute(
            "INSERT INTO outreach (id, employer, candidate, member_ref, request_digest, submitted_at, expires_at, state, slot_at) "
            "SELECT 'o' || candidate, 'emp_a', candidate, 'm', 'd', $2::timestamptz, $2, 'delivered', $2 "
            "FROM unnest($1::uuid[]) AS candidate",
            people,
            NOW,
        )
        self.places |= {who: (Place(f"o{who}", "emp_a", NOW),) for who in people}

    async def building(self, shard: int) -> Building | None:
        """How far it is."""
        async with self.epochs() as rows:
            return (await rows.present())[shard].building

    async def names(self) -> dict[int, str]:
        """Of all epochs, by shard."""
        async with self.epochs() as rows:
            return {shard: known.epoch.name for shard, known in (await rows.present()).items()}
