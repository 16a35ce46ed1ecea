"""HEAD is GET without the body, on every route, and Allow names every method."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, StreamingResponse
from structlog.testing import capture_logs

from tests.unit.shared.web.support import problem

BROWSER = {"Accept": "text/html"}


@pytest.mark.parametrize(
    "path",
    ["/page/abc", "/page/wrong", "/v1/refused", "/nowhere", "/health/live", "/health/ready", "/docs", "/openapi.json",
     "/static/fairpool.css", "/.well-known/gpc.json"],
)  # fmt: skip
@pytest.mark.parametrize("accept", ["*/*", "text/html"])
async def test_head_is_what_get_answers_without_the_body(client: httpx.AsyncClient, path: str, accept: str) -> None:
    got = await client.get(path, headers={"Accept": accept})
    headed = await client.head(path, headers={"Accept": accept})
    assert headed.status_code == got.status_code
    assert headed.content == b""
    varying = {"x-request-id", "content-length" if got.status_code >= 400 else ""}
    assert {name: value for name, value in headed.headers.items() if name not in varying} == {
        name: value for name, value in got.headers.items() if name not in varying
    }


async def test_head_is_logged_as_head_by_its_route(client: httpx.AsyncClient) -> None:
    with capture_logs() as logs:
        await client.head("/page/canary")
    assert [(one["method"], one["route"], one["status"]) for one in logs] == [("HEAD", "/page/{token}", "200")]


async def test_head_begins_no_stream(app: FastAPI, client: httpx.AsyncClient) -> None:
    made = []

    async def frames() -> AsyncIterator[str]:
        made.append(1)
        yield "one"

    @app.get("/v1/stream")
    async def stream() -> StreamingResponse:
        return StreamingResponse(frames(), media_type="text/event-stream")

    with capture_logs() as logs:
        answer = await client.head("/v1/stream")
    assert (answer.status_code, answer.content, made) == (200, b"", [])
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert [one["event"] for one in logs] == ["http_request"]
    assert (await client.get("/v1/stream")).text == "one"


async def test_a_fault_on_head_is_a_500(client: httpx.AsyncClient) -> None:
    assert (await client.head("/v1/fault")).status_code == 500


async def test_where_there_is_no_get_head_is_405(client: httpx.AsyncClient) -> None:
    answer = await client.head("/v1/raw")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


async def test_allow_names_every_method_of_an_address(app: FastAPI, client: httpx.AsyncClient) -> None:
    @app.post("/page/{token}", response_class=HTMLResponse)
    async def save(token: str, request: Request) -> str:
        return "saved"

    for method in ("DELETE", "PUT", "OPTIONS"):
        answer = await client.request(method, "/page/abc")
        problem(answer, 405)
        assert answer.headers["allow"] == "GET, HEAD, POST"
    assert (await client.get("/v1/raw")).headers["allow"] == "POST"
    assert (await client.delete("/page/abc", headers=BROWSER)).headers["allow"] == "GET, HEAD, POST"
