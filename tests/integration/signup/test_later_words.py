"""What a vendor tells after a person has spoken waits for their answer, and "not me" ends what a record claims."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import httpx

from services.signup.model.provenance import Origin
from shared.contracts.signup import CandidateClaimedV1
from tests.integration.signup.conftest import Edge
from tests.integration.signup.test_profile import (
    ANA,
    BROWSER,
    NURSE,
    PROGRAM,
    SHOWN,
    allow,
    form_in,
    page_of,
    tell,
)
from tests.integration.signup.test_story import arriving, handle, published, store

KEEP = {"keep": ["occupations", "years", "state", "area", "remote", "employment_types", "pay_floor", "available_from"]}


async def spoken(http: httpx.AsyncClient, edge: Edge) -> str:
    """Ana kept what acme told, but for the skills; the address of her page."""
    candidate = await tell(http, edge, **NURSE)
    await allow(edge, candidate)
    address = page_of(candidate)
    assert (await http.post(address, json=KEEP)).status_code == 200
    edge.clock.advance(timedelta(hours=1))
    return address


async def read(http: httpx.AsyncClient, address: str) -> dict[str, Any]:
    found: dict[str, Any] = (await http.get(address, headers=PROGRAM)).json()
    return found


async def waiting(http: httpx.AsyncClient, address: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await read(http, address))["waiting"]
    return found


def answering_form(page: str, telling: str) -> Mapping[str, list[str]]:
    """What is ticked in the form by which this is answered."""
    found = re.search(rf'<form[^>]*/proposals/{telling}".*?</form>', page, re.DOTALL)
    assert found is not None
    return form_in(found.group())


async def test_what_is_told_later_waits_and_changes_nothing_until_it_is_used(
    http: httpx.AsyncClient, edge: Edge
) -> None:
    address = await spoken(http, edge)
    assert await waiting(http, address) == []
    await tell(http, edge, change="changed", **NURSE | {"years": 11, "skills": ["triage"]})
    (one,) = await waiting(http, address)
    assert {(value["field"], value["value"]) for value in one["values"]} == {("years", 10), ("skills", "triage")}
    assert (one["by"]["employer"], one["by"]["proof"], one["by"]["signature_verified"]) == ("emp_one", "key", False)
    assert (await read(http, address))["kept"] == SHOWN | {"skills": []}
    page = (await http.get(address, headers=BROWSER)).text
    assert "New from the hiring system of emp_one" in page
    assert "It would replace: 5 years or more." in page
    form = answering_form(page, one["id"])
    assert "keep" not in form, "no skill is ticked before, and nothing that would take the place of what is shown"
    years = next(value["id"] for value in one["values"] if value["field"] == "years")
    form = {**form, "keep": [years], "answer": ["accept"]}
    saved = await http.post(f"{address}/proposals/{one['id']}", data=form, headers=BROWSER)
    assert (saved.status_code, "10 years or more" in saved.text) == (200, True)
    *_, shown = await published(edge, "candidate-profiles")
    assert shown is not None
    assert shown["profile"] == SHOWN | {"skills": [], "years": 10}
    assert await waiting(http, address) == []


async def test_what_was_passed_over_is_asked_again_only_when_it_is_told_otherwise(
    http: httpx.AsyncClient, edge: Edge
) -> None:
    address = await spoken(http, edge)
    await tell(http, edge, change="changed", **NURSE | {"years": 11})
    (one,) = await waiting(http, address)
    answer = await http.post(f"{address}/proposals/{one['id']}", data={"answer": "ignore"}, headers=BROWSER)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{address}?done=ignored")
    assert "None of it is used" in (await http.get(answer.headers["location"], headers=BROWSER)).text
    await tell(http, edge, **NURSE | {"years": 12})
    assert await waiting(http, address) == [], "in the steps that are shown it is the same"
    await tell(http, edge, **NURSE | {"years": 16})
    assert len(await waiting(http, address)) == 1
    again = await http.post(f"{address}/proposals/{one['id']}", json={"answer": "accept"})
    assert again.status_code == 404, "what was told since then is another proposal"
    assert (await read(http, address))["kept"]["years"] == 5


async def test_saving_the_page_answers_what_it_showed_and_nothing_that_came_meanwhile(
    http: httpx.AsyncClient, edge: Edge
) -> None:
    address = await spoken(http, edge)
    await tell(http, edge, "bright", years=11)
    page = (await http.get(address, headers=BROWSER)).text
    form = form_in(page[page.index("What you show") :])
    edge.clock.advance(timedelta(minutes=1))
    await tell(http, edge, change="changed", state="WY")
    assert (await http.post(address, data=form, headers=BROWSER)).status_code == 200
    assert [one["by"]["vendor"] for one in await waiting(http, address)] == ["acme"]


async def test_not_me_ends_the_claim_takes_its_values_and_silences_the_record(
    http: httpx.AsyncClient, edge: Edge
) -> None:
    address = await spoken(http, edge)
    await http.post(address, json={**KEEP, "set": {"skills": ["forklift"]}})
    page = (await http.get(address, headers=BROWSER)).text
    (telling,) = set(re.findall(r"/proposals/(p_\w+)", page))
    saved = await http.post(f"{address}/proposals/{telling}", data={"answer": "not_me"}, headers=BROWSER)
    assert saved.status_code == 200
    *_, shown = await published(edge, "candidate-profiles")
    assert shown is not None
    assert {name: value for name, value in shown["profile"].items() if value} == {"skills": ["forklift"]}, (
        "her own word"
    )
    assert await edge.pool.fetchval("SELECT count(*) FROM claims") == 0
    before = await edge.outbox()
    await tell(http, edge, **NURSE)
    await tell(http, edge, change="changed", **NURSE | {"years": 20})
    found = await read(http, address)
    assert (found["proposed"], found["waiting"]) == ([], [])
    assert await edge.pool.fetchval("SELECT count(*) FROM claims") == 0
    assert CandidateClaimedV1.TYPE not in str((await edge.outbox())[len(before) :])


async def test_not_me_before_anything_was_kept_takes_the_record_off_the_page(
    http: httpx.AsyncClient, edge: Edge
) -> None:
    address = page_of(await tell(http, edge, **NURSE))
    await tell(http, edge, "bright", state="WY")
    page = (await http.get(address, headers=BROWSER)).text
    acme = re.findall(r"/proposals/(p_\w+)", page)[0 if page.index("emp_one") < page.index("emp_two") else 1]
    tellers = {
        one: page[: page.index(one)].count("/proposals/") for one in set(re.findall(r"/proposals/(p_\w+)", page))
    }
    assert len(tellers) == 2
    answer = await http.post(f"{address}/proposals/{acme}", json={"answer": "not_me"})
    assert answer.status_code == 200
    found = await read(http, address)
    assert found["kept"] is None
    assert len({one["source"] for one in found["proposed"]}) == 1


async def test_each_value_says_who_told_it_by_which_event_or_that_the_person_did(
    http: httpx.AsyncClient, edge: Edge
) -> None:
    address = await spoken(http, edge)
    await http.post(address, json={**KEEP, "set": {"years": 15}})
    origins = {one["field"]: one for one in (await read(http, address))["origins"]}
    assert (origins["years"]["how"], origins["years"]["by"]) == ("said", [])
    (by,) = origins["state"]["by"]
    assert (by["vendor"], by["employer"], by["record"], by["proof"]) == ("acme", "emp_one", "1", "key")
    assert by["event_id"]
    assert by["received_at"]
    async with store(edge) as one:
        (proposed,) = await one.proposals(await edge.pool.fetchval("SELECT candidate::text FROM candidates"))
    assert proposed.proposal.origin == Origin(by["event_id"], "key", proposed.proposal.origin.received_at)


async def test_what_is_typed_on_the_join_page_is_known_to_be_checked_by_nobody(
    http: httpx.AsyncClient, edge: Edge
) -> None:
    await http.post("/join", data={"name": "Ana", "email": ANA, "work": "Registered nurse"}, headers=BROWSER)
    await handle(edge, await arriving(edge))
    rows = await edge.pool.fetch("SELECT event_id, proof FROM claims UNION ALL SELECT event_id, proof FROM proposals")
    assert [tuple(row) for row in rows] == [(None, "page"), (None, "page")]
