"""Receipts: the agreement to the letter, for whoever has the id."""

import hashlib
import json
from typing import Any

import httpx
import pytest

from shared.security import encoding
from tests.fakes.consent import link

CONFIRM = f"/confirm/{link('c1', 'confirm')}"


async def receipt(client: httpx.AsyncClient, **given: Any) -> dict[str, Any]:
    answer = (await client.post(CONFIRM, json={"purposes": ["match"], **given})).json()
    found: dict[str, Any] = (await client.get(f"/v1/receipts/{answer['receipt']}")).json()
    assert found["receipt"] == answer["receipt"]
    assert found["address"] == f"http://consent.example/v1/receipts/{answer['receipt']}"
    return found


async def test_a_receipt_proves_its_leaf_to_whoever_holds_it(client: httpx.AsyncClient) -> None:
    ledger = (await receipt(client))["ledger"]
    canonical = json.dumps(ledger["committed"], sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert hashlib.sha256(encoding.decode(ledger["opening"]) + canonical).hexdigest() == ledger["leaf"]
    assert ledger["committed"]["state"]["purposes"] == ["match"]


async def test_receipts_of_one_person_form_a_chain(client: httpx.AsyncClient) -> None:
    first = await receipt(client)
    second = await receipt(client, sectors=["29-0000"])
    assert second["ledger"]["committed"]["previous"] == first["ledger"]["leaf"]
    assert second["record"]["principal"] == first["record"]["principal"]
    assert len(second["receipt"]) == 24


async def test_a_receipt_names_purposes_recipients_and_the_way_out(client: httpx.AsyncClient) -> None:
    record = (await receipt(client))["record"]
    assert [(part["purpose"], part["state"]) for part in record["processing"]] == [("match", "on"), ("contact", "off")]
    assert all(part["recipients"] and part["data"] for part in record["processing"])
    assert record["withdraw"]["where"].endswith("/sign-in")
    assert record["event"] == {"type": "given", "at": "2026-11-23T19:00:00Z", "by": "the person", "through": "confirm"}


async def test_a_browser_gets_a_page_and_can_have_the_json(client: httpx.AsyncClient) -> None:
    address = f"/v1/receipts/{(await receipt(client))['receipt']}"
    page = await client.get(address, headers={"Accept": "text/html"})
    assert "Your receipt" in page.text
    assert "Your data is never sold" in page.text
    assert f'href="{address}?format=json"' in page.text
    raw = await client.get(f"{address}?format=json", headers={"Accept": "text/html"})
    assert raw.headers["content-type"] == "application/json"


async def test_an_unknown_receipt_is_404(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/receipts/r_AAAAAAAAAAAAAAAAAAAAAA")).status_code == 404


@pytest.mark.parametrize("path", ["/confirm/{confirm}", "/me?token={me}", "/u/{stop}", "/v1/receipts/{receipt}"])
async def test_what_others_add_to_the_end_of_a_link_is_no_error(client: httpx.AsyncClient, path: str) -> None:
    made = await receipt(client)
    address = path.format(
        confirm=link("c1", "confirm"), me=link("c1", "me"), stop=link("c1", "unsubscribe"), receipt=made["receipt"]
    )
    added = ("&" if "?" in address else "?") + "utm_source=newsletter&fbclid=x&a=1&a=2"
    for headers in ({"Accept": "text/html"}, {"Accept": "*/*"}):
        assert (await client.get(address + added, headers=headers)).status_code == 200
