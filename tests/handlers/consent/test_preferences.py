"""`/confirm` and `/me`, as programs and as pages use them."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from services.consent.handlers import on_session_ended
from services.consent.model import Choices
from shared.contracts.signup import SessionEndedV1
from shared.messaging.envelope import Received, Record
from tests.fakes.clock import NOON, FixedClock
from tests.fakes.consent import SIGN_IN, ConsentsDatabase
from tests.fakes.consent_pages import PROFILE, bearer, client_of, link, never_publishes, served, session

CONFIRM = f"/confirm/{link('00000000-0000-7000-8000-000000000001', 'confirm')}"
ME = "/me"
PAGE = {"Accept": "text/html"}
COMPLETE = {
    "purposes": ["match", "contact"],
    "sectors": ["29-0000"],
    "blocked_employers": ["emp_acme"],
    "first_contacts_per_week": 1,
    "min_gap_hours": 48,
    "quiet_hours": {"start": "21:00", "end": "08:00"},
    "time_zone": "America/Denver",
    "paused_until": None,
    "ends_at": "2027-11-22T00:00:00Z",
}


def choices(database: ConsentsDatabase) -> Choices:
    return database.rows["00000000-0000-7000-8000-000000000001"].choices


def form_of(page: str) -> dict[str, list[str]]:
    """What a browser would post of the page's main form if the person pressed Save at once."""
    form = page[page.rindex('<form method="post"') :]
    found: dict[str, list[str]] = {"action": ["save"]}
    for tag in re.findall(r"<input[^>]*>", form):
        given = dict(re.findall(r'(\w+)="([^"]*)"', tag))
        if given["type"] != "checkbox" or " checked" in tag:
            found.setdefault(given["name"], []).append(given["value"])
    for name, inner in re.findall(r'<select id="\w+" name="(\w+)".*?>(.*?)</select>', form, re.DOTALL):
        chosen = re.findall(r'value="([^"]*)" selected', inner) or re.findall(r'value="([^"]*)"', inner)[:1]
        found[name] = chosen
    return found


