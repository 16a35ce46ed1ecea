import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends, FastAPI, Request
from fastapi.responses import HTMLResponse
from structlog.testing import capture_logs

from shared.contracts.operator import TenantChangedV1
from shared.security.tenant_keys import hash_key, new_key
from shared.web import any_body, gates
from shared.web.server import Server
from shared.web.tenants import Tenant, Tenants
from shared.web.types import Line, RequestModel
from tests.unit.shared.web.support import problem
from tests.waiting import until

KEY = new_key("emp_denver_health")
WRONG = KEY[:-1] + ("b" if KEY[-1] == "a" else "a")


class Named(RequestModel):
    """A body."""

    name: Line


@pytest.fixture(autouse=True)
def guarded(app: FastAPI) -> None:
    """Routes for employers, one that takes much, and a way out."""
    tenants = Tenants()
    hashes = (hash_key(KEY),)
    tenants.apply(
        TenantChangedV1(tenant="emp_denver_health", version=1, kind="employer", name="Denver Health", key_hashes=hashes)
    )

    @app.post("/v1/mine")
    async def mine(body: Named, caller: Annotated[Tenant, Depends(tenants.require("employer"))]) -> str:
        return body.name

    @app.post("/v1/much", dependencies=[gates.takes_up_to(gates.BATCH_LIMIT)])
    async def much(request: Request) -> int:
        return len(await request.body())

    @app.post("/v1/operated", dependencies=[Depends(tenants.require("operator"))])
    async def operated(body: Named) -> str:
        return body.name

    any_body.mark(app, "/out/")

    @app.post("/out/{token}", response_class=HTMLResponse)
    async def out(request: Request, token: str) -> HTMLResponse:
        return HTMLResponse(str(dict(await any_body.given(request))))


async def parts(sent: list[int]) -> AsyncIterator[bytes]:
    sent.append(1)
    yield b"{"


@pytest.mark.parametrize("headers", [{}, {"Authorization": f"Bearer {WRONG}"}, {"Authorization": "Basic eDp4"}])
async def test_without_a_key_that_works_not_a_byte_is_read(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    sent: list[int] = []
    response = await client.post("/v1/mine?unknown=1", content=parts(sent), headers=headers)
    problem(response, 401)
    assert sent == []


async def test_another_kind_of_key_is_refused_before_the_body_is_read(client: httpx.AsyncClient) -> None:
    sent: list[int] = []
    headers = {"Authorization": f"Bearer {KEY}"}
    problem(await client.post("/v1/operated", content=parts(sent), headers=headers), 403)
    assert sent == []
    problem(
        await client.post("/v1/mine", content=parts(sent), headers=headers | {"Content-Type": "application/json"}), 400
    )
    assert sent == [1]


async def test_a_route_takes_as_much_as_it_says_and_one_that_says_nothing_less(client: httpx.AsyncClient) -> None:
    assert (await client.post("/v1/much", content=b"x" * gates.BATCH_LIMIT)).text == str(gates.BATCH_LIMIT)
    problem(await client.post("/v1/much", content=b"x" * (gates.BATCH_LIMIT + 1)), 413)
    problem(await client.post("/v1/raw", content=b"1" * (gates.BODY_LIMIT + 1)), 413)


async def test_a_page_takes_16_kib_and_a_way_out_passes_over_what_is_longer(client: httpx.AsyncClient) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    said = b"scope=employer&x="
    short = await client.post("/out/t", content=said + b"x" * (gates.PAGE_LIMIT - len(said)), headers=form)
    assert "employer" in short.text
    long = await client.post("/out/t", content=said + b"x" * gates.PAGE_LIMIT, headers=form)
    assert (long.status_code, long.text, long.headers["connection"]) == (200, "{}", "close")


async def test_the_access_log_names_the_tenant_of_a_key_that_works_and_nothing_of_one_that_does_not(
    client: httpx.AsyncClient,
) -> None:
    with capture_logs() as logs:
        for key in (KEY, WRONG, "fp_emp_denver_health_x", "canary"):
            await client.post("/v1/mine", json={"name": "x"}, headers={"Authorization": f"Bearer {key}"})
        await client.post("/v1/operated", json={"name": "x"}, headers={"Authorization": f"Bearer {KEY}"})
    assert [(entry["status"], entry.get("tenant")) for entry in logs] == [
        ("200", "emp_denver_health"), ("401", None), ("401", None), ("401", None), ("403", "emp_denver_health")
    ]  # fmt: skip
    secret = KEY.rpartition("_")[2]
    assert secret not in str(logs) and secret[:-1] not in str(logs) and "canary" not in str(logs)


async def test_what_was_refused_unread_is_thrown_away_and_the_connection_goes_on(app: FastAPI) -> None:
    """A client that goes on writing hears the answer, and its next request is not taken for the rest of the body."""
    server = Server(app, host="127.0.0.1", port=0, drain_for=timedelta(0), stop_within=timedelta(seconds=60))
    serving = asyncio.create_task(server.serve())
    try:
        await until(lambda: server.started)
        port: Any = server.servers[0].sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        body = b"[" + b"1," * 250_000 + b"1]"
        head = f"POST /v1/mine HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body + b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        await writer.drain()
        first = await reader.readuntil(b"\r\n")
        assert first == b"HTTP/1.1 401 Unauthorized\r\n"
        await reader.readuntil(b'"detail"')
        rest = await reader.readuntil(b'{"status":"live"}')
        assert b"HTTP/1.1 200 OK" in rest
        writer.close()
    finally:
        server.should_exit = True
        await serving
