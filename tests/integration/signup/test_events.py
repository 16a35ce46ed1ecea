"""Vendors' own events: strict, each judged by itself, recognized when they come again."""

import json
import re
from collections.abc import Mapping
from datetime import date
from typing import Any

import httpx
import pytest

from services.signup.vault.intake import open_told
from tests.integration.signup.conftest import KEYS, Edge

ONE, BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"
CANARY = "Annabellarita"


def event(**changes: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": "a1",
        "source": "acme",
        "type": "candidate.signed_up",
        "time": "2026-11-22T10:00:00Z",
        "subject": "acme:candidate:8812",
        "data": data(),
        **changes,
    }


def data(**changes: Any) -> dict[str, Any]:
    return {
        "employer": "emp_one",
        "record": "8812",
        "person": {
            "given_name": CANARY,
            "family_name": "Ruiz",
            "emails": ["annabellarita@example.org"],
            "phones": ["+13035550100"],
        },
        "profile": {
            "titles": ["Registered nurse"], "occupations": ["29-1141"], "skills": ["triage"], "years": 6,
            "postal_code": "80202", "state": "CO", "remote": False, "employment_types": ["full_time"],
            "pay_floor": 80000, "available_from": "2027-01-01", "time_zone": "America/Denver",
        },
        **changes,
    }  # fmt: skip


async def post(
    http: httpx.AsyncClient,
    body: object,
    kind: str = ONE,
    *,
    key: str = "acme",
    headers: Mapping[str, str] | None = None,
) -> httpx.Response:
    sent = {"Authorization": f"Bearer {KEYS[key]}", "Content-Type": kind, **(headers or {})}
    return await http.post("/v1/events", json=body, headers=sent)


def counts(answer: httpx.Response) -> dict[str, Any]:
    """What became of the events, without how they were read."""
    return {name: value for name, value in answer.json().items() if name != "events"}


async def test_one_event_is_taken_and_sealed(http: httpx.AsyncClient, edge: Edge) -> None:
    answer = await post(http, event())
    assert answer.status_code == 202
    assert counts(answer) == {"accepted": 1, "duplicates": 0, "rejected": []}
    (taken,) = await edge.outbox()
    assert (taken["vendor"], taken["record"], taken["change"]) == ("acme", "8812", "signed_up")
    assert CANARY not in await edge.everything()


@pytest.mark.parametrize(
    ("emails", "used"),
    [
        (["\u200bzoe@example.org"], "zoe@example.org"),
        (["zoe@example.org\ufeff", "zoe@work.example"], "zoe@example.org"),
        (["jos\u00e9@example.org", "see resume", "zoe+jobs@example.org"], "zoe+jobs@example.org"),
    ],
)
async def test_the_first_email_that_can_be_mailed_is_used(
    http: httpx.AsyncClient, edge: Edge, emails: list[str], used: str
) -> None:
    assert (await post(http, event(data=data(person={"emails": emails})))).status_code == 202
    (taken,) = await edge.outbox()
    key = await edge.keys.for_day(edge.pool, edge.clock.now().date())
    told = json.loads(open_told(key, taken["sealed"], vendor="acme", record="8812"))
    assert told["person"]["mail"] == used


@pytest.mark.parametrize(
    ("mail", "said"),
    [("jos\u00e9@example.org", "only the letters a to z"), ("zo\u200be@example.org", "an invisible character")],
)
async def test_an_email_that_can_not_be_mailed_is_refused_in_words(
    http: httpx.AsyncClient, edge: Edge, mail: str, said: str
) -> None:
    (error,) = (await post(http, event(data=data(person={"emails": [mail]})))).json()["errors"]
    assert error["pointer"] == "#/data/person/emails/0"
    assert said in error["detail"]
    assert await edge.outbox() == []


async def test_sent_again_it_is_a_duplicate(http: httpx.AsyncClient, edge: Edge) -> None:
    await post(http, event())
    assert counts(await post(http, event())) == {"accepted": 0, "duplicates": 1, "rejected": []}
    assert len(await edge.outbox()) == 1


@pytest.mark.parametrize(
    ("told", "kept"),
    [("2026-11-20T10:00:00+01:00", "2026-11-20T09:00:00Z"), ("2999-01-01T00:00:00Z", None), (None, None)],
)
async def test_the_vendors_own_time_is_taken_unless_it_lies_ahead(
    http: httpx.AsyncClient, edge: Edge, told: str | None, kept: str | None
) -> None:
    assert (await post(http, event(time=told))).status_code == 202
    (taken,) = await edge.outbox()
    assert taken["happened_at"] == kept


