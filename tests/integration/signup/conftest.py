"""Signup's HTTP edge on a real database, and a Kafka that keeps what it is sent."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from services.signup.adapters.formats import FORMATS
from services.signup.adapters.intake import PostgresIntake
from services.signup.adapters.intake_keys import IntakeKeys
from services.signup.adapters.kept_reports import PostgresBacklog
from services.signup.adapters.page_requests import PostgresPageRequests
from services.signup.adapters.postgres import PostgresStore
from services.signup.adapters.refusals import PostgresRefusals
from services.signup.adapters.sources import PostgresSources
from services.signup.adapters.titles import occupations_of, suggestions
from services.signup.api import events, hooks, join, profile, refuse, sign_in, sources
from services.signup.decisions.quota import MOST_KEPT
from services.signup.vault.secrets import VaultSecrets
from shared.contracts.operator import TenantChangedV1, TenantKind
from shared.messaging.envelope import Outgoing
from shared.messaging.producer import NotAcknowledgedError
from shared.messaging.unit import Unit, unit_of_work
from shared.postgres.pool import Pool
from shared.security.links import LinkReader, public_half
from shared.security.tenant_keys import hash_key
from shared.web.app import create_app
from shared.web.tenants import Tenants
from tests.databases import MIGRATIONS_OF
from tests.fakes.clock import FixedClock
from tests.fakes.consent import SEED, SUBJECT_KEY

VAULT_KEY = bytes(range(32))
BLIND_INDEX_KEY = bytes(reversed(range(32)))
KEYS = {
    name: f"fp_{name}_secret{name.replace('_', '').replace('-', '')}" for name in ("acme", "bright", "emp_one", "ops")
}


@dataclass(slots=True)
class Edge:
    """The edge under test."""

    pool: Pool
    clock: FixedClock = field(default_factory=FixedClock)
    tenants: Tenants = field(default_factory=Tenants)
    keys: IntakeKeys = field(default_factory=lambda: IntakeKeys(VAULT_KEY))
    kafka_answers: bool = True
    sent: list[Outgoing] = field(default_factory=list)
    """What Kafka has without the outbox."""
    answer_after: timedelta = timedelta(0)
    most_kept: int = MOST_KEPT
    """Reports of one tenant's unknown records."""
    table: dict[str, tuple[str, ...]] | None = None
    """Of job titles; none: the real one."""

    def work(self) -> AbstractAsyncContextManager[Unit]:
        return unit_of_work(self.pool, at=self.clock.now(), source="signup")

    async def has_published(self, outbox_ids: Sequence[int], *, within: timedelta) -> bool:
        return self.kafka_answers

    async def must_answer(self) -> None:
        """A broker answers."""

    async def send(self, records: Sequence[Outgoing]) -> None:
        """As `Producer.send`."""
        if not self.kafka_answers:
            raise NotAcknowledgedError("Kafka is away")
        self.sent += records

    def tenant(self, name: str, kind: TenantKind, *, vendor: str | None = None, version: int = 1, **more: Any) -> None:
        hashes = (hash_key(KEYS[name]),) if name in KEYS else ()
        self.tenants.apply(
            TenantChangedV1(
                tenant=name, version=version, kind=kind, name=name, key_hashes=hashes, vendor=vendor, **more
            )
        )

    def profiles(self) -> profile.ProfileEdge:
        """What the profile page works with."""

        @asynccontextmanager
        async def change() -> AsyncIterator[PostgresStore]:
            async with self.work() as unit:
                yield PostgresStore(unit, self.keys)

        @asynccontextmanager
        async def look() -> AsyncIterator[PostgresStore]:
            async with self.pool.acquire() as connection:
                yield PostgresStore(Unit(connection, self.clock.now(), "signup"), self.keys)

        async def has_published(outbox_ids: Sequence[int]) -> bool:
            return self.kafka_answers

        return profile.ProfileEdge(
            change=change,
            look=look,
            has_published=has_published,
            now=self.clock.now,
            links=LinkReader(public_half(SEED), SUBJECT_KEY),
            names=self.tenants.name_of,
            occupations_of=lambda title: occupations_of(title) if self.table is None else self.table.get(title, ()),
            titles=tuple(suggestions()),
            consent_url="https://consent.example",
        )

    async def outbox(self) -> list[dict[str, Any]]:
        """The values that are on their way, or in Kafka already."""
        rows = await self.pool.fetch("SELECT value FROM outbox ORDER BY id")
        return [json.loads(value) for value in [one.value or b"" for one in self.sent] + [row["value"] for row in rows]]

    async def everything(self) -> str:
        """All that the database holds, and Kafka, as text."""
        found = list(map(str, self.sent))
        for row in await self.pool.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
            found += [str(dict(line)) for line in await self.pool.fetch(f"SELECT * FROM {row['tablename']}")]
        return "\n".join(found)


@pytest.fixture
def migrations() -> tuple[Path, ...]:
    return MIGRATIONS_OF["signup"]


@pytest.fixture
async def edge(pool: Pool) -> Edge:
    """An edge with two vendors and an employer each."""
    made = Edge(pool)
    for vendor in ("acme", "bright"):
        made.tenant(vendor, "vendor")
    made.tenant("emp_one", "employer", vendor="acme")
    made.tenant("emp_two", "employer", vendor="bright")
    made.tenant("ops", "operator")
    return made


@pytest.fixture
async def http(edge: Edge) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the edge."""

    async def ready() -> dict[str, Any]:
        return {}

    app = create_app("signup", "signup", ready=ready)
    intake = PostgresIntake(lambda: edge.pool, edge.work, lambda: edge, edge.keys, publish_within=timedelta(seconds=1))
    backlog = PostgresBacklog(lambda: edge.pool, most=edge.most_kept)
    kept = PostgresSources(lambda: edge.pool, edge.work, VAULT_KEY, edge.clock.now, kept=timedelta(seconds=60))
    requests = PostgresPageRequests(edge.work)
    app.include_router(hooks.router(FORMATS, kept, intake, backlog, edge.tenants, edge.clock, occupations_of))
    app.include_router(events.router(intake, backlog, edge.tenants, edge.clock, occupations_of))
    app.include_router(
        sources.router(FORMATS.keys(), kept, edge.tenants, edge.clock, base_url="https://signup.example")
    )
    app.include_router(
        join.router(
            intake,
            requests,
            edge.clock,
            blind_index_key=BLIND_INDEX_KEY,
            titles=suggestions(),
            answer_after=edge.answer_after,
        )
    )
    app.include_router(sign_in.router(requests, blind_index_key=BLIND_INDEX_KEY, answer_after=timedelta(0)))
    app.include_router(profile.router(edge.profiles()))
    refusals = PostgresRefusals(edge.work, VaultSecrets(VAULT_KEY, BLIND_INDEX_KEY))
    app.include_router(refuse.router(refusals, LinkReader(public_half(SEED), SUBJECT_KEY), edge.clock.now))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://signup.test") as client:
        yield client


@pytest.fixture
async def no_database(edge: Edge) -> asyncpg.Pool:
    """Takes the database away."""
    await edge.pool.close()
    return edge.pool
