"""Whoever is signed in reads and changes their profile, and sees all that is held of them, from whom and why."""

import httpx
import pytest

from services.signup.adapters.held import TABLES
from services.signup.adapters.kept import PEOPLE
from services.signup.api.held_parts import PARTS
from services.signup.courier.adapters.kept import PEOPLE as COURIER
from tests.integration.signup.conftest import Edge, emails_of
from tests.integration.signup.test_later_words import KEEP
from tests.integration.signup.test_profile import ANA, BROWSER, NURSE, SHOWN, allow, form_in, tell
from tests.integration.signup.test_story import published

ELSEWHERE = {
    "refusals": "whoever refused is gone; the link of their invitation says the same again",
    "erased": "of erased people alone",
    "erasure_requests": "of erased people alone",
    "certificates": "of erased people alone",
    "erasure_sweeps": "of erased people alone",
    "erasures_outstanding": "of erased people alone",
    "rotations": "an id as a place, and nothing of its person",
    "courier_consent": "a copy of what the person sees on the page of their choices",
    "export_parts": "copies of what consent keeps, for an export that is being made; sealed to a key that is sealed to the person",
}
"""Nothing that is of a living person and kept nowhere else: that another page shows it is no reason, since whoever takes their
data along, or reads it with a program, does not see that page.
"""


def test_every_table_that_can_hold_a_persons_id_is_shown_or_named_with_its_reason() -> None:
    declared = {one.name for kept in (PEOPLE, COURIER) for one in kept.tables}
    assert declared - set(TABLES) - set(ELSEWHERE) == set(), "show it on the page of what is held"
    assert set(TABLES) - declared == set()
    assert set(TABLES.values()) | {"marks"} == set(PARTS), "each says why it is held, and for how long"


async def test_a_row_in_each_table_is_a_line_of_what_programs_the_page_and_the_export_show(
    http: httpx.AsyncClient, edge: Edge
) -> None:
    candidate = await tell(http, edge, **NURSE)
    await allow(edge, candidate)
    mine = await edge.sign_in(candidate)
    await http.patch("/v1/me/profile", json={"years": 12}, headers=mine)
    emails = emails_of(edge)
    code = await emails.make_code(candidate, first_alone=False)
    assert await emails.ask(candidate, "ana.new@example.net", b"network") == "begun"
    await edge.pool.execute(
        "INSERT INTO exports (name, candidate, state, asked_at, consent_asked_at, ends_at) VALUES"
        " ('x_1', $1, 'replaced', now(), now(), now() + interval '1 day')", candidate,
    )  # fmt: skip
    await edge.pool.execute(
        "INSERT INTO operator_log (at, by, act, candidate) VALUES (now(), 'ops', 'looked_up', $1)", candidate
    )
    await edge.pool.execute(
        "INSERT INTO not_theirs (vendor, record, candidate, said_at) VALUES ('bright', '9', $1, now())", candidate
    )
    found = (await http.get("/v1/me/data", headers=mine)).json()
    assert {part for part in set(TABLES.values()) if not found[part]} == {"intake", "emails"}, (
        "none was told or sent here"
    )
    change = found["email_change"]
    assert (change["state"], change["new_email"], change["old_email"]) == ("asked", "ana.new@example.net", ANA)
    assert found["recovery_code"]["spent_at"] is None and code is not None and code not in str(found)
    assert found["sessions"][0]["browser"] and found["exports"][0]["state"] == "replaced"
    page = (await http.get("/me/data", headers=BROWSER | mine)).text
    for words in ("ana.new@example.net", "Both mailboxes have to say yes by", "Your recovery code", "; until"):
        assert words in page, words
    assert code not in page
    # What does not open is said, and the rest is shown all the same.
    await edge.pool.execute("UPDATE email_changes SET sealed = 'x'")
    assert (await http.get("/v1/me/data", headers=mine)).json()["email_change"]["new_email"] is None


