"""What others told is seen by its person alone, until they keep it."""

import json
import re
from datetime import timedelta
from typing import Any

import httpx
import pytest

from services.signup import jobs
from services.signup.decisions.skills import known_skills
from services.signup.handlers import on_consent_changed
from shared.contracts.consent import ConsentChangedV1
from shared.ids import new_candidate_id
from shared.messaging.envelope import Received, Record
from tests.fakes.clock import NOON
from tests.fakes.consent_pages import link
from tests.integration.signup.conftest import KEYS, Edge
from tests.integration.signup.test_story import arriving, handle, published, store

BROWSER = {"Accept": "text/html,application/xhtml+xml"}
PROGRAM = {"Accept": "application/json"}
ANA = "annabellarita@example.org"
NURSE: dict[str, Any] = {"titles": ["Registered nurse"], "skills": ["triage", "icu"], "years": 6, "state": "CO", "postal_code": "80202",
         "remote": True, "employment_types": ["full_time"], "pay_floor": 85000, "available_from": "2027-01-15"}  # fmt: skip
SHOWN = {"occupations": ["29-1141"], "skills": ["triage"], "years": 5, "state": "CO", "area": "802", "remote": True,
         "employment_types": ["full_time"], "pay_floor": 80000, "available_from": "2027-01-01"}  # fmt: skip


async def tell(
    http: httpx.AsyncClient, edge: Edge, vendor: str = "acme", change: str = "signed_up", **profile: Any
) -> str:
    """A vendor tells of Ana; her id."""
    employer = {"acme": "emp_one", "bright": "emp_two"}[vendor]
    event = {
        "specversion": "1.0", "id": new_candidate_id(), "source": vendor, "type": f"candidate.{change}",
        "data": {"employer": employer, "record": "1", "person": {"given_name": "Ana", "emails": [ANA]}, "profile": profile},
    }  # fmt: skip
    headers = {"Authorization": f"Bearer {KEYS[vendor]}", "Content-Type": "application/cloudevents+json"}
    assert (await http.post("/v1/events", json=event, headers=headers)).status_code == 202
    await handle(edge, await arriving(edge))
    return str(await edge.pool.fetchval("SELECT candidate::text FROM candidates"))


async def allow(edge: Edge, candidate: str, version: int = 1, **changes: Any) -> None:
    """Consent's state, as signup hears it."""
    values = {"candidate": candidate, "version": version, "at": edge.clock.now(), "purposes": ("match",), **changes}
    item = Received(f"c{version}", "consent", None, ConsentChangedV1(**values), Record("t", 0, 0, None, None, ()))
    async with store(edge) as one:
        await on_consent_changed(one, [item])


def page_of(candidate: str, purpose: Any = "confirm") -> str:
    return f"/profile/{link(candidate, purpose, expires_at=NOON + timedelta(days=14))}"


async def proposed(http: httpx.AsyncClient, address: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await http.get(address, headers=PROGRAM)).json()["proposed"]
    return found


def form_in(page: str) -> dict[str, list[str]]:
    """What a browser posts if the person presses Save at once."""
    found: dict[str, list[str]] = {}
    for tag in re.findall(r"<input[^>]*>", page):
        given = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        if given["type"] != "file" and (given["type"] not in ("checkbox", "radio") or " checked" in tag):
            found.setdefault(given["name"], []).append(given["value"])
    for name, inner in re.findall(r'<select id="\w+" name="(\w+)".*?>(.*?)</select>', page, re.DOTALL):
        found[name] = re.findall(r'value="([^"]*)" selected', inner) or [""]
    return found


async def test_what_is_proposed_is_told_with_its_source_in_the_steps_that_would_be_shown(
    http: httpx.AsyncClient, edge: Edge
) -> None:
    edge.tenant("emp_one", "employer", vendor="acme", version=2, domain="works.example")
    address = page_of(await tell(http, edge, **NURSE))
    answer = (await http.get(address, headers=PROGRAM)).json()
    assert answer["kept"] is None
    told = {(one["field"], one["value"]) for one in answer["proposed"]}
    assert told == {
        ("occupations", "29-1141"), ("skills", "triage"), ("skills", "icu"), ("years", 5), ("state", "CO"), ("area", "802"),
        ("remote", True), ("employment_types", "full_time"), ("pay_floor", 80000), ("available_from", "2027-01-01"),
    }  # fmt: skip
    assert len({one["id"] for one in answer["proposed"]}) == len(told)
    day = f"{edge.clock.now():%B} {edge.clock.now().day}, {edge.clock.now().year}"
    assert {one["source"] for one in answer["proposed"]} == {f"the hiring system of emp_one (works.example), {day}"}


