"""`GET /v1/history` over HTTP."""

from collections.abc import AsyncIterator
from datetime import date

import httpx
import pytest

from services.outreach_gateway.api import history
from services.outreach_gateway.history import Figures
from tests.handlers.outreach_gateway.served import KEYS, opens, served


class Kept:
    async def figures(self, occupation: str, state: str | None) -> Figures | None:
        return Figures(date(2026, 10, 1), 200, 80, 2, 6) if (occupation, state) == ("29-1141", "CO") else None


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with served(history, history=opens(Kept())) as made:
        yield made


async def test_a_sender_reads_what_to_expect(client: httpx.AsyncClient) -> None:
    told = (await client.get("/v1/history", params={"occupation": "29-1141.00", "state": "CO"})).json()
    assert (told["occupation"], told["month"], told["messages"], told["sent_percent"]) == (
        "29-1141",
        "2026-10",
        200,
        80,
    )
    few = await client.get("/v1/history", params={"occupation": "29-1171"})
    assert (few.status_code, few.json()["messages"]) == (200, None)
    assert few.json()["detail"].endswith("Ask for the major group (29-0000).")
    widest = await client.get("/v1/history", params={"occupation": "29-0000"})
    assert "Ask" not in widest.json()["detail"]


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"occupation": "nurse"},
        {"occupation": "29-1141", "state": "co"},
        {"occupation": "29-1141", "state": "ZZ"},
        {"occupation": "99-1141"},
    ],
)
async def test_what_is_asked_wrongly_is_told(client: httpx.AsyncClient, wrong: dict[str, str]) -> None:
    assert (await client.get("/v1/history", params=wrong)).status_code == 422


async def test_it_is_for_employers(client: httpx.AsyncClient) -> None:
    headers = {"Authorization": f"Bearer {KEYS['vendor-x']}"}
    assert (await client.get("/v1/history", params={"occupation": "29-1141"}, headers=headers)).status_code == 403
