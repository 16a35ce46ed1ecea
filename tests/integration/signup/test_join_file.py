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
from tests.integration.signup.test_profile import PROGRAM, page_of
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
