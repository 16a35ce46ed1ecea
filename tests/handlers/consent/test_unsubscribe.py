"""The unsubscribe link: one click, no cookie, no question (RFC 8058)."""

from typing import Any

import httpx
import pytest

from tests.fakes.clock import NOON
from tests.fakes.consent import ConsentsDatabase, client_of, link, never_publishes

U = f"/u/{link('c1', 'unsubscribe', employer='emp_acme')}"
PAGE = {"Accept": "text/html"}
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture(autouse=True)
async def granted(client: httpx.AsyncClient) -> None:
    """Both purposes are on."""
    await client.post(f"/confirm/{link('c1', 'confirm')}", json={"purposes": ["match", "contact"]})


def purposes(database: ConsentsDatabase) -> tuple[str, ...]:
    return database.rows["c1"].choices.purposes


async def test_looking_at_the_link_changes_nothing(client: httpx.AsyncClient, database: ConsentsDatabase) -> None:
    page = await client.get(U, headers=PAGE)
    assert page.status_code == 200
    assert "Stop only Acme Robotics" in page.text
    assert "Stop everyone" in page.text
    assert (await client.head(U)).status_code == 200
    assert len(database.entries) == 1


async def test_one_click_stops_everything_without_cookie_login_or_redirect(
    client: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    answer = await client.post(U, data=ONE_CLICK)
    assert answer.status_code == 200
    assert purposes(database) == ()
    assert "set-cookie" not in answer.headers
    assert "location" not in answer.headers


async def test_one_click_may_come_as_multipart(client: httpx.AsyncClient, database: ConsentsDatabase) -> None:
    files = {"List-Unsubscribe": (None, "One-Click")}
    assert (await client.post(U, files=files)).status_code == 200
    assert purposes(database) == ()


async def test_a_post_without_a_body_is_a_stop_too(client: httpx.AsyncClient, database: ConsentsDatabase) -> None:
    assert (await client.post(U)).status_code == 200
    assert purposes(database) == ()


async def test_one_employer_alone_can_be_stopped(client: httpx.AsyncClient, database: ConsentsDatabase) -> None:
    page = await client.post(U, data={"scope": "employer"}, headers=PAGE)
    assert page.status_code == 200
    assert "Stopped: Acme Robotics" in page.text
    assert "Stop everyone too" in page.text
    assert purposes(database) == ("match", "contact")
    assert database.rows["c1"].choices.blocked_employers == ("emp_acme",)


async def test_everyone_can_be_stopped_from_the_page(client: httpx.AsyncClient, database: ConsentsDatabase) -> None:
    page = await client.post(U, data={"scope": "all"}, headers=PAGE)
    assert "Everything has stopped" in page.text
    assert purposes(database) == ()


@pytest.mark.parametrize("body", [ONE_CLICK, {"scope": "employer"}, {"scope": "all"}])
async def test_twice_is_as_once(client: httpx.AsyncClient, database: ConsentsDatabase, body: dict[str, str]) -> None:
    first = await client.post(U, data=body)
    again = await client.post(U, data=body)
    assert (again.status_code, again.json()) == (200, first.json())
    assert database.rows["c1"].version == 2


async def test_somebody_without_a_row_can_stop_too(client: httpx.AsyncClient, database: ConsentsDatabase) -> None:
    answer = await client.post(f"/u/{link('unknown', 'unsubscribe')}", data=ONE_CLICK)
    assert (answer.status_code, answer.json()["purposes"]) == (200, [])
    assert database.rows["unknown"].version == 1


async def test_a_link_that_names_no_employer_offers_only_everyone(
    client: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    address = f"/u/{link('c1', 'unsubscribe')}"
    page = await client.get(address, headers=PAGE)
    assert "Stop only" not in page.text
    assert (await client.post(address, data={"scope": "employer"})).status_code == 200
    assert purposes(database) == (), "who can't be stopped alone is stopped with all"


async def test_an_employer_that_left_the_network_can_still_be_stopped(
    client: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    address = f"/u/{link('c1', 'unsubscribe', employer='emp_gone')}"
    assert "this employer" in (await client.get(address, headers=PAGE)).text
    assert (await client.post(address, data={"scope": "employer"})).status_code == 200
    assert database.rows["c1"].choices.blocked_employers == ("emp_gone",)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/plain;charset=UTF-8", b"List-Unsubscribe=One-Click"),
        (None, b"List-Unsubscribe=One-Click"),
        (None, b""),
        ("text/plain", b"scope=employer"),
        ("application/octet-stream", b"\x00\xff"),
        ("application/json", b"{"),
        ("application/json", b'{"scope": "employer"'),
        ("application/json", b"[]"),
        ("application/json", b'{"scope": ["employer"]}'),
        ("application/json", b"[" * 20_000),
        ("application/json", b'{"scope": "employer", "more": "' + b"x" * 20_000 + b'"}'),
        ("multipart/form-data", b"--x"),
        ("multipart/form-data; boundary=x", b"scope=employer"),
        ("multipart/form-data; boundary=\u00e9", b"--x"),
        ("application/x-www-form-urlencoded", b"%ff%zz&&&=\xff"),
        ("application/x-www-form-urlencoded", b"scope=some"),
        ("application/x-www-form-urlencoded", b"scope=employer&scope=all"),
        ("application/x-www-form-urlencoded", b"&".join(b"a=1" for _ in range(500))),
        ("application/x-www-form-urlencoded;charset=no-such", b"scope=some"),
        (";;;", b"x"),
    ],
)
async def test_any_post_stops_everyone_unless_it_can_be_read_as_a_wish_for_one_employer(
    client: httpx.AsyncClient, database: ConsentsDatabase, content_type: str | None, body: bytes
) -> None:
    headers = {} if content_type is None else {b"Content-Type": content_type.encode("latin-1")}
    assert (await client.post(U, content=body, headers=headers)).status_code == 200
    assert purposes(database) == ()


async def test_a_compressed_body_stops_everybody_too(client: httpx.AsyncClient, database: ConsentsDatabase) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Content-Encoding": "gzip"}
    assert (await client.post(U, content=b"\x1f\x8b", headers=headers)).status_code == 200
    assert purposes(database) == ()


@pytest.mark.parametrize(
    "asked",
    [
        {"data": {"scope": "employer"}},
        {"data": {"scope": "employer", "List-Unsubscribe": "One-Click"}},
        {"files": {"scope": (None, "employer")}},
        {"json": {"scope": "employer"}},
        {"json": {"scope": "employer", "more": 1}},
        {"content": b'{"scope": "employer"}', "headers": {"Content-Type": "Application/JSON; charset=utf-8"}},
    ],
)
async def test_a_form_or_json_that_can_be_read_narrows_the_stop(
    client: httpx.AsyncClient, database: ConsentsDatabase, asked: dict[str, Any]
) -> None:
    assert (await client.post(U, **asked)).status_code == 200
    assert purposes(database) == ("match", "contact")
    assert database.rows["c1"].choices.blocked_employers == ("emp_acme",)


async def test_a_body_over_the_limit_is_413(client: httpx.AsyncClient, database: ConsentsDatabase) -> None:
    assert (await client.post(U, content=b"x" * (1024 * 1024 + 1))).status_code == 413
    assert purposes(database) == ("match", "contact")


@pytest.mark.parametrize(
    ("token", "status"),
    [
        (link("c1", "unsubscribe", expires_at=NOON), 410),
        (link("c1", "me"), 404),
        (link("c1", "confirm"), 404),
        ("forged", 404),
    ],
)
async def test_a_link_that_is_no_good_stops_nobody(
    client: httpx.AsyncClient, database: ConsentsDatabase, token: str, status: int
) -> None:
    assert (await client.get(f"/u/{token}", headers=PAGE)).status_code == status
    assert (await client.post(f"/u/{token}", data=ONE_CLICK)).status_code == status
    assert purposes(database) == ("match", "contact")


async def test_when_the_database_is_away_mail_providers_are_told_to_come_back(
    client: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    database.fails_with = ConnectionRefusedError()
    assert (await client.post(U, data=ONE_CLICK)).status_code == 503
    database.fails_with = None
    assert (await client.post(U, data=ONE_CLICK)).status_code == 200


async def test_until_kafka_has_it_the_answer_is_202(database: ConsentsDatabase) -> None:
    async with client_of(database, has_published=never_publishes) as client:
        assert (await client.post(U, data=ONE_CLICK)).status_code == 202
