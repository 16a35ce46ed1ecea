"""What a vendor is told of its events: what was taken, how it was read, and nothing of whom the network knows."""

from typing import Any

import httpx
import pytest

from tests.integration.signup.conftest import KEYS, Edge
from tests.integration.signup.test_cloudevents import plain, pointers, small
from tests.integration.signup.test_events import BATCH, CANARY, counts, data, event, post


def reading(answer: httpx.Response) -> dict[str, Any]:
    """How the one event was read."""
    assert answer.status_code in (200, 202), answer.text
    (found,) = answer.json()["events"]
    assert isinstance(found, dict)
    return found


def passed(answer: httpx.Response) -> dict[str, str]:
    return {one["pointer"]: one["detail"] for one in reading(answer)["passed_over"]}


@pytest.mark.parametrize(
    "person",
    [
        {"given_name": "", "emails": ["", "n1@example.org"], "phones": None},
        {"given_name": None, "family_name": "  ", "emails": [None, "n1@example.org"]},
        {"emails": ["n/a", "n1@example.org"], "phones": ["n/a", "-", "911", "", None, 7, {}]},
        {"emails": ["n1@example.org", None, "x" * 100_000], "phones": ""},
    ],
)
async def test_empty_and_unusable_fields_of_a_person_were_left_out(
    http: httpx.AsyncClient, edge: Edge, person: dict[str, Any]
) -> None:
    answer = await post(http, plain(data=small(person=person)))
    place = person["emails"].index("n1@example.org")
    assert reading(answer)["used"] == ["#/data/employer", "#/data/record", f"#/data/person/emails/{place}"]
    assert len(await edge.outbox()) == 1


@pytest.mark.parametrize("empty", [None, "", " "])
@pytest.mark.parametrize(
    "name",
    ["titles", "occupations", "skills", "years", "postal_code", "state", "remote", "employment_types", "pay_floor",
     "available_from", "time_zone"],
)  # fmt: skip
async def test_an_empty_field_of_a_profile_was_left_out(http: httpx.AsyncClient, name: str, empty: str | None) -> None:
    answer = await post(http, plain(data=small(profile={name: empty})))
    assert not [pointer for pointer in reading(answer)["used"] if pointer.startswith("#/data/profile")]


@pytest.mark.parametrize("name", ["titles", "occupations", "skills", "employment_types"])
async def test_empty_entries_are_passed_over_and_the_others_keep_their_places(
    http: httpx.AsyncClient, name: str
) -> None:
    answer = await post(http, plain(data=small(profile={name: [None, "", " "]})))
    assert passed(answer) == {f"#/data/profile/{name}/{place}": "is empty" for place in range(3)}
    assert pointers(await post(http, plain(data=small(profile={name: [None, 7]})))) == [f"#/data/profile/{name}/1"]


@pytest.mark.parametrize("emails", [[], ["", None], [" "]])
async def test_where_nobody_needs_to_be_named_an_email_may_be_missing(http: httpx.AsyncClient, emails: object) -> None:
    person = {"given_name": CANARY, "emails": emails}
    assert pointers(await post(http, plain(data=small(person=person)))) == ["#/data/person/emails"]
    for kind in ("changed", "hired", "deleted"):
        answer = await post(http, plain(id=kind, type=f"candidate.{kind}", data=small(person=person)))
        assert answer.json()["accepted"] == 1


async def test_each_field_is_told_as_used_or_passed_over_and_titles_as_what_they_stand_for(
    http: httpx.AsyncClient,
) -> None:
    person = {"given_name": "Ruby", "emails": ["none", "a@example.org", "b@example.org"], "phones": ["911"]}
    profile = {"titles": ["Registered nurse", "Chief vibe officer"], "skills": ["triage", "ruby", "boss"], "years": 6}
    answer = await post(http, plain(data=small(person=person, profile=profile), traceparent="00-1"))
    found = reading(answer)
    assert (found["id"], found["record"], found["more_passed_over"]) == ("p1", "r1", 0)
    assert found["used"] == [
        "#/data/employer", "#/data/record", "#/data/person/emails/1", "#/data/person/given_name", "#/data/profile/titles",
        "#/data/profile/skills", "#/data/profile/years",
    ]  # fmt: skip
    assert passed(answer) == {
        "#/traceparent": "is an extension attribute, which is not read",
        "#/data/person/emails/0": "is no email that can be mailed",
        "#/data/person/emails/2": "comes after the one that is used",
        "#/data/person/phones/0": "is no phone number",
        "#/data/profile/titles/1": "is no title that is known here: the person is asked",
        "#/data/profile/skills/1": "shares a word with the person's name or email",
        "#/data/profile/skills/2": "is not on Fairpool's list of skills",
    }
    assert [one["pointer"] for one in found["titles"]] == ["#/data/profile/titles/0", "#/data/profile/titles/1"]
    assert (found["titles"][0]["occupations"], found["titles"][1]["occupations"]) == (["29-1141"], [])