async def test_no_skill_is_ticked_and_nothing_of_a_vendors_marks_reaches_an_employer(
    http: httpx.AsyncClient, edge: Edge
) -> None:
    marks = sorted(known_skills())[:16]
    candidate = await tell(http, edge, **NURSE | {"skills": marks, "titles": [], "occupations": ["29-1141"]})
    await allow(edge, candidate)
    page = (await http.get(page_of(candidate), headers=BROWSER)).text
    assert all(skill in page for skill in marks[:3])
    form = form_in(page)
    assert "skills" not in form
    assert form["occupations"] == ["29-1141"]
    assert await published(edge, "candidate-profiles") == []
    await http.post(page_of(candidate), data=form, headers=BROWSER)
    (shown,) = await published(edge, "candidate-profiles")
    assert shown is not None
    assert not any(mark in json.dumps(shown) for mark in marks)


async def test_who_told_all_of_it_is_said_once_and_of_several_it_is_said_beside_each_field(
    http: httpx.AsyncClient, edge: Edge
) -> None:
    address = page_of(await tell(http, edge, **{**NURSE, "titles": ["Registered nurse", "Chief vibe officer"]}))
    page = (await http.get(address, headers=BROWSER)).text
    assert page.count("the hiring system of emp_one") == 1
    assert "All that we were told comes from the hiring system of emp_one, " in page
    assert "“Registered nurse”" in page
    assert "which occupation “Chief vibe officer” is. Say it" in page
    await tell(http, edge, "bright", years=9, state="CO")
    page = (await http.get(address, headers=BROWSER)).text
    assert "All that we were told" not in page
    assert page.count("the hiring system of emp_one") > 3
    assert page.count("the hiring system of emp_two") == 2, "beside years and state"


async def test_many_occupations_of_one_source_are_not_ticked_either(http: httpx.AsyncClient, edge: Edge) -> None:
    codes = ["29-1141", "29-2061", "35-9021", "51-4121"]
    page = await http.get(page_of(await tell(http, edge, occupations=codes)), headers=BROWSER)
    assert "occupations" not in form_in(page.text)


async def test_saved_as_it_stands_the_page_shows_what_it_said(http: httpx.AsyncClient, edge: Edge) -> None:
    candidate = await tell(http, edge, **NURSE)
    await allow(edge, candidate)
    page = await http.get(page_of(candidate), headers=BROWSER)
    saved = await http.post(page_of(candidate), data=form_in(page.text) | {"skills": ["triage"]}, headers=BROWSER)
    assert saved.status_code == 200
    for words in ("Registered Nurses", "triage", "5 years or more", "Colorado", "$80,000 a year", "From January 2027"):
        assert words in saved.text
    assert "can see this about you, and nothing else" in saved.text
    (shown,) = await published(edge, "candidate-profiles")
    assert shown is not None
    assert shown["profile"] == SHOWN
    again = form_in((await http.get(page_of(candidate, "confirm"), headers=BROWSER)).text)
    await http.post(page_of(candidate, "confirm"), data=again, headers=BROWSER)
    assert len(await published(edge, "candidate-profiles")) == 1, "the page opened again holds what was kept"


async def test_a_program_keeps_by_id_and_by_field_and_sets_what_it_likes(http: httpx.AsyncClient, edge: Edge) -> None:
    candidate = await tell(http, edge, **NURSE)
    address = page_of(candidate)
    triage = next(one["id"] for one in await proposed(http, address) if one["value"] == "triage")
    keep = [triage, "occupations", "state", "area", "remote", "employment_types", "pay_floor", "available_from"]
    answer = await http.post(address, json={"keep": keep, "set": {"years": 9}})
    assert (answer.status_code, answer.json()) == (200, {"profile": SHOWN, "version": 0})
    await allow(edge, candidate)
    (shown,) = await published(edge, "candidate-profiles")
    assert shown is not None
    assert (shown["version"], shown["profile"]) == (1, SHOWN)
    less = await http.post(address, json={"keep": ["occupations", triage], "set": {"state": None, "titles": []}})
    assert less.json()["version"] == 2
    assert (await http.get(address, headers=PROGRAM)).json()["kept"] == less.json()["profile"]
    assert less.json()["profile"]["state"] is None


