"""The two pages: plain words, errors beside fields, and the same answer for everybody."""

import json
from datetime import timedelta

import httpx
import pytest

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


async def test_signing_in_asks_for_a_link_of_half_an_hour(http: httpx.AsyncClient, edge: Edge) -> None:
    candidate = await confirmed(edge)
    await http.post("/sign-in", data={"mail": "ANNABELLARITA@example.org"}, headers=BROWSER)
    (notice,) = await edge.outbox()
    assert (notice["candidate"], notice["purpose"]) == (candidate, "sign_in")
    assert notice["expires_at"] == (edge.clock.now() + timedelta(minutes=30)).isoformat().replace("+00:00", "Z")


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
