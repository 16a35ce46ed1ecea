"""The two pages: plain words, errors beside fields, and the same answer for everybody."""

import json
import re
import time
from datetime import datetime, timedelta

import httpx
import pytest

from services.signup.adapters.postgres import PostgresStore
from services.signup.api import join
from services.signup.jobs import ORIGINS_KEPT, PAGE_REQUESTS_KEPT
from services.signup.vault.addresses import blind_index, parse_mail
from shared.contracts.signup import CoarseProfile
from shared.ids import new_candidate_id
from tests.integration.signup.conftest import BLIND_INDEX_KEY, Edge
from tests.integration.signup.test_story import arriving, handle

BROWSER = {"Accept": "text/html"}
FORM = {"name": "Annabellarita Ruiz", "email": "annabellarita@example.org", "work": "Registered nurse", "state": "CO",
        "postal_code": "80202", "time_zone": ""}  # fmt: skip


async def confirmed(edge: Edge, mail: str = "annabellarita@example.org") -> str:
    candidate = new_candidate_id()
    await edge.pool.execute(
        "INSERT INTO candidates (candidate, blind_index, registered_at, stub_until, confirmed_at, profile) "
        "VALUES ($1, $2, now(), now(), now(), '{}')",
        candidate,
        blind_index(parse_mail(mail), BLIND_INDEX_KEY),
    )
    return candidate


@pytest.mark.parametrize("path", ["/join", "/sign-in"])
async def test_a_page_is_there_without_scripts_or_other_hosts(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(path, headers=BROWSER)
    assert answer.status_code == 200
    assert "<script" not in answer.text
    assert "http://" not in answer.text
    assert "https://" not in answer.text


async def test_joining_by_form_becomes_a_sealed_report(http: httpx.AsyncClient, edge: Edge) -> None:
    answer = await http.post("/join", data=FORM, headers=BROWSER)
    assert answer.status_code == 202
    assert "Check your email" in answer.text
    (event,) = await edge.outbox()
    assert (event["vendor"], event["employer"], event["change"]) == ("fairpool-join", None, "signed_up")
    assert "annabellarita" not in (await edge.everything()).lower()


async def test_the_page_shows_back_the_email_that_was_typed(http: httpx.AsyncClient) -> None:
    joined = await http.post("/join", data={**FORM, "email": "annabelarita@example.org"}, headers=BROWSER)
    assert "If we can write to annabelarita@example.org, a link" in joined.text
    assert '<a href="/join">Enter it again</a>' in joined.text
    asked = await http.post("/sign-in", data={"email": "annabelarita@example.org"}, headers=BROWSER)
    assert "If we can write to annabelarita@example.org, a link" in asked.text
    assert '<a href="/sign-in">Enter it again</a>' in asked.text


async def test_all_that_a_pool_can_ask_may_be_said_when_joining_or_left_out(
    http: httpx.AsyncClient, edge: Edge
) -> None:
    more = {"skills": "Triage, icu", "years": "5", "remote": "true", "employment_types": ["full_time", "contract"],
            "pay_floor": "80000", "available_from": "2027-01-01"}  # fmt: skip
    assert (await http.post("/join", data={**FORM, **more}, headers=BROWSER)).status_code == 202
    less = {"name": "Bo", "email": "bo@example.org"}
    assert (await http.post("/join", data=less, headers=BROWSER)).status_code == 202
    await handle(edge, await arriving(edge))
    rows = await edge.pool.fetch("SELECT profile, titles FROM proposals ORDER BY jsonb_array_length(titles) DESC")
    (said, titles), (nothing, none) = [map(json.loads, tuple(row)) for row in rows]
    assert {name: value for name, value in said.items() if name in {*more, "state", "area"}} == {
        "skills": ["triage", "icu"], "years": 5, "state": "CO", "area": "802", "remote": True,
        "employment_types": ["full_time", "contract"], "pay_floor": 80000, "available_from": "2027-01-01",
    }  # fmt: skip
    assert titles == [FORM["work"]]
    assert (CoarseProfile.model_validate(nothing), none) == (CoarseProfile(), [])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("skills", "triage, charm"),
        ("years", "many"),
        ("pay_floor", "-1"),
        ("available_from", "soon"),
        ("employment_types", "none"),
    ],
)
async def test_what_cant_be_understood_when_joining_is_said_beside_its_field_and_stays_there(
    http: httpx.AsyncClient, edge: Edge, field: str, value: str
) -> None:
    page = await http.post("/join", data={**FORM, field: value}, headers=BROWSER)
    assert page.status_code == 422
    assert f'href="#{field}"' in page.text
    assert 'value="Annabellarita Ruiz"' in page.text
    if field == "skills":
        assert "Not on our list of skills: “charm”. Use words" in page.text
        assert 'value="triage, charm"' in page.text
    assert await edge.outbox() == []


