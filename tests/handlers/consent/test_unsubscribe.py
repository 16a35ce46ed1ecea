"""The unsubscribe link: one click, no cookie, no question (RFC 8058)."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.fakes.clock import NOON, FixedClock
from tests.fakes.consent import SIGN_IN, ConsentsDatabase
from tests.fakes.consent_pages import bearer, client_of, link, never_publishes

U = f"/u/{link('00000000-0000-7000-8000-000000000001', 'unsubscribe', employer='emp_acme')}"
PAGE = {"Accept": "text/html"}
EARLIER = NOON - timedelta(seconds=1)
OLD = f"/u/{link('00000000-0000-7000-8000-000000000001', 'unsubscribe', employer='emp_acme', issued_at=EARLIER)}"
OF_NO_TIME = f"/u/{link('00000000-0000-7000-8000-000000000001', 'unsubscribe', employer='emp_acme', issued_at=None)}"
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture(autouse=True)
async def granted(client: httpx.AsyncClient) -> None:
    """Both purposes are on."""
    await client.post(
        f"/confirm/{link('00000000-0000-7000-8000-000000000001', 'confirm')}", json={"purposes": ["match", "contact"]}
    )


def purposes(database: ConsentsDatabase) -> tuple[str, ...]:
    return database.rows["00000000-0000-7000-8000-000000000001"].choices.purposes


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
    assert database.rows["00000000-0000-7000-8000-000000000001"].choices.blocked_employers == ("emp_acme",)


async def test_everyone_can_be_stopped_from_the_page(client: httpx.AsyncClient, database: ConsentsDatabase) -> None:
    page = await client.post(U, data={"scope": "all"}, headers=PAGE)
    assert "Everyone else has stopped too" in page.text
    assert purposes(database) == ()


@pytest.mark.parametrize("body", [ONE_CLICK, {"scope": "employer"}, {"scope": "all"}])
async def test_twice_is_as_once(client: httpx.AsyncClient, database: ConsentsDatabase, body: dict[str, str]) -> None:
    first = await client.post(U, data=body)
    again = await client.post(U, data=body)
    assert (again.status_code, again.json()) == (200, first.json())
    assert database.rows["00000000-0000-7000-8000-000000000001"].version == 2


async def test_somebody_without_a_row_can_stop_too(client: httpx.AsyncClient, database: ConsentsDatabase) -> None:
    answer = await client.post(f"/u/{link('unknown', 'unsubscribe')}", data=ONE_CLICK)
    assert (answer.status_code, answer.json()["status"]) == (200, "stopped")
    assert database.rows["unknown"].version == 1


async def test_a_link_that_names_no_employer_offers_only_everyone(
    client: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    address = f"/u/{link('00000000-0000-7000-8000-000000000001', 'unsubscribe')}"
    page = await client.get(address, headers=PAGE)
    assert "Stop only" not in page.text
    assert (await client.post(address, data={"scope": "employer"})).status_code == 200
    assert purposes(database) == (), "who can't be stopped alone is stopped with all"


async def test_an_employer_that_left_the_network_can_still_be_stopped(
    client: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    address = f"/u/{link('00000000-0000-7000-8000-000000000001', 'unsubscribe', employer='emp_gone')}"
    assert "this employer" in (await client.get(address, headers=PAGE)).text
    assert (await client.post(address, data={"scope": "employer"})).status_code == 200
    assert database.rows["00000000-0000-7000-8000-000000000001"].choices.blocked_employers == ("emp_gone",)


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
    assert database.rows["00000000-0000-7000-8000-000000000001"].choices.blocked_employers == ("emp_acme",)


@pytest.mark.parametrize(
    ("query", "body", "headers"),
    [
        ("", b"x" * 2_000_000, {}),
        ("", b"x" * 20, {"Content-Length": "9" * 30}),
        ("", b"x", {"Content-Length": "ten"}),
        ("?utm_source=a%00", b"scope=all", {}),
    ],
)
async def test_a_body_that_is_not_even_read_stops_everyone_too(
    client: httpx.AsyncClient, database: ConsentsDatabase, query: str, body: bytes, headers: dict[str, str]
) -> None:
    answer = await client.post(U + query, content=body, headers=headers)
    assert (answer.status_code, answer.json()["status"]) == (200, "stopped")
    assert answer.headers["connection"] == "close"
    assert purposes(database) == ()


@pytest.mark.parametrize(
    ("token", "status"),
    [
        (link("00000000-0000-7000-8000-000000000001", "unsubscribe", expires_at=NOON), 410),
        (link("00000000-0000-7000-8000-000000000001", "me"), 404),
        (link("00000000-0000-7000-8000-000000000001", "confirm"), 404),
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


@pytest.mark.parametrize("body", [ONE_CLICK, {"scope": "employer"}])
async def test_whoever_holds_the_link_is_told_that_it_stopped_and_nothing_else(
    client: httpx.AsyncClient, database: ConsentsDatabase, body: dict[str, str]
) -> None:
    await client.post("/me", json={"purposes": ["match", "contact"], "blocked_employers": ["emp_denverhealth"], "time_zone": "America/Denver"})  # fmt: skip
    assert set((await client.post(U, data=body)).json()) == {"status", "detail"}
    pages = [await client.post(U, data=body, headers=PAGE), await client.get(U, headers=PAGE)]
    for page in pages:
        assert page.status_code == 200
        for fact in (
            "Denver",
            "receipts",
            database.rows["00000000-0000-7000-8000-000000000001"].receipt or "",
            "Kinds of work",
            "Until",
            "/me?",
        ):
            assert fact not in page.text
        assert SIGN_IN in page.text


@pytest.mark.parametrize("address", [OLD, OF_NO_TIME])
async def test_a_link_from_before_the_last_grant_stops_its_employer_at_once_and_asks_the_person_for_the_rest(
    client: httpx.AsyncClient, database: ConsentsDatabase, address: str
) -> None:
    answer = await client.post(address, data=ONE_CLICK)
    assert answer.status_code == 200
    assert purposes(database) == ("match", "contact")
    assert database.rows["00000000-0000-7000-8000-000000000001"].choices.blocked_employers == ("emp_acme",)
    (notice,) = database.links.notices
    assert (notice.purpose, notice.candidate) == ("stop_asked", "00000000-0000-7000-8000-000000000001")
    assert [change.employer for change in notice.changes] == ["emp_acme"]
    page = await client.post(address, data={"scope": "all"}, headers=PAGE)
    assert "Stopped: Acme Robotics" in page.text


async def test_an_old_link_that_names_no_employer_only_asks(
    client: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    await client.post(
        f"/u/{link('00000000-0000-7000-8000-000000000001', 'unsubscribe', issued_at=EARLIER)}", data=ONE_CLICK
    )
    assert (purposes(database), database.rows["00000000-0000-7000-8000-000000000001"].version) == (
        ("match", "contact"),
        1,
    )
    assert [notice.purpose for notice in database.links.notices] == ["stop_asked"]


@pytest.mark.parametrize("employer", ["emp_acme", None])
@pytest.mark.parametrize("body", [ONE_CLICK, {"scope": "employer"}])
async def test_whoever_holds_a_link_cannot_tell_whether_its_person_granted_again(
    client: httpx.AsyncClient, database: ConsentsDatabase, employer: str | None, body: dict[str, str]
) -> None:
    address = f"/u/{link('00000000-0000-7000-8000-000000000001', 'unsubscribe', employer=employer)}"

    async def told() -> list[tuple[int, str]]:
        answers = [
            await client.post(address, data=body),
            await client.post(address, data=body, headers=PAGE),
            await client.get(address, headers=PAGE),
        ]
        return [(answer.status_code, answer.text) for answer in answers]

    before = await told()
    assert isinstance(database.clock, FixedClock)
    database.clock.advance(timedelta(hours=1))
    again = {"purposes": ["match", "contact"], "blocked_employers": []}
    await client.post("/me", json=again)
    assert purposes(database) == ("match", "contact")
    assert await told() == before
    await client.post(address, data={"scope": "employer"})
    assert (await told())[0] == before[0]


async def test_the_person_is_asked_at_most_once_a_day(client: httpx.AsyncClient, database: ConsentsDatabase) -> None:
    assert isinstance(database.clock, FixedClock)
    for hours, asked in ((0, 1), (23, 1), (1, 2)):
        database.clock.advance(timedelta(hours=hours))
        token = link(
            "00000000-0000-7000-8000-000000000001",
            "unsubscribe",
            issued_at=EARLIER,
            expires_at=NOON + timedelta(days=60),
        )
        assert (await client.post(f"/u/{token}", data=ONE_CLICK)).status_code == 200
        assert len(database.links.notices) == asked


async def test_switching_on_again_makes_links_old_and_saving_the_same_does_not(
    client: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    me = "/me"
    assert isinstance(database.clock, FixedClock)
    database.clock.advance(timedelta(hours=1))
    await client.post(me, json={"purposes": ["match"], "min_gap_hours": 48})
    await client.post(U, data=ONE_CLICK)
    assert purposes(database) == ()
    assert (await client.post(me, json={"purposes": ["match"]})).status_code == 403
    newer = bearer("00000000-0000-7000-8000-000000000001", at=database.clock.now(), said_by=database.clock.now())
    await client.post(me, json={"purposes": ["match"]}, headers=newer)
    await client.post(U, data=ONE_CLICK)
    assert purposes(database) == ("match",)
    fresh = link(
        "00000000-0000-7000-8000-000000000001", "unsubscribe", employer="emp_acme", issued_at=database.clock.now()
    )
    await client.post(f"/u/{fresh}", data=ONE_CLICK)
    assert purposes(database) == ()


async def test_letting_an_employer_in_again_makes_links_old(
    client: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    me = "/me"
    await client.post(U, data={"scope": "employer"})
    assert isinstance(database.clock, FixedClock)
    database.clock.advance(timedelta(hours=1))
    await client.post(me, json={"purposes": ["match", "contact"], "blocked_employers": []})
    await client.post(U, data=ONE_CLICK)
    assert purposes(database) == ("match", "contact")


async def test_what_a_link_stopped_is_told_to_the_person_and_what_changed_nothing_stands_on_their_page(
    client: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    await client.post(U, data={"scope": "employer"})
    await client.post(U, data={"scope": "employer"})
    assert list(database.links.changes) == [("00000000-0000-7000-8000-000000000001", "employer_stopped", "emp_acme")]
    page = (await client.get("/me", headers=PAGE)).text
    assert "A link in an email from Acme Robotics was used to stop that employer. Nothing changed" in page
    await client.post(U, data=ONE_CLICK)
    assert list(database.links.changes)[1:] == [("00000000-0000-7000-8000-000000000001", "everything_stopped", "")]


@pytest.mark.parametrize("end", [".", "%3E", ")", ",", "=", "%22", "%E2%80%9D"])
async def test_a_link_with_what_a_mail_program_took_into_it_stops_and_is_the_same_link(
    client: httpx.AsyncClient, database: ConsentsDatabase, end: str
) -> None:
    assert (await client.get(U + end, headers=PAGE)).status_code == 200
    assert (await client.post(U + end, data=ONE_CLICK)).status_code == 200
    assert purposes(database) == ()
    written = [(await client.get(address, headers=PAGE)).text for address in (U + end, U)]
    assert all("Everyone else has stopped too" in page for page in written)


async def test_a_link_that_was_used_says_so(client: httpx.AsyncClient) -> None:
    assert "has changed nothing yet" in (await client.get(U, headers=PAGE)).text
    await client.post(U, data={"scope": "employer"})
    assert "This link has already stopped Acme Robotics" in (await client.get(U, headers=PAGE)).text
    await client.post(U, data=ONE_CLICK)
    assert "Everyone else has stopped too" in (await client.get(U, headers=PAGE)).text
    other = f"/u/{link('00000000-0000-7000-8000-000000000001', 'unsubscribe', employer='emp_denverhealth')}"
    assert "has changed nothing yet" in (await client.get(other, headers=PAGE)).text
