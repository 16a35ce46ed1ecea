"""Matching on a database of its own, and its HTTP face without Kafka."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest

from services.pool_matching.api import Edge, router
from services.pool_matching.api.updates import ANEW
from services.pool_matching.handlers import on_pools_changed
from shared.contracts.operator import TenantChangedV1, TenantKind
from shared.feed.web import FeedFace, restart_router
from shared.security.tenant_keys import hash_key, new_key
from shared.web.app import create_app
from shared.web.budgets import Streams
from shared.web.health import Check
from shared.web.http_limits import HttpLimits
from shared.web.tenants import Tenants
from tests.databases import MIGRATIONS_OF, Databases
from tests.fakes.pool_matching import SOC
from tests.integration.pool_matching.kit import TICKS, PostgresKit, evaluate, tick


@pytest.fixture
async def kit(databases: Databases) -> AsyncIterator[PostgresKit]:
    async with databases.pool(*MIGRATIONS_OF["pool_matching"]) as opened:
        yield PostgresKit(opened)


@dataclass
class Http:
    """A client, with a key for each tenant."""

    client: httpx.AsyncClient
    keys: dict[str, str]
    tenants: Tenants
    kit: PostgresKit
    edge: Edge

    async def ask(self, method: str, path: str, tenant: str | None = "emp_a", **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.keys[tenant]}"} if tenant else {}
        headers |= more.pop("headers", {})
        return await self.client.request(method, path, headers=headers, **more)

    async def tick(self, *employers: str) -> None:
        """Pools that were made are held against everybody; it is the next tick of these employers (emp_a), who are told of what
        is new, five or more, and can read it."""
        async with self.kit.persons() as store:
            await on_pools_changed(store, await self.kit.outbox())
        await evaluate(self.kit)
        for employer in employers or ("emp_a",):
            await tick(self.kit, employer)
        await self.kit.feed.sequencer.once()

    def tenant(self, id_: str, kind: TenantKind, *, version: int = 1, suspended: bool = False) -> None:
        self.keys.setdefault(id_, new_key(id_))
        self.tenants.apply(
            TenantChangedV1(
                tenant=id_,
                version=version,
                kind=kind,
                name=id_,
                key_hashes=(hash_key(self.keys[id_]),),
                standing="suspended" if suspended else "good",
            )
        )


@pytest.fixture
async def http(kit: PostgresKit) -> AsyncIterator[Http]:
    tenants = Tenants()
    edge = Edge(
        tenants,
        kit.pools,
        FeedFace(kit.feed.reader, anew=ANEW),
        SOC,
        timedelta(seconds=1),
        Streams(HttpLimits()),
        lambda: False,
        changes_per_minute=60,
        asked_per_day=40,
        introductions=kit.introductions,
        ticks=TICKS,
    )

    async def nothing() -> dict[str, Check]:
        return {}

    app = create_app("Fairpool pool matching", "pool_matching", ready=nothing)
    app.include_router(router(edge))
    app.include_router(restart_router([kit.feed], tenants))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        made = Http(client, {}, tenants, kit, edge)
        made.tenant("emp_a", "employer")
        made.tenant("emp_b", "employer")
        made.tenant("emp_bad", "employer", suspended=True)
        made.tenant("acme-ats", "vendor")
        made.tenant("operator", "operator")
        yield made