async def test_work_that_is_not_known_and_a_field_that_the_form_does_not_have_are_both_said(
    http: httpx.AsyncClient,
) -> None:
    answer = await http.post(
        "/join", data={"name": "Ana", "email": "ana@example.org", "work": "zzzqq", "surprise": "1"}
    )
    assert answer.status_code == 422
    assert 'href="#work"' in answer.text


async def test_joining_by_json_is_answered_in_json(http: httpx.AsyncClient) -> None:
    answer = await http.post("/join", json={"name": "Ana", "email": "ana@example.org", "work": "Welder"})
    assert (answer.status_code, answer.json()) == (202, {"status": "check_your_email"})


async def test_a_wrong_form_comes_back_filled_in_with_its_errors(http: httpx.AsyncClient, edge: Edge) -> None:
    answer = await http.post("/join", data={**FORM, "email": "annabellarita", "postal_code": "x"}, headers=BROWSER)
    assert answer.status_code == 422
    assert 'href="#email"' in answer.text
    assert "Enter a ZIP code of five digits" in answer.text
    assert 'value="Annabellarita Ruiz"' in answer.text
    assert await edge.outbox() == []


@pytest.mark.parametrize(
    ("state", "postal_code", "says"),
    [
        ("CO", "10001", "This ZIP code is not in Colorado. Correct the ZIP code or the state"),
        ("CO", "10001-1234", "This ZIP code is not in Colorado. Correct the ZIP code or the state"),
        ("Colorado", "10001", "This ZIP code is not in Colorado. Correct the ZIP code or the state"),
        ("CO", "00000", "Enter a ZIP code of five digits"),
        ("", "00000", "Enter a ZIP code of five digits"),
    ],
)
async def test_a_zip_code_that_would_be_dropped_is_said_beside_its_field(
    http: httpx.AsyncClient, edge: Edge, state: str, postal_code: str, says: str
) -> None:
    given = {**FORM, "state": state, "postal_code": postal_code}
    page = await http.post("/join", data=given, headers=BROWSER)
    assert page.status_code == 422
    assert 'href="#postal_code"' in page.text
    assert says in re.sub(r"\s+", " ", page.text)
    assert f'value="{postal_code}"' in page.text
    answer = await http.post("/join", json={name: value for name, value in given.items() if value})
    assert (answer.status_code, [error["pointer"] for error in answer.json()["errors"]]) == (422, ["#/postal_code"])
    assert await edge.outbox() == []


@pytest.mark.parametrize("given", [{"state": "NY", "postal_code": "06390"}, {"state": "", "postal_code": "10001-1234"}])
async def test_a_zip_code_of_the_state_or_alone_is_taken(http: httpx.AsyncClient, given: dict[str, str]) -> None:
    assert (await http.post("/join", data={**FORM, **given}, headers=BROWSER)).status_code == 202


async def test_what_was_typed_is_escaped(http: httpx.AsyncClient) -> None:
    answer = await http.post("/join", data={**FORM, "name": "<b>x</b>", "email": ""}, headers=BROWSER)
    assert "<b>x</b>" not in answer.text


async def test_known_and_unknown_get_the_same_page(http: httpx.AsyncClient, edge: Edge) -> None:
    await confirmed(edge)
    for path in ("/join", "/sign-in"):
        form = FORM if path == "/join" else {"email": FORM["email"]}
        known = await http.post(path, data=form, headers=BROWSER)
        unknown = await http.post(path, data={**form, "email": "nobody@example.org"}, headers=BROWSER)
        assert known.text.replace(FORM["email"].lower(), "nobody@example.org") == unknown.text
        assert known.status_code == unknown.status_code


async def test_each_page_says_what_the_mail_it_asks_for_is_good_for(http: httpx.AsyncClient) -> None:
    joined = (await http.post("/join", data=FORM, headers=BROWSER)).text
    signed_in = (await http.post("/sign-in", data={"email": FORM["email"]}, headers=BROWSER)).text
    assert "Until then nothing is on." in joined
    assert "everything stays as it is" in signed_in
    assert "nothing is on" not in signed_in


async def test_who_joins_again_and_again_is_taken_three_times_a_day(http: httpx.AsyncClient, edge: Edge) -> None:
    answers = [await http.post("/join", data=FORM, headers=BROWSER) for _ in range(5)]
    assert {(answer.status_code, answer.text) for answer in answers} == {(202, answers[0].text)}
    assert len(await edge.outbox()) == 3
    edge.clock.advance(timedelta(days=1))
    await http.post("/join", data=FORM, headers=BROWSER)
    assert len(await edge.outbox()) == 4