async def test_all_that_is_held_is_shown_with_whom_it_came_from(http: httpx.AsyncClient, edge: Edge) -> None:
    candidate = await tell(http, edge, **NURSE)
    await allow(edge, candidate)
    await http.patch("/v1/me/profile", json={"years": 12}, headers=await edge.sign_in(candidate))
    await edge.pool.execute(
        "INSERT INTO operator_log (at, by, act, candidate, reason) VALUES (now(), 'ops', 'looked_up', $1, 'case 4711')",
        candidate,
    )
    found = (await http.get("/v1/me/data", headers=await edge.sign_in(candidate))).json()
    assert (found["identity"]["email"], found["identity"]["given_name"]) == (ANA, "Ana")
    by = found["identity"]["from"]
    assert (by["vendor"], by["employer"], by["employer_name"], by["proof"]) == ("acme", "emp_one", "emp_one", "key")
    assert by["event_id"]
    assert by["received_at"] == by["told_at"]
    assert found["profile"]["kept"]["years"] == 10
    assert found["profile"]["shown_to_employers"] == found["profile"]["kept"]
    assert [(one["field"], one["how"]) for one in found["profile"]["origins"]] == [("years", "said")]
    assert [one["profile"]["state"] for one in found["proposals"]] == ["CO"]
    assert found["looked_at"][0]["reason"] == "case 4711"
    assert set(found["parts"]) == set(PARTS)
    page = await http.get("/me/data", headers=BROWSER | await edge.sign_in(candidate))
    for words in (
        ANA,
        "emp_one",
        "10 years or more. Said by you",
        "case 4711",
        "with the hiring system’s own key",
    ):
        assert words in page.text.replace("&#39;", "’"), words
    assert "ops" not in str(found["looked_at"])


@pytest.mark.parametrize("path", ["/me/data", "/v1/me/data", "/me/profile", "/v1/me/profile"])
async def test_without_a_session_and_once_erased_nothing_is_shown(
    http: httpx.AsyncClient, edge: Edge, path: str
) -> None:
    assert (await http.get(path)).status_code == 401
    candidate = await tell(http, edge, **NURSE)
    mine = await edge.sign_in(candidate)
    assert (await http.get(path, headers=mine)).status_code == 200
    await edge.pool.execute("DELETE FROM candidates")
    assert (await http.get(path, headers=mine)).status_code == 401


async def test_a_change_takes_some_fields_and_leaves_the_others(http: httpx.AsyncClient, edge: Edge) -> None:
    candidate = await tell(http, edge, **NURSE)
    await allow(edge, candidate)
    mine = await edge.sign_in(candidate)
    assert (await http.post("/me/profile", json=KEEP, headers=mine)).status_code == 200
    answer = await http.patch(
        "/v1/me/profile",
        json={"skills": ["Triage"], "state": None, "area": None, "years": 20},
        headers=mine | {"Content-Type": "application/merge-patch+json"},
    )
    assert answer.status_code == 200
    wanted = SHOWN | {"skills": ["triage"], "state": None, "area": None, "years": 20}
    assert answer.json()["profile"] == wanted
    *_, shown = await published(edge, "candidate-profiles")
    assert shown is not None
    assert shown["profile"] == wanted
    again = await http.patch("/v1/me/profile", json={"employment_types": [], "remote": False}, headers=mine)
    assert again.json()["profile"] == wanted | {"employment_types": [], "remote": False}


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({"titles": ["Happiness wizard"]}, ["#/titles/0"]),
        ({"years": "many", "salary": 1}, ["#/years", "#/salary"]),
        ([], ["#"]),
    ],
)
async def test_a_change_that_cant_be_is_told_by_pointer(
    http: httpx.AsyncClient, edge: Edge, body: object, pointers: list[str]
) -> None:
    candidate = await tell(http, edge, **NURSE)
    answer = await http.patch("/v1/me/profile", json=body, headers=await edge.sign_in(candidate))
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == pointers


async def test_signed_in_the_page_is_the_same_with_a_way_to_the_other_pages(
    http: httpx.AsyncClient, edge: Edge
) -> None:
    candidate = await tell(http, edge, **NURSE)
    mine = BROWSER | await edge.sign_in(candidate)
    page = (await http.get("/me/profile", headers=mine)).text
    assert 'href="http://signup.test/me/data"' in page
    assert 'aria-current="page"' in page
    saved = await http.post("/me/profile", data=form_in(page), headers=mine)
    assert (saved.status_code, "Saved" in saved.text) == (200, True)
    await tell(http, edge, "bright", years=11)
    read = (await http.get("/v1/me/profile", headers=await edge.sign_in(candidate))).json()
    (waits,) = read["waiting"]
    accepted = await http.post(
        f"/v1/me/profile/proposals/{waits['id']}", json={"answer": "accept"}, headers=await edge.sign_in(candidate)
    )
    assert accepted.json()["profile"]["years"] == 10
