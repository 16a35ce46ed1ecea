"""The two pages: plain words, errors beside fields, and the same answer for everybody."""

import json
import time
from datetime import timedelta

import httpx
import pytest

from services.signup.adapters.postgres import PostgresStore
from services.signup.api import join
from services.signup.jobs import ORIGINS_KEPT, PAGE_REQUESTS_KEPT
from services.signup.vault.addresses import blind_index, parse_mail
from shared.ids import new_candidate_id
from tests.integration.signup.conftest import BLIND_INDEX_KEY, Edge

BROWSER = {"Accept": "text/html"}
FORM = {"name": "Annabellarita Ruiz", "mail": "annabellarita@example.org", "work": "Registered nurse", "state": "CO",
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
    assert "Check your mail" in answer.text
    (event,) = await edge.outbox()
    assert (event["vendor"], event["employer"], event["change"]) == ("fairpool-join", None, "signed_up")
    assert "annabellarita" not in (await edge.everything()).lower()


async def test_joining_by_json_is_answered_in_json(http: httpx.AsyncClient) -> None:
    answer = await http.post("/join", json={"name": "Ana", "mail": "ana@example.org", "work": "Welder"})
    assert (answer.status_code, answer.json()) == (202, {"status": "check_your_mail"})


async def test_a_wrong_form_comes_back_filled_in_with_its_errors(http: httpx.AsyncClient, edge: Edge) -> None:
    answer = await http.post("/join", data={**FORM, "mail": "annabellarita", "postal_code": "x"}, headers=BROWSER)
    assert answer.status_code == 422
    assert 'href="#mail"' in answer.text
    assert "Enter a ZIP code of five digits" in answer.text
    assert 'value="Annabellarita Ruiz"' in answer.text
    assert await edge.outbox() == []


async def test_what_was_typed_is_escaped(http: httpx.AsyncClient) -> None:
    answer = await http.post("/join", data={**FORM, "name": "<b>x</b>", "mail": ""}, headers=BROWSER)
    assert "<b>x</b>" not in answer.text


async def test_known_and_unknown_get_the_same_page(http: httpx.AsyncClient, edge: Edge) -> None:
    await confirmed(edge)
    for path in ("/join", "/sign-in"):
        form = FORM if path == "/join" else {"mail": FORM["mail"]}
        known = await http.post(path, data=form, headers=BROWSER)
        unknown = await http.post(path, data={**form, "mail": "nobody@example.org"}, headers=BROWSER)
        assert (known.status_code, known.text) == (unknown.status_code, unknown.text)


async def test_each_page_says_what_the_mail_it_asks_for_is_good_for(http: httpx.AsyncClient) -> None:
    joined = (await http.post("/join", data=FORM, headers=BROWSER)).text
    signed_in = (await http.post("/sign-in", data={"mail": FORM["mail"]}, headers=BROWSER)).text
    assert "Until then nothing is on." in joined
    assert "everything stays as it is" in signed_in
    assert "nothing is on" not in signed_in


async def test_an_address_joins_at_most_three_times_a_day(http: httpx.AsyncClient, edge: Edge) -> None:
    answers = [await http.post("/join", data=FORM, headers=BROWSER) for _ in range(5)]
    assert {(answer.status_code, answer.text) for answer in answers} == {(202, answers[0].text)}
    assert len(await edge.outbox()) == 3
    edge.clock.advance(timedelta(days=1))
    await http.post("/join", data=FORM, headers=BROWSER)
    assert len(await edge.outbox()) == 4


async def test_an_address_is_counted_without_its_tag(http: httpx.AsyncClient, edge: Edge) -> None:
    for number in range(5):
        await http.post("/join", data={**FORM, "mail": f"annabellarita+{number}@example.org"}, headers=BROWSER)
    assert len(await edge.outbox()) == 3


async def test_twenty_people_join_from_one_network_in_an_hour(http: httpx.AsyncClient, edge: Edge) -> None:
    async def comes(number: int) -> httpx.Response:
        return await http.post("/join", data={**FORM, "mail": f"a{number}@example.org"}, headers=BROWSER)

    assert {(await comes(number)).status_code for number in range(20)} == {202}
    refused = await comes(20)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "3600")
    assert len(await edge.outbox()) == 20
    assert "127.0.0.1" not in await edge.everything()
    edge.clock.advance(timedelta(hours=1, seconds=1))
    async with edge.work() as unit:
        kept = {"origins_before": unit.at - ORIGINS_KEPT}
        await PostgresStore(unit, edge.keys).forget_page_requests(unit.at - PAGE_REQUESTS_KEPT, **kept)
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
    await http.post("/sign-in", data={"mail": "ANNABELLARITA@example.org"}, headers=BROWSER)
    (notice,) = await edge.outbox()
    assert (notice["candidate"], notice["purpose"]) == (candidate, "sign_in")
    assert notice["expires_at"] == (edge.clock.now() + timedelta(minutes=30)).isoformat().replace("+00:00", "Z")


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
    await http.post("/sign-in", data={"mail": signs_in_as}, headers=BROWSER)
    assert [notice["candidate"] for notice in await edge.outbox()] == [candidate]


@pytest.mark.parametrize("path", ["/join", "/sign-in"])
@pytest.mark.parametrize("mail", ["jos\u00e9@example.org", "zo\u200be@example.org"])
async def test_an_email_that_can_not_be_mailed_is_refused_beside_its_field(
    http: httpx.AsyncClient, edge: Edge, path: str, mail: str
) -> None:
    page = await http.post(path, data={**FORM, "mail": mail} if path == "/join" else {"mail": mail}, headers=BROWSER)
    assert page.status_code == 422
    assert await edge.outbox() == []


async def test_who_is_unknown_or_has_not_confirmed_gets_no_mail(http: httpx.AsyncClient, edge: Edge) -> None:
    candidate = await confirmed(edge)
    await edge.pool.execute("UPDATE candidates SET confirmed_at = NULL WHERE candidate = $1", candidate)
    for mail in ("annabellarita@example.org", "nobody@example.org"):
        await http.post("/sign-in", json={"mail": mail})
    assert await edge.outbox() == []


async def test_an_address_signs_in_at_most_five_times_an_hour(http: httpx.AsyncClient, edge: Edge) -> None:
    await confirmed(edge)
    for _ in range(7):
        assert (await http.post("/sign-in", json={"mail": "annabellarita@example.org"})).status_code == 202
    assert len(await edge.outbox()) == 5
    edge.clock.advance(timedelta(hours=1))
    await http.post("/sign-in", json={"mail": "annabellarita@example.org"})
    assert len(await edge.outbox()) == 6


async def test_a_wrong_address_is_said_beside_its_field(http: httpx.AsyncClient) -> None:
    page = await http.post("/sign-in", data={"mail": "x"}, headers=BROWSER)
    assert page.status_code == 422
    assert "Enter your mail address" in page.text
    program = await http.post("/sign-in", json={"mail": "x", "more": 1})
    assert {error["pointer"] for error in json.loads(program.text)["errors"]} == {"#/mail", "#/more"}


async def test_the_database_away_is_a_503_page(http: httpx.AsyncClient, no_database: object) -> None:
    assert (await http.post("/sign-in", data={"mail": "a@example.org"}, headers=BROWSER)).status_code == 503
