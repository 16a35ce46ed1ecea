"""Each request has a name, and no client can bring words into the log by it."""

import asyncio
import re

import httpx
import pytest
import structlog
from fastapi import FastAPI
from structlog.testing import capture_logs

from shared.web.request_ids import forget

GIVEN = "0af76519-16cd-43dd-8448-eb211c80319c"


@pytest.mark.parametrize("given", [GIVEN, GIVEN.replace("-", ""), GIVEN.upper()])
async def test_a_well_formed_name_is_taken_over(client: httpx.AsyncClient, given: str) -> None:
    answer = await client.get("/v1/refused", headers={"X-Request-Id": given})
    assert answer.headers["x-request-id"] == answer.json()["request_id"] == given


@pytest.mark.parametrize(
    "given",
    ["", "Annabellarita", "ana@example.org", "+13035550100", "3035550100", GIVEN + "a", GIVEN[1:], GIVEN + ", " + GIVEN,
     "0af76519_16cd_43dd_8448_eb211c80319c", "ünïcöde"],
)  # fmt: skip
async def test_any_other_is_replaced(client: httpx.AsyncClient, given: str) -> None:
    made = (await client.get("/v1/refused", headers=[(b"X-Request-Id", given.encode())])).headers["x-request-id"]
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", made)
    assert made != given


@pytest.mark.parametrize(
    "path", ["/page/abc", "/nowhere", "/v1/fault", "/health/live", "/docs", "/static/fairpool.css"]
)
async def test_every_answer_has_one_of_its_own(client: httpx.AsyncClient, path: str) -> None:
    first, second = [(await client.get(path)).headers["x-request-id"] for _ in range(2)]
    assert first != second


async def test_every_log_line_of_a_request_has_it_and_none_after(app: FastAPI, client: httpx.AsyncClient) -> None:
    async def go_on() -> None:
        forget()
        structlog.get_logger().info("for_others")

    @app.get("/v1/logs")
    async def logs() -> None:
        structlog.get_logger().info("within")
        await asyncio.create_task(go_on())

    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as said:
        await client.get("/v1/logs", headers={"X-Request-Id": GIVEN})
        structlog.get_logger().info("after")
    lines = {line["event"]: line.get("request_id") for line in said}
    assert lines == {"within": GIVEN, "for_others": None, "http_request": GIVEN, "after": None}