async def test_keeping_before_and_after_the_answer_ends_alike(http: httpx.AsyncClient, edge: Edge) -> None:
    candidate = await tell(http, edge, **NURSE)
    await allow(edge, candidate)
    answer = await http.post(page_of(candidate), json={"keep": ["occupations"]})
    assert answer.json()["version"] == 1
    (shown,) = await published(edge, "candidate-profiles")
    assert shown is not None
    assert shown["profile"]["occupations"] == ["29-1141"]


async def test_a_strangers_words_and_a_vendors_stand_side_by_side(http: httpx.AsyncClient, edge: Edge) -> None:
    form = {"name": "Ana", "mail": ANA, "work": "Dishwasher", "state": "AK"}
    await http.post("/join", data=form, headers=BROWSER)
    await handle(edge, await arriving(edge))
    edge.clock.advance(timedelta(minutes=1))
    candidate = await tell(http, edge, **NURSE)
    await tell(http, edge, change="changed", **NURSE | {"years": 10})
    await allow(edge, candidate)
    page = (await http.get(page_of(candidate), headers=BROWSER)).text
    for words in (
        "Alaska",
        "Colorado",
        "the join page",
        "the hiring system of emp_one",
        "We were told different things",
    ):
        assert words in page
    form_as_it_is = form_in(page)
    assert "occupations" not in form_as_it_is, "what is disputed is hers to tick"
    assert "state" not in form_as_it_is
    for choice, kept in (
        ({"state": ["none"]}, None),
        ({"state": ["CO"]}, "CO"),
        ({"state": ["other"]}, "WY"),
        ({}, "WY"),
    ):
        seen = form_in((await http.get(page_of(candidate), headers=BROWSER)).text)["seen"]
        mine = form_as_it_is | {"occupations": ["29-1141"], "state_other": ["WY"], "seen": seen} | choice
        assert (await http.post(page_of(candidate), data=mine, headers=BROWSER)).status_code == 200
        assert (await http.get(page_of(candidate), headers=PROGRAM)).json()["kept"]["state"] == kept
    await tell(http, edge, change="changed", titles=["Butcher"], state="ND")
    *_, shown = await published(edge, "candidate-profiles")
    assert shown is not None
    assert (shown["profile"]["occupations"], shown["profile"]["state"]) == (["29-1141"], "WY")
    async with store(edge) as one:
        assert {title for told in await one.proposals(candidate) for title in told.proposal.titles} == {
            "Dishwasher",
            "Butcher",
        }


async def test_what_a_title_means_is_chosen_where_it_means_several(http: httpx.AsyncClient, edge: Edge) -> None:
    edge.table = {"Nurse": ("29-1141", "29-2061")}
    candidate = await tell(http, edge, titles=["Nurse", "Happiness wizard"])
    address = page_of(candidate)
    nurse = [one["id"] for one in await proposed(http, address) if one["title"] == "Nurse"]
    assert len(nurse) == 2
    page = (await http.get(address, headers=BROWSER)).text
    assert "which may mean several occupations" in page
    assert "We do not know which occupation “Happiness wizard” is" in page
    assert "occupations" not in form_in(page)
    refused = await http.post(address, json={"keep": ["occupations"], "set": {"titles": ["Nurse"]}})
    assert [error["pointer"] for error in refused.json()["errors"]] == ["#/keep/0", "#/set/titles/0"]
    kept = await http.post(address, json={"keep": nurse[1:]})
    assert kept.json()["profile"]["occupations"] == ["29-2061"]


