"""What a person is answered who takes along what is kept of them."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta

import httpx
import pytest
from fastapi import Request

from services.signup.api import exporting
from services.signup.model.exports import MOST_A_DAY
from shared.security.statements import Statement
from shared.web.app import create_app
from shared.web.health import Check
from shared.web.holders import Holder
from shared.web.person import Navigation
from tests.fakes.clock import NOON
from tests.fakes.exports import FakeExports

ANA, BO = "00000000-0000-7000-8000-000000000001", "00000000-0000-7000-8000-000000000002"


@pytest.fixture
def exports() -> FakeExports:
    return FakeExports(people={ANA: None, BO: None})


@pytest.fixture
async def client(exports: FakeExports) -> AsyncIterator[httpx.AsyncClient]:
    """Ana's, unless the header says Bo."""

    async def no_checks() -> Mapping[str, Check]:
        return {}

    async def signed_in(request: Request) -> Holder:
        none: Statement | None = None
        return Holder(request.headers.get("x-who", ANA), "s", NOON + timedelta(hours=4), none, "bearer")

    @asynccontextmanager
    async def opened() -> AsyncIterator[FakeExports]:
        yield exports

    edge = exporting.ExportEdge(opened, opened, signed_in, Navigation("http://signup.test", "http://consent.test"))
    app = create_app("signup", "signup", ready=no_checks)
    app.include_router(exporting.api(edge))
    app.include_router(exporting.pages(edge))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://signup.test"
    ) as opened_client:
        yield opened_client


async def ready(exports: FakeExports) -> None:
    """Whatever waits is made."""
    for name, row in list(exports.rows.items()):
        if row.export.state == "waiting":
            await exports.finish(row.candidate, name, b"PK zip", until=exports.at + timedelta(days=1))


async def test_asked_twice_it_is_one_and_once_it_is_made_it_is_fetched(
    client: httpx.AsyncClient, exports: FakeExports
) -> None:
    assert (await client.get("/v1/me/export")).status_code == 404
    first, again = await client.post("/v1/me/export"), await client.post("/v1/me/export")
    assert first.status_code == 202 and first.json() == again.json() and len(exports.asked) == 1
    waits = await client.get("/v1/me/export")
    assert (waits.status_code, waits.json()["state"]) == (202, "waiting")
    await ready(exports)
    made = await client.get("/v1/me/export")
    assert (made.status_code, made.content, made.headers["content-type"]) == (200, b"PK zip", "application/zip")
    assert made.headers["cache-control"] == "no-store" and "attachment" in made.headers["content-disposition"]


async def test_nobody_else_gets_it(client: httpx.AsyncClient, exports: FakeExports) -> None:
    await client.post("/v1/me/export")
    await ready(exports)
    for path in ("/v1/me/export", "/me/export/zip"):
        assert (await client.get(path, headers={"x-who": BO})).status_code == 404


async def test_after_as_many_as_a_day_allows_it_is_said_when_there_is_room(
    client: httpx.AsyncClient, exports: FakeExports
) -> None:
    for _ in range(MOST_A_DAY):
        assert (await client.post("/v1/me/export")).status_code == 202
        await ready(exports)
        exports.at += timedelta(hours=1)
    refused = await client.post("/v1/me/export")
    assert (refused.status_code, refused.json()["type"]) == (429, "urn:fairpool:problem:enough-exports")
    exports.at += timedelta(seconds=int(refused.headers["retry-after"]))
    assert (await client.post("/v1/me/export")).status_code == 202


async def test_whoever_was_erased_meanwhile_hears_that(client: httpx.AsyncClient, exports: FakeExports) -> None:
    exports.erase(ANA)
    assert (await client.post("/v1/me/export")).status_code == 410


async def test_the_page_says_how_it_stands_and_what_it_waits_for(
    client: httpx.AsyncClient, exports: FakeExports
) -> None:
    browser = {"accept": "text/html"}
    assert "Make my file" in (await client.get("/me/export", headers=browser)).text
    assert (await client.post("/me/export", headers=browser)).headers["location"] == "/me/export"
    page = (await client.get("/me/export", headers=browser)).text
    assert "being made" in page and "keeps what you allow" in page and "<form" not in page
    await ready(exports)
    page = (await client.get("/me/export", headers=browser)).text
    assert 'href="/me/export/zip"' in page and "Make a new file" in page
    assert (await client.get("/me/export/zip", headers=browser)).content == b"PK zip"