async def test_a_state_and_a_zip_code_that_contradict_each_other_are_told_as_passed_over(
    http: httpx.AsyncClient,
) -> None:
    answer = await post(http, plain(data=small(profile={"state": "TX", "postal_code": "80202", "years": 6})))
    assert passed(answer) == {
        "#/data/profile/postal_code": "is a ZIP code of another state than the one beside it: neither is used",
        "#/data/profile/state": "is another state than the one of the ZIP code beside it: neither is used",
    }
    assert reading(answer)["used"] == [
        "#/data/employer",
        "#/data/record",
        "#/data/person/emails/0",
        "#/data/profile/years",
    ]


@pytest.mark.parametrize("state", ["CO", None])
async def test_a_zip_code_of_no_place_is_told_as_passed_over_and_the_state_is_used(
    http: httpx.AsyncClient, state: str | None
) -> None:
    answer = await post(http, plain(data=small(profile={"state": state, "postal_code": "00000"})))
    assert passed(answer) == {"#/data/profile/postal_code": "is no ZIP code that is known here"}
    assert [one for one in reading(answer)["used"] if "/profile/" in one] == (["#/data/profile/state"] if state else [])


@pytest.mark.parametrize("profile", [{"postal_code": "80202-1234"}, {"state": "Colorado", "postal_code": "80202"}])
async def test_a_state_and_a_zip_code_that_agree_are_both_used(
    http: httpx.AsyncClient, profile: dict[str, str]
) -> None:
    answer = await post(http, plain(data=small(profile=profile)))
    assert passed(answer) == {}
    assert {f"#/data/profile/{name}" for name in profile} <= set(reading(answer)["used"])


@pytest.mark.parametrize(
    "profile",
    [
        {"state": "CA - California"},
        {"state": "California (CA)"},
        {"state": "NC, USA"},
        {"state": "Washington State"},
        {"state": "US-NC"},
        {"occupations": ["29-1141.00"]},
        {"years": 6.0},
        {"pay_floor": 80000.0},
    ],
)
async def test_an_optional_field_in_another_clear_form_refuses_nobody(
    http: httpx.AsyncClient, profile: dict[str, Any]
) -> None:
    answer = await post(http, plain(data=small(profile=profile)))
    assert answer.status_code == 202
    assert f"#/data/profile/{next(iter(profile))}" in reading(answer)["used"]


@pytest.mark.parametrize(
    "profile",
    [{"state": "CA - Texas"}, {"state": "Georgia, Alabama"}, {"occupations": ["29-1141.01"]}, {"years": 6.5}],
)
async def test_what_is_unclear_or_another_thing_is_refused(http: httpx.AsyncClient, profile: dict[str, Any]) -> None:
    assert (await post(http, plain(data=small(profile=profile)))).status_code == 422


async def test_a_missing_person_is_told_at_its_place(http: httpx.AsyncClient) -> None:
    given = plain(data={name: value for name, value in small().items() if name != "person"})
    answer = await post(http, given)
    assert [error["pointer"] for error in answer.json()["errors"]] == ["#/data/person/emails"]


async def test_a_broker_that_wants_no_body_gets_none(http: httpx.AsyncClient) -> None:
    answer = await post(http, plain(), headers={"Prefer": "return=minimal"})
    assert (answer.status_code, answer.content, answer.headers["preference-applied"]) == (202, b"", "return=minimal")


async def test_what_a_type_has_no_use_for_is_told(http: httpx.AsyncClient) -> None:
    answer = await post(http, event(type="candidate.hired"))
    assert passed(answer) == {
        "#/data/person": "is not used for candidate.hired",
        "#/data/profile": "is not used for candidate.hired",
    }


async def test_of_much_that_is_passed_over_the_first_twenty_are_named(http: httpx.AsyncClient) -> None:
    answer = await post(http, plain(data=small(profile={"skills": [f"no skill {n}" for n in range(150)]})))
    assert (len(passed(answer)), reading(answer)["more_passed_over"]) == (20, 130)


async def test_the_answer_holds_no_words_of_the_person(http: httpx.AsyncClient) -> None:
    answer = await post(http, event(data=data(profile={"skills": [CANARY], "titles": [CANARY]})))
    assert answer.status_code == 202
    assert CANARY.lower() not in answer.text.lower()


