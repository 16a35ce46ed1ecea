"""What is outstanding of erasures, as an operator asks for it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from services.signup.adapters.erasures import SERVICES, PostgresErasures
from services.signup.api import erasures
from shared.web.app import create_app
from tests.fakes.clock import NOON
from tests.integration.signup.conftest import KEYS, Edge


def key(tenant: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {KEYS[tenant]}"}


PEOPLE = [f"0190a1b2-0000-7000-8000-00000000000{number}" for number in (1, 2)]


@pytest.fixture
async def routes(edge: Edge) -> AsyncIterator[httpx.AsyncClient]:
    @asynccontextmanager
    async def look() -> AsyncIterator[PostgresErasures]:
        async with edge.work() as unit:
            yield PostgresErasures(unit)

    async def ready() -> dict[str, Any]:
        return {}

    app = create_app("signup", "signup", ready=ready)
    app.include_router(erasures.router(look, edge.tenants))
    await edge.pool.execute(
        """INSERT INTO erasures_outstanding (candidate, service, erased_at, asked_at, ask_at)
           SELECT candidate, service, $1, $1, $1 FROM unnest($2::uuid[]) AS candidate, unnest($3::text[]) AS service""",
        NOON,
        PEOPLE,
        list(SERVICES),
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://signup.test") as client:
        yield client


async def test_an_operator_reads_page_by_page_what_is_outstanding(routes: httpx.AsyncClient) -> None:
    found: list[tuple[str, str]] = []
    after: dict[str, str] = {}
    while True:
        answer = await routes.get("/v1/erasures", params={"limit": 3, **after}, headers=key("ops"))
        assert answer.status_code == 200, answer.text
        found += [(item["candidate"], item["service"]) for item in answer.json()["items"]]
        if answer.json()["next"] is None:
            break
        after = {"after": answer.json()["next"]}
    assert found == [(person, service) for person in PEOPLE for service in sorted(SERVICES)]


async def test_nobody_else_learns_who_was_erased(routes: httpx.AsyncClient) -> None:
    assert (await routes.get("/v1/erasures")).status_code == 401
    for tenant in ("acme", "emp_one"):
        assert (await routes.get("/v1/erasures", headers=key(tenant))).status_code == 403


async def test_a_place_that_is_none_is_refused(routes: httpx.AsyncClient) -> None:
    for after in ("x", f"{PEOPLE[0]}:", "':consent"):
        answer = await routes.get("/v1/erasures", params={"after": after}, headers=key("ops"))
        assert answer.status_code == 422