async def test_a_change_tells_a_corrected_email_sealed(http: httpx.AsyncClient, edge: Edge) -> None:
    assert (await post(http, event(type="candidate.changed"))).status_code == 202
    (taken,) = await edge.outbox()
    key = await edge.keys.for_day(edge.pool, edge.clock.now().date())
    told = json.loads(open_told(key, taken["sealed"], vendor="acme", record="8812"))
    assert told["person"]["mail"] == "annabellarita@example.org"
    assert CANARY not in await edge.everything()


async def test_two_vendors_may_use_the_same_id(http: httpx.AsyncClient, edge: Edge) -> None:
    edge.tenant("bright", "vendor", version=2)
    await post(http, event())
    answer = await post(http, event(source="bright", data=data(employer="emp_two")), key="bright")
    assert answer.json()["accepted"] == 1


async def test_in_a_batch_each_event_is_judged_by_itself(http: httpx.AsyncClient, edge: Edge) -> None:
    batch = [event(), event(), event(id="a2", source="bright"), event(id="a3", data=data(employer="emp_two")), 7]
    answer = await post(http, batch, BATCH)
    assert answer.status_code == 202
    found = answer.json()
    assert (found["accepted"], found["duplicates"]) == (1, 1)
    assert [one["id"] for one in found["rejected"]] == ["a2", "a3", None]
    assert len(await edge.outbox()) == 1


async def test_an_id_that_has_no_utf8_is_rejected_readably(http: httpx.AsyncClient, edge: Edge) -> None:
    body = json.dumps([event(), event(id="\ud800bad"), event(id="a2", **{"\ud800": 1})])
    headers = {"Authorization": f"Bearer {KEYS['acme']}", "Content-Type": BATCH}
    answer = await http.post("/v1/events", content=body, headers=headers)
    assert answer.status_code == 202
    assert [one["id"] for one in answer.json()["rejected"]] == ["?bad", "a2"]
    assert len(await edge.outbox()) == 1
    alone = await http.post(
        "/v1/events", content=json.dumps(event(id="\ud800bad")), headers={**headers, "Content-Type": ONE}
    )
    assert alone.status_code == 422


async def test_nobody_is_taken_for_a_suspended_employer(http: httpx.AsyncClient, edge: Edge) -> None:
    edge.tenant("emp_one", "employer", vendor="acme", version=2, standing="suspended")
    answer = await post(http, event())
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:fairpool:problem:suspended")
    batch = await post(http, [event()], BATCH)
    assert [one["id"] for one in batch.json()["rejected"]] == ["a1"]
    assert await edge.outbox() == []


async def test_words_that_are_no_skills_are_taken_and_dropped(http: httpx.AsyncClient, edge: Edge) -> None:
    words = ["triage", "Annabellarita pregnant", "ruby"]
    person = {"given_name": "Ruby", "emails": ["a@example.org"]}
    answer = await post(http, event(data=data(person=person, profile={"skills": words})))
    assert answer.json()["accepted"] == 1
    (taken,) = await edge.outbox()
    day = date.fromisoformat(taken["intake_key"])
    async with edge.work() as unit:
        keys = await edge.keys.find(unit.connection, [day])
    told = json.loads(open_told(keys[day], taken["sealed"], vendor="acme", record="8812"))
    assert told["profile"]["skills"] == ["triage"]


async def test_a_thousand_events_are_taken_at_once_and_one_more_is_not(http: httpx.AsyncClient, edge: Edge) -> None:
    def batch(count: int) -> list[dict[str, Any]]:
        small = {"employer": "emp_one", "record": "1", "person": {"emails": ["a@example.org"]}}
        return [event(id=f"n{number}", data={**small, "record": str(number)}) for number in range(count)]

    assert (await post(http, batch(1000), BATCH)).json()["accepted"] == 1000
    assert (await post(http, batch(1001), BATCH)).status_code == 422
    assert len(await edge.outbox()) == 1000