async def test_an_address_is_counted_without_its_tag(http: httpx.AsyncClient, edge: Edge) -> None:
    for number in range(5):
        await http.post("/join", data={**FORM, "email": f"annabellarita+{number}@example.org"}, headers=BROWSER)
    assert len(await edge.outbox()) == 3


async def test_twenty_people_join_from_one_network_in_an_hour(http: httpx.AsyncClient, edge: Edge) -> None:
    async def comes(number: int) -> httpx.Response:
        return await http.post("/join", data={**FORM, "email": f"a{number}@example.org"}, headers=BROWSER)

    assert {(await comes(number)).status_code for number in range(20)} == {202}
    refused = await comes(20)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "3600")
    assert len(await edge.outbox()) == 20
    assert "127.0.0.1" not in await edge.everything()
    edge.clock.advance(timedelta(hours=1, seconds=1))
    async with edge.work() as unit:
        one = PostgresStore(unit, edge.keys)
        kept = unit.at - PAGE_REQUESTS_KEPT, unit.at - ORIGINS_KEPT
        assert await one.forget_page_requests(kept[0], origins_before=kept[1], limit=15) == 15
        assert await one.forget_page_requests(kept[0], origins_before=kept[1], limit=15) == 5
    pages = await edge.pool.fetch("SELECT DISTINCT page FROM page_requests")
    assert [row["page"] for row in pages] == ["join"]
    assert (await comes(20)).status_code == 202


@pytest.mark.parametrize(
    "name", ["Ana, you won. Claim at http://evil.example/prize now", "www.evil.example", "a@b.example", "x" * 101]
)
async def test_a_name_is_no_place_for_a_link(http: httpx.AsyncClient, edge: Edge, name: str) -> None:
    answer = await http.post("/join", data={**FORM, "name": name}, headers=BROWSER)
    assert answer.status_code == 422
    assert "Enter your name" in answer.text
    assert await edge.outbox() == []


@pytest.fixture
def unhurried(edge: Edge) -> None:
    """Answers take as long as the real ones."""
    edge.answer_after = join.ANSWER_AFTER


@pytest.mark.usefixtures("unhurried")
async def test_joining_takes_its_time_also_when_nothing_is_done(http: httpx.AsyncClient) -> None:
    took = []
    for _ in range(4):
        began = time.monotonic()
        await http.post("/join", data=FORM, headers=BROWSER)
        took.append(time.monotonic() - began)
    assert min(took) >= join.ANSWER_AFTER.total_seconds()


async def test_territories_are_not_offered(http: httpx.AsyncClient) -> None:
    page = (await http.get("/join", headers=BROWSER)).text
    assert "Colorado" in page
    assert "Guam" not in page
    assert "Puerto Rico" not in page
    for wrong in ({"state": "PR"}, {"postal_code": "00901"}):
        assert (await http.post("/join", data={**FORM, **wrong}, headers=BROWSER)).status_code == 422


async def test_signing_in_asks_for_a_link_of_half_an_hour(http: httpx.AsyncClient, edge: Edge) -> None:
    candidate = await confirmed(edge)
    await http.post("/sign-in", data={"email": "ANNABELLARITA@example.org"}, headers=BROWSER)
    (notice,) = await edge.outbox()
    assert (notice["candidate"], notice["purpose"]) == (candidate, "sign_in")
    assert notice["expires_at"] == (edge.clock.now() + timedelta(minutes=15)).isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize(
    ("confirmed_as", "signs_in_as"),
    [
        ("who+jobs@example.org", "Who@example.org"),
        ("first.last@gmail.com", "firstlast@googlemail.com"),
        ("zoe@example.org", "\u200bzoe@example.org\ufeff"),
    ],
)
async def test_a_person_signs_in_by_any_spelling_of_their_mailbox(
    http: httpx.AsyncClient, edge: Edge, confirmed_as: str, signs_in_as: str
) -> None:
    candidate = await confirmed(edge, confirmed_as)
    await http.post("/sign-in", data={"email": signs_in_as}, headers=BROWSER)
    assert [notice["candidate"] for notice in await edge.outbox()] == [candidate]