async def test_the_page_shows_every_purpose_off_and_changes_nothing(
    client: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    page = await client.get(CONFIRM, headers=PAGE)
    assert page.status_code == 200
    assert page.text.count('name="purposes" type="checkbox"') == 2
    assert " checked" not in page.text
    assert "Stop everything" not in page.text
    assert (database.rows, database.entries) == ({}, [])
    assert "set-cookie" not in page.headers


async def test_what_a_change_switches_on_is_told_with_it_and_what_was_on_before_is_not(
    client: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    told = []
    for purposes in (["match"], ["match", "contact"], [], ["contact"], ["match", "contact"]):
        assert (await client.post(ME, json={"purposes": purposes})).status_code == 200
        told.append([(one.what, one.switched_on) for one in database.links.changes.values()])
        database.links.changes.clear()
    assert told == [
        [],
        [("choices_changed", ("contact",))],
        [("everything_stopped", ())],
        [("choices_changed", ("contact",))],
        [("choices_changed", ("match",))],
    ]


async def test_what_ran_out_and_is_allowed_again_counts_as_switched_on(
    client: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    await client.post(ME, json={"purposes": ["match"], "ends_at": "2026-12-01T00:00:00Z"})
    assert isinstance(database.clock, FixedClock)
    database.clock.at(datetime(2027, 1, 1, tzinfo=UTC))
    assert (await client.post(ME, json={"purposes": ["match"]})).status_code == 200
    assert [one.switched_on for one in database.links.changes.values()] == [("match",)]


async def test_only_purposes_is_required(client: httpx.AsyncClient, database: ConsentsDatabase) -> None:
    answer = await client.post(CONFIRM, json={"purposes": ["match", "contact"]})
    assert answer.status_code == 200
    assert answer.json() == {
        "purposes": ["match", "contact"],
        "version": 1,
        "receipt": database.rows["00000000-0000-7000-8000-000000000001"].receipt,
    }
    assert choices(database) == Choices(purposes=("match", "contact"), ends_at=NOON + timedelta(days=365))


async def test_everything_that_the_design_names_is_kept(client: httpx.AsyncClient, database: ConsentsDatabase) -> None:
    assert (await client.post(CONFIRM, json=COMPLETE)).status_code == 200
    kept = choices(database)
    assert (kept.sectors, kept.blocked_employers) == (("29-0000",), ("emp_acme",))
    assert (kept.first_contacts_per_week, kept.min_gap_hours) == (1, 48)
    assert kept.quiet_hours is not None
    assert (kept.quiet_hours.start.hour, kept.quiet_hours.end.hour) == (21, 8)
    assert kept.ends_at == datetime(2027, 11, 22, tzinfo=UTC)


async def test_what_is_left_out_keeps_its_present_value(client: httpx.AsyncClient, database: ConsentsDatabase) -> None:
    await client.post(CONFIRM, json=COMPLETE)
    before = choices(database)
    answer = await client.post(ME, json={"purposes": ["match"], "min_gap_hours": None})
    assert answer.json()["version"] == 2
    assert choices(database).blocked_employers == before.blocked_employers
    assert choices(database).quiet_hours == before.quiet_hours
    assert choices(database).min_gap_hours is None


async def test_the_same_state_again_makes_no_new_version(client: httpx.AsyncClient) -> None:
    first = await client.post(CONFIRM, json=COMPLETE)
    again = await client.post(CONFIRM, json=COMPLETE)
    assert (again.status_code, again.json()) == (200, first.json())


async def test_a_page_saved_as_it_stands_changes_nothing(client: httpx.AsyncClient, database: ConsentsDatabase) -> None:
    given = COMPLETE | {"ends_at": "2027-11-22T13:14:15.123Z", "paused_until": "2026-12-24T05:06:07Z", "min_gap_hours": 36, "sectors": ["29-1141"]}  # fmt: skip
    await client.post(CONFIRM, json=given)
    form = form_of((await client.get(ME, headers=PAGE)).text)
    assert form["ends_at"] == ["2027-11-22"]
    saved = await client.post("/me", data=form, headers=PAGE)
    assert saved.status_code == 200
    assert "Nothing has changed" in saved.text
    assert database.rows["00000000-0000-7000-8000-000000000001"].version == 1


async def test_a_page_with_everything_unticked_switches_everything_off(
    client: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    await client.post(CONFIRM, json={"purposes": ["match"]})
    form = form_of((await client.get(ME, headers=PAGE)).text) | {"purposes": [""]}
    saved = await client.post("/me", data=form, headers=PAGE)
    assert "Everything is off" in saved.text
    assert choices(database).purposes == ()


async def test_the_first_page_saved_with_both_boxes_ticked_grants_both(
    client: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    form = form_of((await client.get(CONFIRM, headers=PAGE)).text)
    form["purposes"] += ["match", "contact"]
    form |= {"time_zone": ["America/Denver"], "ends_at": ["2027-06-01"]}
    saved = await client.post(CONFIRM, data=form, headers=PAGE)
    assert saved.status_code == 303
    assert database.rows["00000000-0000-7000-8000-000000000001"].receipt is not None
    assert choices(database).purposes == ("match", "contact")
    assert choices(database).ends_at == datetime(2027, 6, 1, 6, tzinfo=UTC), "midnight in Denver"


async def test_after_the_answer_the_person_comes_by_the_same_link_to_what_is_shown(
    client: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    page = await client.get(CONFIRM, headers=PAGE)
    assert f"form-action 'self' {PROFILE}/;" in page.headers["content-security-policy"], "or browsers stop on the way"
    form = form_of(page.text)
    form["purposes"] += ["match"]
    saved = await client.post(CONFIRM, data=form, headers=PAGE)
    there, _, said = saved.headers["location"].partition("?")
    assert (saved.status_code, there) == (303, CONFIRM.replace("/confirm", PROFILE))
    receipt = database.rows["00000000-0000-7000-8000-000000000001"].receipt
    assert said == f"saved=match&receipt={receipt}", "what the page there says of it first"
    async with client_of(database, has_published=never_publishes) as waiting:
        pending = await waiting.post(CONFIRM, data=form, headers=PAGE)
    assert pending.status_code == 202
    assert f'href="{there}"' in pending.text


async def test_an_answer_with_nothing_on_leads_nowhere_else(client: httpx.AsyncClient) -> None:
    form = form_of((await client.get(CONFIRM, headers=PAGE)).text)
    saved = await client.post(CONFIRM, data=form, headers=PAGE)
    assert (saved.status_code, "Everything is off" in saved.text) == (200, True)


async def test_stop_everything_ignores_whatever_else_the_form_holds(
    client: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    await client.post(CONFIRM, json=COMPLETE)
    bad = {
        "action": "stop",
        "purposes": "match",
        "time_zone": "Mars",
        "ends_at": "never",
    }
    stopped = await client.post("/me", data=bad, headers=PAGE)
    assert stopped.status_code == 200
    assert "Everything is off" in stopped.text
    assert choices(database).purposes == ()
    assert choices(database).blocked_employers == ("emp_acme",)


async def test_a_withdrawal_works_even_if_other_fields_are_bad(
    client: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    await client.post(CONFIRM, json=COMPLETE)
    answer = await client.post(ME, json={"purposes": [], "time_zone": "Mars/Base", "min_gap_hours": 1})
    assert (answer.status_code, answer.json()["purposes"]) == (200, [])
    await client.post(ME, json=COMPLETE)
    form = {"purposes": "", "ends_at": "never"}
    assert (await client.post("/me", data=form, headers=PAGE)).status_code == 200
    assert choices(database).purposes == ()


async def test_a_confirm_link_works_again_and_shows_what_holds_now(client: httpx.AsyncClient) -> None:
    await client.post(CONFIRM, json=COMPLETE)
    page = await client.get(CONFIRM, headers=PAGE)
    assert page.status_code == 200
    assert page.text.count(" checked") == 4
    assert "Acme Robotics" in page.text
    assert "Stop everything" in page.text


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"purposes": ["sell"]}, "#/purposes/0"),
        ({"purposes": "match"}, "#/purposes"),
        ({"purposes": None}, "#/purposes"),
        ({"consent": True}, "#/consent"),
        ({"action": "stop"}, "#/action"),
        ({"token": "x"}, "#/token"),
        ({"sectors": ["99-0000"]}, "#/sectors"),
        ({"sectors": ["29-0000\u0000"]}, "#/sectors"),
        ({"blocked_employers": ["emp_nobody"]}, "#/blocked_employers"),
        ({"first_contacts_per_week": 3}, "#/first_contacts_per_week"),
        ({"first_contacts_per_week": True}, "#/first_contacts_per_week"),
        ({"min_gap_hours": "48"}, "#/min_gap_hours"),
        ({"min_gap_hours": 12}, "#/min_gap_hours"),
        ({"min_gap_hours": 10**30}, "#/min_gap_hours"),
        ({"quiet_hours": {"start": "25:00", "end": "08:00"}}, "#/quiet_hours/start"),
        ({"quiet_hours": {"start": "21:00"}}, "#/quiet_hours/end"),
        ({"quiet_hours": {"start": "08:00", "end": "20:00"}}, "#/quiet_hours"),
        ({"time_zone": "Mars/Base"}, "#/time_zone"),
        ({"paused_until": "2026-11-01T00:00:00Z"}, "#/paused_until"),
        ({"paused_until": 1900000000}, "#/paused_until"),
        ({"ends_at": "2027-11-22"}, "#/ends_at"),
        ({"ends_at": "9999-12-31T23:59:59-10:00"}, "#/ends_at"),
        ({"ends_at": "2026-11-01T00:00:00Z"}, "#/ends_at"),
    ],
)
async def test_what_cannot_be_so_is_refused_by_field_and_nothing_is_written(
    client: httpx.AsyncClient, database: ConsentsDatabase, change: dict[str, Any], pointer: str
) -> None:
    answer = await client.post(CONFIRM, json=COMPLETE | change)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert database.entries == []


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [(b"{", "application/json", 400), (b"x", "text/plain", 415), (b"[]", "application/json", 422), (b"", "application/json", 400)],
)  # fmt: skip
async def test_what_is_no_body_of_ours_is_refused(
    client: httpx.AsyncClient, database: ConsentsDatabase, body: bytes, content_type: str, status: int
) -> None:
    answer = await client.post(CONFIRM, content=body, headers={"Content-Type": content_type})
    assert answer.status_code == status
    assert database.entries == []


async def test_a_wrong_form_comes_back_as_it_was_with_a_sentence_at_each_field(
    client: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    form = {
        "purposes": ["", "match"],
        "sectors": ["", "31-0000"],
        "quiet_hours.start": "08:00",
        "quiet_hours.end": "20:30",
        "time_zone": "America/Denver",
        "paused_until": "2020-01-01",
    }
    page = await client.post(CONFIRM, data=form, headers=PAGE)
    assert page.status_code == 422
    assert "<title>Error: " in page.text
    for link_in_summary in ('href="#quiet_hours"', 'href="#paused_until"'):
        assert link_in_summary in page.text
    assert page.text.count("at least 2 hours a day") == 2, "in the summary and beside the field"
    assert 'value="31-0000" checked' in page.text
    assert 'value="match" checked' in page.text
    assert 'value="20:30"' in page.text
    assert page.text.count('<details class="group" open>') == 2
    assert database.entries == []


async def test_every_link_of_an_error_summary_leads_to_something(client: httpx.AsyncClient) -> None:
    form = {
        "purposes": ["", "match", "sell"],
        "sectors": ["x"],
        "quiet_hours.start": "08:00",
        "first_contacts_per_week": "many",
        "min_gap_hours": "x",
        "paused_until": "soon",
        "ends_at": "later",
    }
    page = (await client.post(CONFIRM, data=form, headers=PAGE)).text
    led_to = re.findall(r'<li><a href="#([^"]+)">', page)
    assert len(led_to) == 6
    for place in led_to:
        assert f'id="{place}"' in page


async def test_a_browsers_privacy_signal_is_seen(client: httpx.AsyncClient) -> None:
    assert "Global Privacy Control" in (await client.get(CONFIRM, headers=PAGE | {"Sec-GPC": "1"})).text
    for other in ({}, {"Sec-GPC": "true"}, {"Sec-GPC": "0"}):
        assert "Global Privacy Control" not in (await client.get(CONFIRM, headers=PAGE | other)).text


BAD_LINKS = [
    ("confirm", link("00000000-0000-7000-8000-000000000001", "confirm", expires_at=NOON), 410),
    ("confirm", link("00000000-0000-7000-8000-000000000001", "me"), 404),
    ("confirm", link("00000000-0000-7000-8000-000000000001", "confirm")[:-4], 404),
    ("confirm", "x.y.z", 404),
]


@pytest.mark.parametrize(("door", "token", "status"), BAD_LINKS)
async def test_a_link_that_is_no_good_says_what_to_do_and_does_nothing(
    client: httpx.AsyncClient, database: ConsentsDatabase, door: str, token: str, status: int
) -> None:
    address = f"/{door}/{token}"
    for answer in (
        await client.get(address, headers=PAGE),
        await client.post(address, data={"purposes": "match"}, headers=PAGE),
    ):
        assert answer.status_code == status
        assert f'href="{SIGN_IN}"' in answer.text
    for answer in (await client.get(address), await client.post(address, json={"purposes": ["match"]})):
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert SIGN_IN in answer.json()["detail"]
    assert database.entries == []


async def test_without_a_link_a_page_leads_to_where_one_comes_from(client: httpx.AsyncClient) -> None:
    page = await client.get("/confirm", headers=PAGE)
    assert (page.status_code, page.headers["location"]) == (303, SIGN_IN)
    answer = await client.get("/confirm")
    assert answer.status_code == 404
    assert SIGN_IN in answer.json()["detail"]


@pytest.mark.parametrize(
    ("address", "headers"),
    [
        ("/me", {}),
        ("/me?token=" + link("00000000-0000-7000-8000-000000000001", "me"), {}),
        ("/me", {"Authorization": "Bearer " + link("00000000-0000-7000-8000-000000000001", "me")}),
        ("/me", {"Authorization": "Bearer " + link("00000000-0000-7000-8000-000000000001", "confirm")}),
        ("/me", bearer("00000000-0000-7000-8000-000000000001", at=NOON - timedelta(hours=4))),
    ],
)
async def test_without_a_session_the_choices_are_not_shown_and_not_changed(
    stranger: httpx.AsyncClient, database: ConsentsDatabase, address: str, headers: dict[str, str]
) -> None:
    for answer in (
        await stranger.get(address, headers=headers | PAGE),
        await stranger.post(address, data={"purposes": "match"}, headers=headers | PAGE),
    ):
        assert answer.status_code == 401
        assert f'href="{SIGN_IN}"' in answer.text
    for answer in (
        await stranger.get(address, headers=headers),
        await stranger.post(address, json={"purposes": ["match"]}, headers=headers),
    ):
        assert answer.status_code == 401
    assert database.entries == []


async def test_a_browser_changes_choices_by_its_cookie_from_our_own_page_alone(
    stranger: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    cookie = {**PAGE, "Cookie": "fairpool=" + session("00000000-0000-7000-8000-000000000001").token}
    shown = await stranger.get("/me", headers=cookie)
    assert shown.status_code == 200
    assert (shown.headers["cache-control"], shown.headers["referrer-policy"]) == ("no-store", "same-origin")
    form = form_of(shown.text) | {"purposes": ["match"]}
    from_elsewhere = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    assert (await stranger.post("/me", data=form, headers=cookie | from_elsewhere)).status_code == 403
    assert database.entries == []
    ours = {"Sec-Fetch-Site": "same-origin", "Origin": "null"}
    assert (await stranger.post("/me", data=form, headers=cookie | ours)).status_code == 200
    assert choices(database).purposes == ("match",)


async def test_a_session_that_was_ended_shows_and_changes_nothing(
    stranger: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    ended, other = session("00000000-0000-7000-8000-000000000001"), session("00000000-0000-7000-8000-000000000001")
    event = SessionEndedV1(
        candidate=ended.session.candidate, session=ended.session.name, at=NOON, expires_at=ended.session.expires_at
    )
    for _ in range(2):
        async with database.transaction() as consents:
            received = Received("e", "/fairpool/signup", NOON, event, Record("sessions", 0, 0, None, None, ()))
            await on_session_ended(consents, [received])
    by = {"Authorization": f"Bearer {ended.token}"}
    assert (await stranger.get("/me", headers=by)).status_code == 401
    assert (await stranger.post("/me", json={"purposes": ["match"]}, headers=by)).status_code == 401
    assert database.entries == []
    by = {"Authorization": f"Bearer {other.token}"}
    assert (await stranger.post("/me", json={"purposes": ["match"]}, headers=by)).status_code == 200
    assert (await stranger.get(f"/v1/receipts/{database.rows[other.session.candidate].receipt}", headers=by)).status_code == 200  # fmt: skip


async def test_what_is_changed_on_the_page_is_told_in_an_email_and_the_first_answer_is_not(
    client: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    await client.post(CONFIRM, json={"purposes": ["match"]})
    assert database.links.changes == {}
    await client.post(CONFIRM, json={"purposes": ["match"]})
    assert database.links.changes == {}, "nothing changed"
    await client.post(ME, json={"purposes": ["match", "contact"]})
    await client.post(ME, json={"purposes": []})
    assert [what for _, what, _ in database.links.changes] == ["choices_changed", "everything_stopped"]
    assert database.links.due == {"00000000-0000-7000-8000-000000000001": NOON}


async def test_a_day_that_was_chosen_stays_that_day_when_the_zone_is_chosen_later(
    client: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    form = form_of((await client.get(CONFIRM, headers=PAGE)).text)
    form["purposes"] += ["match"]
    await client.post(CONFIRM, data=form | {"ends_at": ["2027-06-01"]}, headers=PAGE)
    form = form_of((await client.get(ME, headers=PAGE)).text)
    assert form["ends_at"] == ["2027-06-01"]
    saved = await client.post("/me", data=form | {"time_zone": ["America/Denver"]}, headers=PAGE)
    assert "June 1, 2027" in saved.text
    assert form_of((await client.get(ME, headers=PAGE)).text)["ends_at"] == ["2027-06-01"]
    receipt = database.rows["00000000-0000-7000-8000-000000000001"].receipt
    shown = await client.get(f"/v1/receipts/{receipt}", headers=PAGE)
    assert "June 1, 2027" in shown.text
    assert choices(database).ends_at == datetime(2027, 6, 1, 6, tzinfo=UTC)


async def test_the_pages_lead_to_what_employers_can_see(client: httpx.AsyncClient) -> None:
    await client.post(CONFIRM, json=COMPLETE)
    token = CONFIRM.rpartition("/")[2]
    for address, profile in ((CONFIRM, f"{PROFILE}/{token}"), (ME, "http://signup.example/me/profile")):
        page = (await client.get(address, headers=PAGE)).text
        assert f'href="{profile}">See and change what employers can see' in page


@pytest.mark.parametrize("path", ["/confirm/{confirm}", "/u/{stop}", "/me", "/confirm", "/u/x.y.z"])
async def test_head_says_what_get_says_and_changes_nothing(
    client: httpx.AsyncClient, database: ConsentsDatabase, path: str
) -> None:
    stop = link("00000000-0000-7000-8000-000000000001", "unsubscribe", employer="emp_acme")
    address = path.format(
        confirm=link("00000000-0000-7000-8000-000000000001", "confirm"),
        stop=stop,
    )
    for headers in (PAGE, {}):
        got, head = await client.get(address, headers=headers), await client.head(address, headers=headers)
        assert head.status_code == got.status_code
        assert head.headers.get("location") == got.headers.get("location")
        assert head.headers.get("content-type") == got.headers.get("content-type")
        assert head.content == b""
    assert (database.rows, database.entries, database.links.attempts) == ({}, [], {})


async def test_a_link_or_a_session_ends_while_its_page_is_open(
    client: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    form = form_of((await client.get(ME, headers=PAGE)).text)
    mine = bearer("00000000-0000-7000-8000-000000000001")
    assert isinstance(database.clock, FixedClock)
    database.clock.advance(timedelta(days=2))
    assert (await client.post(CONFIRM, data=form, headers=PAGE)).status_code == 410
    assert (await client.post(ME, data=form, headers=PAGE | mine)).status_code == 401


async def test_until_kafka_has_it_the_answer_is_202_also_when_it_is_asked_again(database: ConsentsDatabase) -> None:
    async with client_of(database, has_published=never_publishes) as client:
        first = await client.post(CONFIRM, json=COMPLETE)
        again = await client.post(CONFIRM, json=COMPLETE)
        page = await client.post(
            f"/confirm/{link('00000000-0000-7000-8000-000000000001', 'confirm')}",
            data={"purposes": "match", "served": served("00000000-0000-7000-8000-000000000001")},
            headers=PAGE,
        )
    assert (first.status_code, again.status_code, page.status_code) == (202, 202, 202)
    assert again.json() == first.json()
    assert "still on its way" in page.text


async def test_when_the_database_is_away_it_is_503_and_says_so(
    client: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    database.fails_with = ConnectionRefusedError()
    for answer in (
        await client.post(CONFIRM, json=COMPLETE),
        await client.get(CONFIRM),
        await client.get("/v1/receipts/r_x"),
        await client.get(f"/u/{link('00000000-0000-7000-8000-000000000001', 'unsubscribe')}"),
    ):
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "10"
        assert "Send the same again" in answer.json()["detail"]


async def test_no_page_holds_the_persons_id(client: httpx.AsyncClient) -> None:
    candidate = "01936f0e-7c1e-7d3a-9b1a-aaaaaaaaaaaa"
    address = f"/confirm/{link(candidate, 'confirm')}"
    await client.post(address, json=COMPLETE)
    assert candidate not in (await client.get(address, headers=PAGE)).text


async def test_a_page_opened_before_an_unsubscribe_does_not_switch_contact_on_again(
    client: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    await client.post(CONFIRM, json={"purposes": ["match", "contact"]})
    opened = form_of((await client.get(CONFIRM, headers=PAGE)).text)
    await client.post(
        f"/u/{link('00000000-0000-7000-8000-000000000001', 'unsubscribe', employer='emp_acme')}",
        data={"List-Unsubscribe": "One-Click"},
    )
    answer = await client.post(CONFIRM, data=opened, headers=PAGE)
    assert answer.status_code == 422
    assert "changed after you opened this page" in answer.text
    assert choices(database).purposes == ()
    again = form_of(answer.text) | {"purposes": ["match"]}
    assert (await client.post(CONFIRM, data=again, headers=PAGE)).status_code == 303
    assert choices(database).purposes == ("match",)


@pytest.mark.parametrize(("address", "status"), [("/confirm/x.y.z", 404), ("/me?token=x.y.z", 401), ("/me", 401)])
async def test_the_link_or_the_session_is_checked_before_the_body_is_read(
    stranger: httpx.AsyncClient, address: str, status: int
) -> None:
    for body in (b"{", b'{"purposes": [' + b"1," * 100_000 + b"1]}"):
        answer = await stranger.post(address, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == status
        assert len(answer.content) < 1000


@pytest.mark.parametrize("field", ["purposes", "sectors", "blocked_employers"])
async def test_a_list_is_judged_by_its_length_before_its_entries(client: httpx.AsyncClient, field: str) -> None:
    answer = await client.post(CONFIRM, json={"purposes": [], field: [1] * 2000})
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["pointer"] == f"#/{field}"
    assert "entries" in error["detail"]


async def test_at_most_twenty_errors_are_told(client: httpx.AsyncClient) -> None:
    answer = await client.post(CONFIRM, json={"purposes": [], "sectors": [1] * 100, **{f"x{n}": 1 for n in range(300)}})
    assert answer.status_code == 422
    assert len(answer.json()["errors"]) == 20


@pytest.mark.parametrize("address", [CONFIRM, ME])
async def test_a_body_that_no_page_sends_is_413(
    client: httpx.AsyncClient, database: ConsentsDatabase, address: str
) -> None:
    for given in ({"json": {"purposes": [], "more": "x" * 200_000}}, {"data": {"purposes": "", "more": "x" * 200_000}}):
        assert (await client.post(address, **given)).status_code == 413
    assert database.entries == []


async def test_what_has_ended_is_not_offered_to_be_stopped(
    client: httpx.AsyncClient, database: ConsentsDatabase
) -> None:
    await client.post(
        CONFIRM, json={"purposes": ["match"], "ends_at": f"{NOON + timedelta(minutes=30):%Y-%m-%dT%H:%M:%SZ}"}
    )
    assert "Stop everything</button>" in (await client.get(ME, headers=PAGE)).text
    assert isinstance(database.clock, FixedClock)
    database.clock.advance(timedelta(hours=1))
    page = (await client.get(ME, headers=PAGE)).text
    assert "what was on before is off" in page
    assert "Stop everything</button>" not in page