async def test_binary_mode_is_understood(http: httpx.AsyncClient) -> None:
    attributes = {f"ce-{name}": str(value) for name, value in event().items() if name != "data"}
    answer = await post(http, data(), "application/json", headers=attributes)
    assert answer.json()["accepted"] == 1


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        (event(specversion="0.3"), "#/specversion"),
        (event(type="candidate.vanished"), "#/type"),
        (event(un_heard="x"), "#/un_heard"),
        (event(Camel="x"), "#/Camel"),
        (event(id=""), "#/id"),
        (event(time="yesterday"), "#/time"),
        (event(data=None), "#/data"),
        (event(data=data(record="ana@example.org")), "#/data/record"),
        (event(data=data(record="x" * 129)), "#/data/record"),
        (event(data=data(person=None)), "#"),
        (event(data=data(person={"emails": []})), "#/data/person/emails"),
        (event(data=data(person={"emails": ["Annabellarita"]})), "#/data/person/emails/0"),
        (event(data=data(person={"emails": ["a@example.org"], "phones": "none"})), "#/data/person/phones"),
        (event(data=data(person={"emails": ["a@example.org"], "age": 40})), "#/data/person/age"),
        (event(data=data(profile={"years": "6"})), "#/data/profile/years"),
        (event(data=data(profile={"remote": "yes"})), "#/data/profile/remote"),
        (event(data=data(profile={"occupations": ["nurse"]})), "#/data/profile/occupations/0"),
        (event(data=data(profile={"occupations": ["29-9999"]})), "#/data/profile/occupations/0"),
        (event(data=data(profile={"state": "ZZ"})), "#/data/profile/state"),
        (event(data=data(profile={"state": "Guam"})), "#/data/profile/state"),
        (event(data=data(profile={"state": "u.s. virgin islands"})), "#/data/profile/state"),
        (event(data=data(profile={"state": "PR"})), "#/data/profile/state"),
        (event(data=data(profile={"skills": ["annabellarita@example.org"]})), "#/data/profile/skills/0"),
        (
            event(data=data(profile={"occupations": ["\u0662\u0669-\u0661\u0661\u0664\u0661"]})),
            "#/data/profile/occupations/0",
        ),
        (event(data=data(profile={"postal_code": "\u0668\u0660\u0662\u0660\u0662"})), "#/data/profile/postal_code"),
        (event(data=data(profile={"postal_code": "96910"})), "#/data/profile/postal_code"),
        (event(data=data(profile={"state": "GU"})), "#/data/profile/state"),
        (event(data=data(profile={"time_zone": "Mars/Olympus"})), "#/data/profile/time_zone"),
        (event(data=data(profile={"employment_types": ["slave"]})), "#/data/profile/employment_types/0"),
        (event(data=data(person={"given_name": "a\u0000b", "emails": ["a@example.org"]})), "#/data"),
    ],
)
async def test_a_wrong_event_is_refused_by_field_and_without_its_words(
    http: httpx.AsyncClient, edge: Edge, wrong: Any, pointer: str
) -> None:
    answer = await post(http, wrong)
    assert answer.status_code == 422, answer.text
    assert any(error["pointer"].startswith(pointer) for error in answer.json()["errors"]), answer.text
    assert CANARY.lower() not in answer.text.lower()
    assert await edge.outbox() == []


@pytest.mark.parametrize(
    ("wrong", "errors"),
    [
        (data(person={"emails": ["x"]}), {"#/data/person/emails/0": "must be an email such as name@example.org"}),
        (data(person={"emails": []}), {"#/data/person/emails": "must have at least 1 entries"}),
        (
            data(profile={"postal_code": "802", "state": "ZZ", "occupations": ["nurse"]}),
            {
                "#/data/profile/postal_code": "must be a ZIP code of five digits, such as 80202",
                "#/data/profile/state": "must be one of the 50 states or the District of Columbia, such as CO or Colorado",
                "#/data/profile/occupations/0": "must be a code of the 2018 SOC, such as 29-1141",
            },
        ),
    ],
)
async def test_each_mistake_is_told_once_and_in_words_that_help(
    http: httpx.AsyncClient, wrong: Any, errors: dict[str, str]
) -> None:
    found = (await post(http, event(data=wrong))).json()["errors"]
    assert {one["pointer"]: one["detail"] for one in found} == errors
    assert len(found) == len(errors)