async def test_the_answer_is_the_same_for_who_is_known_and_who_is_not(http: httpx.AsyncClient, edge: Edge) -> None:
    await post(http, event(id="before"))
    known, unknown = event(id="now"), event(id="now", source="bright", data=data(employer="emp_two"))
    edge.tenant("bright", "vendor", version=2)
    assert (await post(http, known)).content == (await post(http, unknown, key="bright")).content


async def test_other_content_under_an_id_that_was_used_is_a_409_and_nothing_is_taken(
    http: httpx.AsyncClient, edge: Edge
) -> None:
    await post(http, event())
    for changed in (event(data=data(profile={"years": 7})), event(type="candidate.hired")):
        answer = await post(http, changed)
        assert (answer.status_code, answer.json()["type"]) == (409, "urn:fairpool:problem:id-reused")
    assert counts(await post(http, event(subject="other", time=None)))["duplicates"] == 1
    assert len(await edge.outbox()) == 1


async def test_in_a_batch_each_rejected_event_has_its_place_its_status_and_its_errors(
    http: httpx.AsyncClient, edge: Edge
) -> None:
    batch = [
        event(),
        event(id="a2", source="bright"),
        event(id="a3", data=data(profile={"years": "six", "remote": [], "skills": ["x"] * 201, "state": CANARY})),
        event(data=data(profile={"years": 7})),
        7,
        event(id="a4"),
    ]
    answer = (await post(http, batch, BATCH)).json()
    assert (answer["accepted"], answer["duplicates"]) == (2, 0)
    assert [one["id"] for one in answer["events"]] == ["a1", "a4"]
    assert [(one["place"], one["id"], one["status"], one["type"]) for one in answer["rejected"]] == [
        (1, "a2", 403, "urn:fairpool:problem:wrong-source"),
        (2, "a3", 422, "urn:fairpool:problem:invalid"),
        (3, "a1", 409, "urn:fairpool:problem:id-reused"),
        (4, None, 422, "urn:fairpool:problem:invalid"),
    ]
    assert {one["pointer"]: one["detail"] for one in answer["rejected"][1]["errors"]} == {
        "#/data/profile/years": "must be a whole number; found text",
        "#/data/profile/remote": "must be true or false; found a list",
        "#/data/profile/skills": "must have at most 200 entries; found 201",
        "#/data/profile/state": "must be one of the 50 states or the District of Columbia, such as CO or Colorado",
    }
    assert CANARY not in str(answer)
    assert len(await edge.outbox()) == 2


async def test_a_dry_run_judges_and_keeps_nothing(http: httpx.AsyncClient, edge: Edge) -> None:
    headers = {"Authorization": f"Bearer {KEYS['acme']}", "Content-Type": BATCH}
    answer = await http.post("/v1/events?dry_run=true", json=[event(), event(id="")], headers=headers)
    assert answer.status_code == 200
    assert (answer.json()["accepted"], len(answer.json()["rejected"]), len(answer.json()["events"])) == (1, 1, 1)
    assert await edge.outbox() == []
    assert counts(await post(http, event())) == {"accepted": 1, "duplicates": 0, "rejected": []}


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "hostile", [", CO" + " " * 100_000 + "x", "=?x" * 33_000, "x" + " " * 100_000 + "x", "a." * 50_000, "@" * 100_000]
)
async def test_long_texts_are_refused_before_anything_reads_them(http: httpx.AsyncClient, hostile: str) -> None:
    wrong: list[dict[str, Any]] = [{name: hostile} for name in ("subject", "time", "datacontenttype")]
    wrong += [{"data": small(profile={name: [hostile]})} for name in ("titles", "occupations", "skills")]
    wrong += [{"data": small(profile={name: hostile})} for name in ("postal_code", "state", "time_zone")]
    wrong += [
        {"data": small(person={"emails": [hostile]})},
        {"data": small(person={"given_name": hostile, "emails": ["a@example.org"]})},
    ]
    for changes in wrong:
        assert len(pointers(await post(http, plain(**changes)))) == 1
    passed_over = {"emails": [hostile, "a@example.org"], "phones": [hostile]}
    assert len(passed(await post(http, plain(data=small(person=passed_over))))) == 2
    for page, body in (("/join", {"name": "Ana", "email": hostile, "work": "x"}), ("/sign-in", {"email": hostile})):
        for answer in (await http.post(page, json=body), await http.post(page, data=body)):
            assert answer.status_code in (413, 422)
