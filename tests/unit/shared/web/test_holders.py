"""Who is signed in: by cookie from our own pages, or by a bearer token."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends, FastAPI
from fastapi.responses import HTMLResponse
from starlette.datastructures import Headers
from starlette.responses import Response

from shared.security.links import public_half
from shared.security.sessions import SessionReader, SessionSigner
from shared.web.holders import Holder, Holders, OwnOrigins, cookie_of, drop_cookie, set_cookie
from shared.web.types import Line, RequestModel
from tests.unit.shared.web.support import problem

SEED, KEY = bytes(range(32)), bytes(range(64))
NOW = datetime(2026, 11, 28, 10, tzinfo=UTC)
WHO = "01945f2e-7c1a-7d3b-9a51-3f0c5b2d8e10"
STARTED = SessionSigner(SEED, KEY).start(WHO, at=NOW, said_by=NOW)
OLD = SessionSigner(SEED, KEY).start(WHO, at=NOW - timedelta(hours=4), said_by=NOW)
URLS = ("https://my.example.org", "https://my.example.org:8443")
COOKIE = {"Cookie": f"__Host-fairpool={STARTED.token}"}
BEARER = {"Authorization": f"Bearer {STARTED.token}"}


class Named(RequestModel):
    """A body."""

    name: Line


@pytest.fixture(autouse=True)
def opened(app: FastAPI) -> None:
    """A page and a program's route of somebody who is signed in."""
    holders = Holders(SessionReader([public_half(SEED)], [KEY]), lambda: NOW, URLS, sign_in="https://my.example.org/sign-in")  # fmt: skip

    @app.api_route("/me/page", methods=["GET", "POST"], response_class=HTMLResponse)
    async def page(holder: Annotated[Holder, Depends(holders.holder)]) -> HTMLResponse:
        return HTMLResponse(f"{holder.candidate} {holder.by}")

    @app.post("/v1/me/name")
    async def name(body: Named, holder: Annotated[Holder, Depends(holders.holder)]) -> str:
        return holder.session


async def test_a_cookie_opens_the_page(client: httpx.AsyncClient) -> None:
    assert (await client.get("/me/page", headers=COOKIE)).text == f"{WHO} cookie"


async def test_a_bearer_token_opens_it_and_needs_no_origin(client: httpx.AsyncClient) -> None:
    assert (await client.post("/me/page", headers=BEARER)).text == f"{WHO} bearer"
    assert (await client.post("/v1/me/name", headers=BEARER, json={"name": "x"})).json() == STARTED.session.name


@pytest.mark.parametrize(
    "said",
    [
        {"Sec-Fetch-Site": "same-origin", "Origin": "null"},
        {"Sec-Fetch-Site": "same-site", "Origin": "https://my.example.org:8443"},
        {"Origin": "https://my.example.org"},
    ],
)
async def test_a_change_by_cookie_is_taken_from_our_own_pages(client: httpx.AsyncClient, said: dict[str, str]) -> None:
    assert (await client.post("/me/page", headers={**COOKIE, **said})).status_code == 200


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "null"},
        {"Sec-Fetch-Site": "same-site", "Origin": "https://evil.example.org"},
        {"Sec-Fetch-Site": "same-site", "Origin": "null"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://my.example.org.evil.example"},
        {"Origin": "http://my.example.org"},
        {"Origin": "https://my.example.org:444"},
        {"Origin": "null"},
    ],
)
async def test_a_change_by_cookie_is_refused_from_anywhere_else_before_a_byte_is_read(
    client: httpx.AsyncClient, said: dict[str, str]
) -> None:
    sent: list[int] = []

    async def parts() -> Any:
        sent.append(1)
        yield b"{"

    answer = await client.post("/v1/me/name", headers={**COOKIE, **said}, content=parts())
    assert problem(answer, 403)["type"] == "urn:fairpool:problem:sent-from-elsewhere"
    assert sent == []
    page = await client.post("/me/page", headers={**COOKIE, **said, "Accept": "text/html"})
    assert page.status_code == 403
    assert "Nothing was done" in page.text and "Bearer" not in page.text


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({}, "not-signed-in"),
        ({"Authorization": "Basic eDp4"}, "not-signed-in"),
        ({"Cookie": f"fairpool={STARTED.token}"}, "not-signed-in"),
        ({"Cookie": f"__Host-fairpool={STARTED.token}; __Host-fairpool={OLD.token}"}, "not-signed-in"),
        ({"Cookie": f"__Host-fairpool={OLD.token}"}, "session-over"),
        ({"Cookie": "__Host-fairpool=x.y.z"}, "session-over"),
        ({"Authorization": f"Bearer {OLD.token}"}, "session-over"),
        ({"Authorization": "Bearer nonsense"}, "session-over"),
    ],
)
async def test_without_a_session_that_works_a_program_gets_a_401_and_a_browser_a_page_that_leads_to_one(
    client: httpx.AsyncClient, headers: dict[str, str], why: str
) -> None:
    answer = await client.get("/me/page", headers=headers)
    assert problem(answer, 401)["type"] == f"urn:fairpool:problem:{why}"
    assert answer.headers["www-authenticate"].startswith("Bearer")
    page = await client.get("/me/page", headers={**headers, "Accept": "text/html"})
    assert page.status_code == 401
    assert 'href="https://my.example.org/sign-in">Email me a link' in page.text
    assert page.headers["cache-control"] == "no-store"


def test_the_cookie_is_for_this_host_no_script_and_no_other_site() -> None:
    response = Response()
    set_cookie(response, "https://my.example.org", STARTED.token, STARTED.session)
    said = response.headers["set-cookie"]
    assert said.startswith(f"__Host-fairpool={STARTED.token};")
    assert {part.strip() for part in said.split(";")[1:]} == {"HttpOnly", "Max-Age=14400", "Path=/", "SameSite=lax", "Secure"}  # fmt: skip
    drop_cookie(response, "https://my.example.org")
    assert "Max-Age=0" in response.headers.getlist("set-cookie")[1]
    assert "Secure" in response.headers.getlist("set-cookie")[1]


def test_without_tls_the_cookie_has_a_plain_name_and_is_not_secure() -> None:
    response = Response()
    set_cookie(response, "http://127.0.0.1:8101", STARTED.token, STARTED.session)
    assert cookie_of("http://127.0.0.1:8101") == "fairpool"
    assert "Secure" not in response.headers["set-cookie"]


@pytest.mark.parametrize(
    ("said", "may"),
    [
        ({}, True),
        ({"origin": "null"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "same-origin", "origin": "null"}, True),
        ({"origin": "http://127.0.0.1:8101"}, True),
        ({"sec-fetch-site": "same-site", "origin": "null"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"origin": "https://evil.example"}, False),
    ],
)
def test_a_sign_in_may_come_from_a_program_and_from_no_other_sites_page(said: dict[str, str], may: bool) -> None:
    assert OwnOrigins(["http://127.0.0.1:8101"]).may_have_sent(Headers(said)) is may