@pytest.mark.parametrize("path", ["/join", "/sign-in"])
@pytest.mark.parametrize("mail", ["jos\u00e9@example.org", "zo\u200be@example.org"])
async def test_an_email_that_can_not_be_mailed_is_refused_beside_its_field(
    http: httpx.AsyncClient, edge: Edge, path: str, mail: str
) -> None:
    page = await http.post(path, data={**FORM, "email": mail} if path == "/join" else {"email": mail}, headers=BROWSER)
    assert page.status_code == 422
    assert await edge.outbox() == []


async def test_who_is_unknown_or_has_not_confirmed_gets_no_mail(http: httpx.AsyncClient, edge: Edge) -> None:
    candidate = await confirmed(edge)
    await edge.pool.execute("UPDATE candidates SET confirmed_at = NULL WHERE candidate = $1", candidate)
    for mail in ("annabellarita@example.org", "nobody@example.org"):
        await http.post("/sign-in", json={"email": mail})
    assert await edge.outbox() == []


async def ask_from(http: httpx.AsyncClient, origin: str, path: str = "/sign-in", **form: str) -> httpx.Response:
    """The same page asked from another network."""
    app = http._transport.app  # type: ignore[attr-defined]  # httpx has no public way to it
    transport = httpx.ASGITransport(app, client=(origin, 50000))
    async with httpx.AsyncClient(transport=transport, base_url="http://signup.test") as client:
        return await client.post(path, data={"email": FORM["email"], **form}, headers=BROWSER)


async def links(edge: Edge) -> list[str]:
    """Until when the links work that are on their way."""
    return [notice["expires_at"] for notice in await edge.outbox()]


async def test_strangers_requests_never_keep_a_person_out(http: httpx.AsyncClient, edge: Edge) -> None:
    await confirmed(edge)
    for _ in range(7):
        await ask_from(http, "198.51.100.7")
    assert len(await links(edge)) == 1, "one who asks gets one email in a few minutes"
    await ask_from(http, "203.0.113.9")
    assert len(await links(edge)) == 2
    assert len(set(await links(edge))) == 1, "the same link again"
    edge.clock.advance(timedelta(minutes=6))
    await ask_from(http, "203.0.113.9")
    assert len(await links(edge)) == 3
    edge.clock.advance(timedelta(minutes=20))
    await ask_from(http, "203.0.113.9")
    assert len(set(await links(edge))) == 2, "a link with less than ten minutes left is followed by a new one"


async def test_who_switched_something_off_is_sent_a_link_that_can_switch_it_on_again(
    http: httpx.AsyncClient, edge: Edge
) -> None:
    candidate = await confirmed(edge)
    await ask_from(http, "203.0.113.9")
    edge.clock.advance(timedelta(minutes=1))
    await edge.pool.execute(
        "UPDATE candidates SET consent_no_at = $2 WHERE candidate = $1", candidate, edge.clock.now()
    )
    edge.clock.advance(timedelta(minutes=1))
    await ask_from(http, "203.0.113.9")
    assert len(set(await links(edge))) == 2, "the first is from before that, and good for nothing that is off"
    edge.clock.advance(timedelta(minutes=1))
    await ask_from(http, "203.0.113.9")
    assert len(await links(edge)) == 2, "the second is good"


async def test_a_crowd_of_strangers_fills_no_inbox_and_keeps_nobody_out_for_long(
    http: httpx.AsyncClient, edge: Edge
) -> None:
    await confirmed(edge)
    for hour in range(24):
        for number in range(12):
            await ask_from(http, f"198.51.{hour}.{number}")
            await ask_from(http, f"198.51.{hour}.{number}", "/join", **FORM)
            edge.clock.advance(timedelta(minutes=5))
        until = [notice["expires_at"] for notice in await edge.outbox() if "expires_at" in notice]
        assert max(map(datetime.fromisoformat, until)) > edge.clock.now() - timedelta(hours=4)
    notices = [one for one in await edge.outbox() if "notice" in one]
    assert len(notices) <= 13


async def test_six_strangers_who_join_spend_neither_the_words_nor_the_email_of_a_person(
    http: httpx.AsyncClient, edge: Edge
) -> None:
    for number in range(6):
        await ask_from(http, f"198.51.100.{number}", "/join", **FORM)
    await ask_from(http, "203.0.113.9", "/join", **FORM)
    assert len(await edge.outbox()) == 7
    mailed = "SELECT count(*) FROM page_requests WHERE page = 'join' AND link_until IS NOT NULL"
    assert await edge.pool.fetchval(mailed) == 7
    for number in range(9):
        await ask_from(http, f"198.51.101.{number}", "/join", **FORM)
    assert len(await edge.outbox()) == 16, "words are taken"
    assert await edge.pool.fetchval(mailed) == 8, "and emails are not sent"