@pytest.mark.parametrize("state", ["CO", "DC", "co", "Colorado", "D.C.", "Georgia"])
async def test_states_and_the_district_are_taken(http: httpx.AsyncClient, state: str) -> None:
    assert (await post(http, event(data=data(profile={"state": state})))).status_code == 202


async def test_the_document_is_whole_and_tells_every_field(http: httpx.AsyncClient) -> None:
    document = (await http.get("/openapi.json")).json()
    schemas = document["components"]["schemas"]
    told = json.dumps(document)
    assert set(re.findall(r'"#/([^"]*)"', told)) <= {f"components/schemas/{name}" for name in schemas}
    assert "$defs" not in told
    body = document["paths"]["/v1/events"]["post"]["requestBody"]
    assert "binary mode" in body["description"]
    assert body["content"][BATCH]["schema"] == {
        "type": "array",
        "maxItems": 1000,
        "items": body["content"][ONE]["schema"],
    }
    page = (await http.get("/docs")).text
    for name in (
        "data.employer",
        "data.record",
        "data.person.emails",
        "data.profile.occupations",
        "Greenhouse-Event-ID",
    ):
        assert f"<code>{name}" in page
    assert "Needs the key of a vendor." in page


@pytest.mark.parametrize(
    "wrong", [event(source="bright"), event(data=data(employer="emp_two")), event(data=data(employer="x"))]
)
async def test_a_vendor_speaks_for_itself_and_its_employers_only(
    http: httpx.AsyncClient, edge: Edge, wrong: Any
) -> None:
    assert (await post(http, wrong)).status_code == 403
    assert await edge.outbox() == []


async def test_a_deletion_is_heard_after_the_seat_has_moved(http: httpx.AsyncClient, edge: Edge) -> None:
    edge.tenant("emp_one", "employer", vendor="bright", version=2)
    assert (await post(http, event())).status_code == 403
    assert (await post(http, event(type="candidate.deleted"))).status_code == 202
    assert len(await edge.outbox()) == 1


async def test_a_deletion_does_not_tell_which_employers_there_are(http: httpx.AsyncClient, edge: Edge) -> None:
    said = []
    for place, employer in enumerate(("emp_two", "emp_nobody", "bright", "somebody@example.org")):
        gone = event(id=f"d{place}", type="candidate.deleted", data=data(employer=employer, record=f"r{place}"))
        answer = await post(http, gone)
        said.append((answer.status_code, {**answer.json(), "events": [one["used"] for one in answer.json()["events"]]}))
    assert said[0][0] == 202 and said == [said[0]] * len(said)
    assert [one.get("employer") for one in await edge.outbox()] == ["emp_two", None, None, None], (
        "what it is not is not kept"
    )


async def test_an_employers_key_is_not_a_vendors(http: httpx.AsyncClient) -> None:
    assert (await post(http, event(), key="emp_one")).status_code == 403


async def test_no_key_no_answer(http: httpx.AsyncClient) -> None:
    assert (await http.post("/v1/events", json=event(), headers={"Content-Type": ONE})).status_code == 401


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [(ONE, b"{", 400), (ONE, b"\xff", 400), (ONE, b"[]", 422), (ONE, b"NaN", 400), (ONE, b"[" * 90_000, 400),
     (BATCH, b"{}", 422), ("application/json", b"{}", 415), ("text/plain", b"x", 415)],
)  # fmt: skip
async def test_bad_bodies_get_the_right_4xx(http: httpx.AsyncClient, kind: str, body: bytes, status: int) -> None:
    headers = {"Authorization": f"Bearer {KEYS['acme']}", "Content-Type": kind}
    answer = await http.post("/v1/events", content=body, headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


async def test_an_empty_batch_is_no_mistake(http: httpx.AsyncClient) -> None:
    assert counts(await post(http, [], BATCH)) == {"accepted": 0, "duplicates": 0, "rejected": []}


@pytest.mark.parametrize("kind", ["candidate.hired", "candidate.deleted"])
async def test_a_hire_or_deletion_keeps_nothing_of_the_person(http: httpx.AsyncClient, edge: Edge, kind: str) -> None:
    await post(http, event(type=kind))
    (taken,) = await edge.outbox()
    assert taken["sealed"] == ""


async def test_kafka_away_is_a_503(http: httpx.AsyncClient, edge: Edge) -> None:
    edge.kafka_answers = False
    assert (await post(http, event())).status_code == 503
