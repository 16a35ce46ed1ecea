import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import REGISTRY
from starlette.types import Message, Receive, Scope, Send
from structlog.testing import capture_logs

from shared.web import any_body
from shared.web.gates import BATCH_LIMIT, BODY_LIMIT
from shared.web.limits import Limits
from shared.web.middleware import Boundary
from tests.waiting import clock_to_set, others_run


async def chunks(count: int, size: int = 65_536) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"x" * size


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the body's length."""
    message = await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(len(message["body"])).encode()})


def scope(**changes: Any) -> Scope:
    return {
        "type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": [], **changes
    }  # fmt: skip


async def answers(limits: Limits, scope: Scope, receive: Receive) -> list[Message]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await limits(scope, receive, send)
    return sent


async def test_a_body_of_the_limit_is_read_and_one_byte_more_is_refused(client: httpx.AsyncClient) -> None:
    whole = b'"' + b"x" * (BODY_LIMIT - 2) + b'"'
    assert (await client.post("/v1/raw", content=whole)).json()["size"] == BODY_LIMIT
    response = await client.post("/v1/raw", content=whole + b" ")
    assert response.status_code == 413
    assert response.json()["type"] == "urn:fairpool:problem:too-large"
    assert response.headers["connection"] == "close"


async def test_a_streamed_body_is_refused_when_it_is_too_large(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/raw", content=chunks(5))
    assert response.status_code == 413
    assert (await client.post("/v1/raw", content=chunks(4))).status_code == 400  # read whole; it is just no JSON


async def test_a_body_that_says_it_is_far_too_large_is_refused_unread() -> None:
    async def receive() -> Message:
        raise AssertionError("read")

    sent = await answers(Limits(echo), scope(headers=[(b"content-length", b"8388609")]), receive)
    assert sent[0]["status"] == 413
    sent = await answers(Limits(echo), scope(headers=[(b"content-length", b"9" * 5000)]), receive)
    assert sent[0]["status"] == 413


async def test_a_body_that_is_a_little_too_large_is_read_and_thrown_away_so_that_the_answer_is_heard() -> None:
    sizes = iter([BODY_LIMIT, 1, 1])

    async def receive() -> Message:
        size = next(sizes, None)
        return {"type": "http.request", "body": b"x" * (size or 0), "more_body": size is not None}

    sent = await answers(Limits(echo), scope(headers=[(b"content-length", b"262146")]), receive)
    assert sent[0]["status"] == 413
    assert next(sizes, None) is None


async def test_a_body_without_end_is_refused_before_its_end() -> None:
    given = 0

    async def receive() -> Message:
        nonlocal given
        given += BATCH_LIMIT
        return {"type": "http.request", "body": b"x" * BATCH_LIMIT, "more_body": True}

    sent = await answers(Limits(echo), scope(), receive)
    assert sent[0]["status"] == 413
    assert given == 9 * BATCH_LIMIT


@pytest.mark.parametrize("length", [b"-1", b"ten", b"1e3", "²".encode("latin-1")])
async def test_a_content_length_that_is_no_number_is_400(length: bytes) -> None:
    async def receive() -> Message:
        raise AssertionError("read")

    assert (await answers(Limits(echo), scope(headers=[(b"content-length", length)]), receive))[0]["status"] == 400


async def test_a_body_that_does_not_arrive_in_time_is_408() -> None:
    parts = 0

    async def receive() -> Message:
        nonlocal parts
        parts += 1
        put_forward(0.02)
        await others_run()
        return {"type": "http.request", "body": b"x", "more_body": True}

    with clock_to_set() as put_forward:
        sent = await answers(Limits(echo, within=timedelta(milliseconds=100)), scope(), receive)
    assert sent[0]["status"] == 408
    assert json.loads(sent[1]["body"])["detail"] == "The body did not arrive within 0.1 seconds. Send it again."
    assert parts < 10


async def test_a_way_out_gets_an_empty_body_when_its_own_does_not_arrive_in_time() -> None:
    app = FastAPI()
    any_body.mark(app, "/u/")

    async def receive() -> Message:
        put_forward(0.02)
        await others_run()
        return {"type": "http.request", "body": b"x", "more_body": True}

    for path, status in (("/u/token", 200), ("/me", 408)):
        asked = {**scope(), "app": app, "method": "POST", "path": path}
        with clock_to_set() as put_forward:
            sent = await answers(Limits(echo, within=timedelta(milliseconds=100)), asked, receive)
        assert sent[0]["status"] == status


async def test_the_route_gets_the_body_once_and_then_learns_when_the_client_leaves() -> None:
    coming: list[Message] = [
        {"type": "http.request", "body": b"ab", "more_body": True},
        {"type": "http.request", "body": b"c", "more_body": False},
        {"type": "http.disconnect"},
    ]
    seen: list[Message] = []

    async def receive() -> Message:
        return coming.pop(0)

    async def route(_: Scope, receive: Receive, __: Send) -> None:
        seen.extend([await receive(), await receive()])

    await answers(Limits(route), scope(), receive)
    assert seen == [{"type": "http.request", "body": b"abc", "more_body": False}, {"type": "http.disconnect"}]


@pytest.mark.parametrize("path", ["/v1/raw", "/v1/things/t1"])
@pytest.mark.parametrize("coding", ["gzip", "identity, br", "GZIP"])
async def test_a_compressed_body_is_refused_by_the_name_of_the_header(
    client: httpx.AsyncClient, path: str, coding: str
) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": coding}
    response = await client.post(path, content=b'{"title": "x"}', headers=headers)
    assert (response.status_code, response.headers["accept-encoding"]) == (415, "identity")
    assert "Content-Encoding" in response.json()["detail"]


async def test_a_route_that_reads_no_body_is_not_disturbed_by_its_coding(client: httpx.AsyncClient) -> None:
    response = await client.request("GET", "/page/x", content=b"x", headers={"Content-Encoding": "gzip"})
    assert response.status_code == 200


@pytest.mark.parametrize("coding", ["", "identity", "Identity"])
async def test_a_body_as_it_is_is_taken(client: httpx.AsyncClient, coding: str) -> None:
    assert (await client.post("/v1/raw", content=b"1", headers={"Content-Encoding": coding})).json()["value"] == 1


async def test_a_client_that_leaves_while_sending_is_no_fault() -> None:
    async def receive() -> Message:
        return {"type": "http.disconnect"}

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    with capture_logs() as logs:
        await Boundary(Limits(echo))(scope(), receive, send)
    assert sent == []
    assert [entry["event"] for entry in logs] == ["client_left"]


async def test_a_fault_after_the_answer_began_sends_no_second_answer() -> None:
    async def broken(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ValueError

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    with capture_logs() as logs:
        await Boundary(broken)(scope(), receive, send)
    assert len(sent) == 1
    assert [entry["event"] for entry in logs] == ["request_failed"]


async def test_a_server_that_is_away_is_a_503_and_not_our_fault_for_good() -> None:
    async def away(scope: Scope, receive: Receive, send: Send) -> None:
        raise ConnectionRefusedError("postgresql://somebody:secret@host")

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    await Boundary(away)(scope(), receive, send)
    assert sent[0]["status"] == 503
    assert (b"retry-after", b"10") in sent[0]["headers"]
    assert b"secret" not in sent[1]["body"]


@pytest.mark.parametrize("path", ["/page/abc", "/v1/refused", "/v1/fault", "/nowhere", "/health/live", "/docs"])
async def test_every_answer_has_the_security_headers(client: httpx.AsyncClient, path: str) -> None:
    headers = (await client.get(path)).headers
    assert headers["content-security-policy"] == (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    )
    assert headers["referrer-policy"] == "same-origin"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


async def test_a_route_may_let_its_answer_be_cached(client: httpx.AsyncClient) -> None:
    response = await client.get("/static/fairpool.css")
    assert response.headers["cache-control"] == "public, max-age=3600"
    assert response.headers["content-type"].startswith("text/css")


async def test_the_access_log_and_the_metrics_show_the_routes_template_and_no_token(client: httpx.AsyncClient) -> None:
    labels = {"method": "GET", "route": "/page/{token}", "status": "200"}
    before = REGISTRY.get_sample_value("fairpool_http_requests_total", labels) or 0
    with capture_logs() as logs:
        await client.get("/page/canary-token?canary=1")
        await client.post("/v1/things/canary", json={"title": "x"})
        await client.get("/canary/nowhere")
        await client.request("CANARY", "/v1/refused")
    assert [(entry["method"], entry["route"], entry["status"]) for entry in logs] == [
        ("GET", "/page/{token}", "200"),
        ("POST", "/v1/things/{thing}", "201"),
        ("GET", "unmatched", "404"),
        ("other", "/v1/refused", "405"),
    ]
    assert "canary" not in str(logs).lower()
    assert REGISTRY.get_sample_value("fairpool_http_requests_total", labels) == before + 1
    assert "canary" not in (await client.get("/metrics")).text.lower()


async def test_health_and_metrics_do_not_fill_the_log(client: httpx.AsyncClient) -> None:
    with capture_logs() as logs:
        await client.get("/health/live")
        await client.get("/metrics")
    assert logs == []


async def test_the_lifespan_passes_through(app: FastAPI) -> None:
    async with app.router.lifespan_context(app):
        pass