async def test_four_who_ask_without_end_leave_a_share_for_who_has_not_asked(
    http: httpx.AsyncClient, edge: Edge
) -> None:
    await confirmed(edge)
    for number in (1, 1, 1, 1, 1, 1, 2, 2, 3, 3):
        await ask_from(http, f"198.51.100.{number}")
        edge.clock.advance(timedelta(minutes=12))
    assert len(await links(edge)) == 7
    await ask_from(http, "203.0.113.9")
    assert len(await links(edge)) == 8


async def test_one_who_asks_all_day_brings_few_emails(http: httpx.AsyncClient, edge: Edge) -> None:
    await confirmed(edge)
    for _ in range(24 * 12):
        await ask_from(http, "198.51.100.7")
        edge.clock.advance(timedelta(minutes=5))
    assert len(await links(edge)) <= 13
    await ask_from(http, "203.0.113.9")
    assert max(datetime.fromisoformat(until) for until in await links(edge)) > edge.clock.now() + timedelta(minutes=9)


async def test_what_was_asked_before_joining_keeps_nobody_out(http: httpx.AsyncClient, edge: Edge) -> None:
    for _ in range(9):
        await ask_from(http, "203.0.113.9")
    await confirmed(edge)
    await ask_from(http, "203.0.113.9")
    assert len(await links(edge)) == 1


async def test_strangers_joinings_never_spend_a_persons_own(http: httpx.AsyncClient, edge: Edge) -> None:
    for origin in ("198.51.100.7", "198.51.100.8"):
        for _ in range(5):
            answer = await ask_from(http, origin, "/join", **FORM)
            assert answer.status_code == 202
    assert len(await edge.outbox()) == 6
    await ask_from(http, "203.0.113.9", "/join", **FORM)
    assert len(await edge.outbox()) == 7


async def test_a_network_asks_for_thirty_links_in_an_hour(http: httpx.AsyncClient, edge: Edge) -> None:
    answers = [await http.post("/sign-in", json={"email": f"a{number}@example.org"}) for number in range(31)]
    assert [answer.status_code for answer in answers] == [202] * 30 + [429]
    assert answers[-1].headers["retry-after"] == "3600"
    assert "127.0.0.1" not in await edge.everything()


async def test_the_old_name_of_the_field_is_taken_too(http: httpx.AsyncClient, edge: Edge) -> None:
    for path, more in (("/join", {"name": "Ana", "work": "Welder"}), ("/sign-in", {})):
        for name in ("email", "mail"):
            assert (await http.post(path, json={name: "ana@example.org", **more})).status_code == 202
            assert (await http.post(path, data={name: "ana@example.org", **more})).status_code == 202
    both = await http.post("/sign-in", json={"email": "ana@example.org", "mail": "ana@example.org"})
    assert both.status_code == 422


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("zo\u200be@example.org", "Your email must not hold an invisible character"),
        ("jos\u00e9@example.org", "Your email must have only the letters a to z"),
        ("nobody", "Enter your email, such as name@example.org"),
    ],
)
@pytest.mark.parametrize("path", ["/join", "/sign-in"])
async def test_why_an_email_can_not_be_used_stands_beside_it(
    http: httpx.AsyncClient, path: str, typed: str, words: str
) -> None:
    form = {**FORM, "email": typed} if path == "/join" else {"email": typed}
    answer = await http.post(path, data=form, headers=BROWSER)
    assert answer.status_code == 422
    assert words in answer.text


@pytest.mark.parametrize("path", ["/join", "/sign-in"])
async def test_pages_say_email(http: httpx.AsyncClient, path: str) -> None:
    text = re.sub("<[^>]*>", " ", (await http.get(path, headers=BROWSER)).text)
    text += re.sub(
        "<[^>]*>",
        " ",
        (await http.post(path, data=FORM if path == "/join" else {"email": "a@example.org"}, headers=BROWSER)).text,
    )
    assert not re.search(r"\bmail(s|ed|ing)?\b", text)


async def test_a_wrong_address_is_said_beside_its_field(http: httpx.AsyncClient) -> None:
    page = await http.post("/sign-in", data={"email": "x"}, headers=BROWSER)
    assert page.status_code == 422
    assert "Enter your email" in page.text
    program = await http.post("/sign-in", json={"email": "x", "more": 1})
    assert {error["pointer"] for error in json.loads(program.text)["errors"]} == {"#/email", "#/more"}


async def test_the_database_away_is_a_503_page(http: httpx.AsyncClient, no_database: object) -> None:
    assert (await http.post("/sign-in", data={"email": "a@example.org"}, headers=BROWSER)).status_code == 503