async def test_own_words_that_mean_several_are_chosen_on_the_page(http: httpx.AsyncClient, edge: Edge) -> None:
    edge.table = {"Nurse": ("29-1141", "29-2061")}
    address = page_of(await tell(http, edge, state="CO"))
    asked = await http.post(address, data={"work": "Nurse", "state": "CO"}, headers=BROWSER)
    assert asked.status_code == 422
    assert "check those that are right" in asked.text
    form = form_in(asked.text)
    assert (form["work"], form["state"], form.get("occupations")) == ([""], ["CO"], None)
    assert asked.text.count('name="occupations"') == 2
    await http.post(address, data=form | {"occupations": ["29-1141"]}, headers=BROWSER)
    assert (await http.get(address, headers=PROGRAM)).json()["kept"]["occupations"] == ["29-1141"]


async def test_what_cant_be_is_told_by_pointer_and_changes_nothing(http: httpx.AsyncClient, edge: Edge) -> None:
    candidate = await tell(http, edge, **NURSE)
    await tell(http, edge, "bright", state="WY", titles=["Happiness wizard"])
    address = page_of(candidate)
    states = [one["id"] for one in await proposed(http, address) if one["field"] == "state"]
    wizard = next(one["id"] for one in await proposed(http, address) if one["field"] == "titles")
    bad: list[tuple[dict[str, Any], list[str]]] = [
        ({"keep": ["salary"]}, ["#/keep/0"]),
        ({"keep": ["state", "o_00000000000000000000"]}, ["#/keep/1"]),
        ({"keep": states}, ["#/keep/1"]),
        ({"keep": [wizard]}, ["#/keep/0"]),
        ({"set": {"years": -1, "skills": ["triage", "annabellarita"]}}, ["#/set/skills/1", "#/set/years"]),
        ({"set": {"titles": ["Happiness wizard"]}}, ["#/set/titles/0"]),
        ({"set": {"area": "009"}}, ["#/set/area"]),
        ({"set": {"name": "Ana"}}, ["#/set/name"]),
        ({"keep": "state"}, ["#/keep"]),
    ]
    for body, pointers in bad:
        answer = await http.post(address, json=body)
        assert answer.status_code == 422, body
        assert [error["pointer"] for error in answer.json()["errors"]] == pointers
    assert (await http.get(address, headers=PROGRAM)).json()["kept"] is None
    for body in ({"keep": None, "set": None}, {"set": {"state": "", "skills": [], "years": None}}, {}):
        assert (await http.post(address, json=body)).status_code == 200


async def test_a_wrong_form_comes_back_as_it_was_with_its_errors(http: httpx.AsyncClient, edge: Edge) -> None:
    address = page_of(await tell(http, edge, **NURSE))
    form = form_in((await http.get(address, headers=BROWSER)).text)
    wrong = form | {"work": ["Happiness wizard"], "more_skills": ["charm, triage"], "area": ["80"], "skills": ["icu"]}
    answer = await http.post(address, data=wrong, headers=BROWSER)
    assert answer.status_code == 422
    assert 'href="#more_skills"' in answer.text
    assert "Not on our list of skills: “charm”." in answer.text, "which word it is"
    assert 'href="#area"' in answer.text
    again = form_in(answer.text)
    assert (again["more_skills"], again["area"], again["skills"]) == (["charm, triage"], ["80"], ["icu"])
    answer = await http.post(address, data=form | {"work": ["Happiness <b>wizard"]}, headers=BROWSER)
    assert 'href="#work"' in answer.text
    assert "<b>" not in answer.text


async def test_a_link_that_is_no_good_opens_nothing(http: httpx.AsyncClient, edge: Edge) -> None:
    candidate = await tell(http, edge, **NURSE)
    expired = f"/profile/{link(candidate, 'confirm', expires_at=edge.clock.now())}"
    for address, status in ((expired, 410), ("/profile/x.y.z", 404), (page_of(candidate, "unsubscribe"), 404)):
        for headers in (BROWSER, PROGRAM):
            shown = await http.get(address, headers=headers)
            posted = await http.post(address, json={"keep": ["state"]}, headers=headers)
            assert (shown.status_code, posted.status_code) == (status, status)
            assert "/sign-in" in shown.text
    assert (await http.get(page_of(candidate), headers=PROGRAM)).json()["kept"] is None


