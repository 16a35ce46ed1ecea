import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated

import httpx
import pytest
from fastapi import Depends, FastAPI

from shared.web import health
from shared.web.app import create_app
from shared.web.tenants import Tenant, Tenants
from tests.unit.shared.web.support import problem


async def fine() -> None:
    """A check that passes."""


async def broken() -> None:
    raise ConnectionError("postgresql://signup:canary@db")


async def stuck() -> None:
    await asyncio.Event().wait()


def served(checks: Mapping[str, Callable[[], Awaitable[object]]]) -> httpx.AsyncClient:
    async def ready() -> Mapping[str, Callable[[], Awaitable[object]]]:
        return checks

    app = create_app("Things", "things", ready=ready)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://things.test")


async def test_live_answers_whatever_the_checks_say() -> None:
    async with served({"postgres": broken}) as client:
        assert (await client.get("/health/live")).json() == {"status": "live"}


async def test_ready_names_each_check_that_passed() -> None:
    async with served({"postgres": fine, "kafka": fine}) as client:
        response = await client.get("/health/ready")
    assert response.status_code == 200
    assert response.json() == {"status": "ready", "checks": {"postgres": "ok", "kafka": "ok"}}


async def test_ready_names_the_check_that_raised_without_its_words() -> None:
    async with served({"postgres": broken, "kafka": fine}) as client:
        response = await client.get("/health/ready")
    assert problem(response, 503)["detail"] == "These checks fail: postgres (ConnectionError)."
    assert response.headers["retry-after"] == "2"


async def test_a_check_that_takes_too_long_fails_and_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    assert health.CHECK_WITHIN == 2.0
    monkeypatch.setattr(health, "CHECK_WITHIN", 0.05)
    async with asyncio.timeout(10), served({"redis": stuck, "kafka": stuck, "postgres": fine}) as client:
        response = await client.get("/health/ready")
    assert problem(response, 503)["detail"] == (
        "These checks fail: redis (no answer within 0.05 seconds); kafka (no answer within 0.05 seconds)."
    )


async def test_metrics_are_in_prometheus_text(client: httpx.AsyncClient) -> None:
    response = await client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=")
    assert "# TYPE fairpool_http_requests_total counter" in response.text


async def test_the_docs_are_made_here_and_load_nothing_from_another_host(client: httpx.AsyncClient) -> None:
    page = (await client.get("/docs")).text
    assert "<script" not in page
    assert "http://" not in page and "https://" not in page and 'src="' not in page
    assert "/v1/things/{thing}" in page
    assert "Make a thing" in page
    assert "parts[].name" in page
    assert "At most 20 characters." in page
    assert (await client.get("/openapi.json")).json()["info"]["title"] == "Things"
    for path in ("/redoc", "/docs/oauth2-redirect"):
        assert (await client.get(path)).status_code == 404


async def test_the_docs_say_whose_key_a_route_needs(app: FastAPI, client: httpx.AsyncClient) -> None:
    tenants = Tenants()

    @app.get("/v1/mine")
    async def mine(caller: Annotated[Tenant, Depends(tenants.require("employer"))]) -> str:
        return caller.id

    @app.get("/v1/ours")
    async def ours(caller: Annotated[Tenant, Depends(tenants.require("vendor", "operator"))]) -> str:
        return caller.id

    page = (await client.get("/docs")).text
    assert page.count("Needs the key of an employer.") == page.count("Needs the key of a vendor or operator.") == 1
    assert (await client.get("/openapi.json")).json()["paths"]["/v1/ours"]["get"]["security"] == [
        {"tenant key": ["vendor", "operator"]}
    ]


async def test_global_privacy_control_is_declared(client: httpx.AsyncClient) -> None:
    assert (await client.get("/.well-known/gpc.json")).json() == {"gpc": True, "lastUpdate": "2026-11-22"}
