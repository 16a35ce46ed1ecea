"""Some of the gateway's routes over HTTP, on fakes."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import fields
from functools import partial
from types import ModuleType
from typing import Any

import httpx
from fastapi import APIRouter, FastAPI

from services.outreach_gateway.api.edge import Edge
from shared.contracts.operator import TenantChangedV1
from shared.security.tenant_keys import hash_key, new_key
from shared.web import problems
from shared.web.tenants import Tenants
from tests.fakes.clock import NOON, FixedClock

KEYS = {tenant: new_key(tenant) for tenant in ("emp_a", "emp_b", "vendor-x", "op_ops")}
_KINDS: dict[str, Any] = {"vendor-x": "vendor", "op_ops": "operator"}


def opens(store: object) -> Callable[[], Any]:
    """As what stands behind an `Edge` is opened."""

    @asynccontextmanager
    async def opened(store: object) -> AsyncIterator[Any]:
        yield store

    return partial(opened, store)


@asynccontextmanager
async def served(*parts: ModuleType, domain: str | None = None, **given: Any) -> AsyncIterator[httpx.AsyncClient]:
    """The routes of these modules, on what is given of the `Edge`; asked as `emp_a`."""
    tenants = Tenants()
    for tenant, key in KEYS.items():
        kind = _KINDS.get(tenant, "employer")
        tenants.apply(
            TenantChangedV1(
                tenant=tenant, version=1, kind=kind, name=tenant, key_hashes=(hash_key(key),), domain=domain
            )
        )
    nothing: dict[str, Any] = dict.fromkeys(field.name for field in fields(Edge))
    edge = Edge(**nothing | {"tenants": tenants, "clock": FixedClock(NOON), "words_form": "hpke"} | given)
    app, routes = FastAPI(), APIRouter()
    for part in parts:
        part.add_routes(routes, edge)
    app.include_router(routes)
    problems.install(app)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as client:
        client.headers["Authorization"] = f"Bearer {KEYS['emp_a']}"
        yield client