async def test_who_is_erased_finds_nothing_and_the_way_to_join(http: httpx.AsyncClient, edge: Edge) -> None:
    candidate = await tell(http, edge, **NURSE)
    await edge.pool.execute("DELETE FROM candidates")
    for answer in (
        await http.get(page_of(candidate), headers=BROWSER),
        await http.post(page_of(candidate), data={"work": "Registered nurse"}, headers=BROWSER),
        await http.get(page_of(candidate), headers=PROGRAM),
    ):
        assert answer.status_code == 410
        assert "/join" in answer.text
    assert await edge.pool.fetchval("SELECT count(*) FROM proposals") == 0


async def test_looking_changes_nothing(http: httpx.AsyncClient, edge: Edge) -> None:
    candidate = await tell(http, edge, **NURSE)
    before = await edge.everything()
    for headers in (BROWSER, PROGRAM):
        assert (await http.get(page_of(candidate), headers=headers)).status_code == 200
    assert (await http.get(page_of(candidate), headers=BROWSER)).text.count("<script") == 0
    assert await edge.everything() == before


async def test_while_kafka_is_away_it_is_kept_and_said_so(http: httpx.AsyncClient, edge: Edge) -> None:
    candidate = await tell(http, edge, **NURSE)
    await allow(edge, candidate)
    edge.kafka_answers = False
    answer = await http.post(page_of(candidate), data={"occupations": "29-1141"}, headers=BROWSER)
    assert answer.status_code == 202
    assert "still on its way" in answer.text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"purposes": ("contact",)}, "once you let them find you"),
        ({"paused_until": NOON + timedelta(days=40)}, "while your pause lasts"),
        ({}, "can see this about you"),
    ],
)
async def test_the_page_says_whether_employers_see_it(
    http: httpx.AsyncClient, edge: Edge, changes: dict[str, Any], words: str
) -> None:
    candidate = await tell(http, edge, **NURSE)
    await allow(edge, candidate, **changes)
    answer = await http.post(page_of(candidate), data={"occupations": "29-1141"}, headers=BROWSER)
    assert words in answer.text
    empty = await http.post(page_of(candidate), data={"work": ""}, headers=BROWSER)
    assert "No employer sees you" in empty.text


async def notices(edge: Edge) -> list[dict[str, Any]]:
    """Those of changes that are on their way, after the job has run."""
    async with store(edge) as one:
        await jobs.tell_profiles(one)
    rows = await edge.pool.fetch("SELECT value FROM outbox WHERE topic = 'notices' ORDER BY id")
    return [notice for row in rows if (notice := json.loads(row["value"]))["purpose"] == "changed"]


async def test_a_change_of_the_kept_profile_is_told_to_the_person_at_most_once_a_day_and_the_first_save_is_not(
    http: httpx.AsyncClient, edge: Edge
) -> None:
    candidate = await tell(http, edge, **NURSE)
    address = page_of(candidate, "confirm")

    async def save(years: int, after: timedelta) -> int:
        edge.clock.at(NOON + after)
        assert (await http.post(address, json={"set": {"years": years}})).status_code == 200
        return len(await notices(edge))

    hour, day = timedelta(hours=1), timedelta(days=1)
    assert [await save(1, 0 * hour), await save(1, hour)] == [0, 0], "the first save, and one that changes nothing"
    assert [await save(3, 2 * hour), await save(5, 3 * hour), await save(10, 4 * hour)] == [1, 1, 1]
    edge.clock.at(NOON + day + 2 * hour)
    first, second = await notices(edge)
    assert [one["changes"][0]["what"] for one in (first, second)] == ["profile_changed", "profile_changed"]
    assert second["changes"][0]["at"] > first["changes"][0]["at"]
    assert len(await notices(edge)) == 2


async def test_a_page_that_was_opened_before_another_save_is_shown_again_and_changes_nothing(
    http: httpx.AsyncClient, edge: Edge
) -> None:
    candidate = await tell(http, edge, **NURSE)
    address = page_of(candidate, "confirm")
    old = form_in((await http.get(address, headers=BROWSER)).text)
    assert (await http.post(address, json={"set": {"years": 1}})).status_code == 200
    answer = await http.post(address, data=old, headers=BROWSER)
    assert (answer.status_code, "changed after you opened this page" in answer.text) == (422, True)
    assert (await http.get(address, headers=PROGRAM)).json()["kept"]["years"] == 1
    again = await http.post(address, data=form_in(answer.text), headers=BROWSER)
    assert again.status_code == 200
