"""Receipts: the agreement to the letter, for the person whose they are."""

import hashlib
import json
from datetime import timedelta
from typing import Any

import httpx
import pytest

from shared.security import encoding
from tests.fakes.clock import NOON
from tests.fakes.consent import SIGN_IN, ConsentsDatabase
from tests.fakes.consent_pages import bearer, link, session

BEARER = bearer("00000000-0000-7000-8000-000000000001")
PAGE = {"Accept": "text/html"}
CONFIRM = f"/confirm/{link('00000000-0000-7000-8000-000000000001', 'confirm')}"


async def receipt(client: httpx.AsyncClient, **given: Any) -> dict[str, Any]:
    answer = (await client.post(CONFIRM, json={"purposes": ["match"], **given})).json()
    found: dict[str, Any] = (await client.get(f"/v1/receipts/{answer['receipt']}", headers=BEARER)).json()
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
    address, token = (
        f"/v1/receipts/{(await receipt(client))['receipt']}",
        link("00000000-0000-7000-8000-000000000001", "confirm"),
    )
    page = await client.get(f"{address}?token={token}", headers=PAGE)
    assert "Your receipt" in page.text
    assert "Your data is never sold" in page.text
    assert f'href="{address}?format=json&amp;token={token}"' in page.text
    raw = await client.get(f"{address}?format=json&token={token}", headers=PAGE)
    assert raw.headers["content-type"] == "application/json"


async def test_a_receipt_in_words_has_names_and_the_days_of_the_persons_zone(client: httpx.AsyncClient) -> None:
    made = await receipt(
        client,
        time_zone="America/Denver",
        sectors=["29-0000", "29-1141"],
        blocked_employers=["emp_acme"],
        quiet_hours={"start": "12:00", "end": "13:30"},
        ends_at="2027-06-01T03:00:00Z",
    )
    page = (await client.get(f"/v1/receipts/{made['receipt']}", headers=BEARER | PAGE)).text
    for words in (
        "November 23, 2026, 12:00 pm MST",
        "May 31, 2027",
        "Healthcare Practitioners and Technical; Registered Nurses",
        "Acme Robotics",
        "noon to 1:30",
        "Mountain (Denver)",
    ):
        assert words in page
    assert "emp_acme" not in page
    assert "29-1141" not in page


async def test_an_unknown_receipt_is_404(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/receipts/r_AAAAAAAAAAAAAAAAAAAAAA", headers=BEARER)).status_code == 404


async def test_a_receipt_is_shown_to_its_person_and_to_nobody_who_has_its_id(
    client: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    address = f"/v1/receipts/{(await receipt(client))['receipt']}"
    for headers in ({}, PAGE):
        without = await stranger.get(address, headers=headers)
        assert without.status_code == 401
    assert SIGN_IN in without.text
    mine, hers = "00000000-0000-7000-8000-000000000001", "00000000-0000-7000-8000-000000000002"
    for token, by_header, by_query in (
        (link(hers, "confirm"), 404, 404),
        (link(mine, "unsubscribe", employer="emp_acme"), 404, 404),
        (link(mine, "me"), 404, 404),
        (link(mine, "confirm", expires_at=NOON), 410, 410),
        (session(hers).token, 404, 404),
        (session(mine, at=NOON - timedelta(hours=4)).token, 401, 404),
        ("x.y.z", 401, 404),
    ):
        for headers in ({"Authorization": f"Bearer {token}"}, {"Authorization": f"Bearer {token}", **PAGE}):
            answer = await stranger.get(address, headers=headers)
            assert answer.status_code == by_header
            assert "emp_acme" not in answer.text
        assert (await stranger.get(f"{address}?token={token}")).status_code == by_query


async def test_a_receipt_opens_by_a_confirm_link_by_a_session_and_by_its_cookie(
    client: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    address, mine = f"/v1/receipts/{(await receipt(client))['receipt']}", "00000000-0000-7000-8000-000000000001"
    token = link(mine, "confirm")
    assert (await stranger.get(f"{address}?token={token}")).status_code == 200
    assert (await stranger.get(address, headers={"Authorization": f"Bearer {token}"})).status_code == 200
    page = await stranger.get(address, headers={**PAGE, "Cookie": f"fairpool={session(mine).token}"})
    assert f'href="{address}?format=json"' in page.text


@pytest.mark.parametrize("path", ["/confirm/{confirm}", "/me", "/u/{stop}", "/v1/receipts/{receipt}?token={confirm}"])
async def test_what_others_add_to_the_end_of_a_link_is_no_error(client: httpx.AsyncClient, path: str) -> None:
    made = await receipt(client)
    address = path.format(
        confirm=link("00000000-0000-7000-8000-000000000001", "confirm"),
        stop=link("00000000-0000-7000-8000-000000000001", "unsubscribe"),
        receipt=made["receipt"],
    )
    added = ("&" if "?" in address else "?") + "utm_source=newsletter&fbclid=x&a=1&a=2"
    for headers in ({"Accept": "text/html"}, {"Accept": "*/*"}):
        assert (await client.get(address + added, headers=headers)).status_code == 200


async def test_of_somebody_who_is_gone_no_receipt_is_shown(
    client: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    made = await receipt(client)
    async with database.transaction() as consents:
        await consents.close(["00000000-0000-7000-8000-000000000001"])
    assert (await client.get(f"/v1/receipts/{made['receipt']}", headers=BEARER)).status_code == 410
