"""Whoever takes their profile along and comes with it to another Fairpool has an equal one there."""

import io
import json
import zipfile
from datetime import date

import httpx

from services.signup.adapters.titles import occupations_of
from services.signup.decisions.resume import written
from services.signup.model.people import Person
from shared.contracts.signup import CoarseProfile
from tests.integration.signup.conftest import Edge
from tests.integration.signup.test_profile import BROWSER, NURSE, PROGRAM, form_in, page_of, tell
from tests.integration.signup.test_story import arriving, handle

PROFILE = CoarseProfile(
    occupations=("29-1141", "29-2061"), skills=("triage", "icu"), years=5, state="CO", area="802", remote=True,
    employment_types=("full_time", "contract"), pay_floor=80_000, available_from=date(2027, 1, 1),
)  # fmt: skip
ANA = Person(mail="annabellarita@example.org", given_name="Annabellarita", family_name="Ruiz", phones=("+13035550100",))


def taken_along(profile: CoarseProfile) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("resume.json", json.dumps(written(profile, ANA, time_zone="America/Denver")))
    return out.getvalue()


async def join_with(http: httpx.AsyncClient, edge: Edge, profile: CoarseProfile, **more: str) -> str:
    """The candidate who came of it."""
    read = await http.post("/join/file", content=taken_along(profile), headers={"Content-Type": "application/zip"})
    assert read.status_code == 200
    assert "annabellarita" not in (await edge.everything()).lower(), "nothing of the file is kept"
    assert await edge.outbox() == []
    assert (await http.post("/join", json={**read.json()["form"], **more})).status_code == 202
    await handle(edge, await arriving(edge))
    candidate = await edge.pool.fetchval("SELECT candidate FROM candidates")
    return str(candidate)


async def test_a_profile_that_was_taken_along_is_an_equal_one_once_it_is_kept(
    http: httpx.AsyncClient, edge: Edge
) -> None:
    address = page_of(await join_with(http, edge, PROFILE))
    proposed = (await http.get(address, headers=PROGRAM)).json()
    assert proposed["kept"] is None
    kept = await http.post(address, json={"keep": [one["id"] for one in proposed["proposed"]]})
    assert CoarseProfile.model_validate_json(json.dumps(kept.json()["profile"])) == PROFILE


async def test_whoever_has_joined_fills_their_profile_from_the_file_and_saves_it_themself(
    http: httpx.AsyncClient, edge: Edge
) -> None:
    candidate = await tell(http, edge, **NURSE)
    mine = await edge.sign_in(candidate)
    before = await edge.everything()
    address, headers = "/me/profile/file", mine | {"Content-Type": "application/zip"}
    read = await http.post(address, content=taken_along(PROFILE), headers=headers)
    assert (read.status_code, set(read.json())) == (200, {"set", "passed_over"})
    page = await http.post(address, files={"file": ("x.zip", taken_along(PROFILE))}, headers=mine | BROWSER)
    assert page.status_code == 200 and "The form is filled in from your file" in page.text
    assert await edge.everything() == before and "annabellarita" not in page.text.lower()
    saved = await http.post("/me/profile", data=form_in(page.text), headers=mine | BROWSER)
    assert (saved.status_code, "Saved" in saved.text) == (200, True)
    kept = (await http.get("/v1/me/profile", headers=mine)).json()["kept"]
    assert CoarseProfile.model_validate_json(json.dumps(kept)) == PROFILE
    # What a file says nothing of stays; a program sends what it was told with a PATCH.
    resume = {"skills": [{"name": "Triage"}], "basics": {"name": "Annabellarita Ruiz"}}
    said = (await http.post(address, json=resume, headers=mine)).json()["set"]
    assert said == {"skills": ["triage"]}
    changed = await http.patch("/v1/me/profile", json=said, headers=mine)
    assert CoarseProfile.model_validate_json(json.dumps(changed.json()["profile"])) == PROFILE.model_copy(update={"skills": ("triage",)})  # fmt: skip


async def test_a_file_that_says_nothing_of_a_profile_leaves_the_form_as_it_was_and_says_why(
    http: httpx.AsyncClient, edge: Edge
) -> None:
    mine = await edge.sign_in(await tell(http, edge, **NURSE))
    shown = form_in((await http.get("/me/profile", headers=mine | BROWSER)).text)
    for raw, status in ((b'{"basics": {"name": "Ana", "email": "a@example.org"}}', 422), (b"PK\x03\x04", 422), (b"", 422), (b"[" * 1_100_000, 413)):  # fmt: skip
        page = await http.post("/me/profile/file", files={"file": ("x.zip", raw)}, headers=mine | BROWSER)
        assert (page.status_code, 'id="file-error"' in page.text) == (status, True)
        assert form_in(page.text) == shown
    assert (await http.post("/me/profile/file", json={"basics": {"name": "Ana"}}, headers=mine)).status_code == 422
    elsewhere = BROWSER | {"Sec-Fetch-Site": "cross-site"}
    assert (await http.post("/me/profile/file", files={"file": ("x", b"{}")}, headers=elsewhere)).status_code in (
        401,
        403,
    )


async def test_an_area_without_a_state_stays_without_one(http: httpx.AsyncClient, edge: Edge) -> None:
    profile = CoarseProfile(skills=("triage",), area="802")
    address = page_of(await join_with(http, edge, profile))
    proposed = (await http.get(address, headers=PROGRAM)).json()["proposed"]
    assert {(one["field"], one["value"]) for one in proposed} == {("skills", "triage"), ("area", "802")}


async def test_what_is_typed_beside_the_occupations_of_a_file_is_proposed_too(
    http: httpx.AsyncClient, edge: Edge
) -> None:
    address = page_of(await join_with(http, edge, CoarseProfile(occupations=("29-2061",)), work="Welder"))
    proposed = (await http.get(address, headers=PROGRAM)).json()["proposed"]
    assert [one["value"] for one in proposed] == ["29-2061", *occupations_of("Welder")]
