"""Point 4 of the story: who fits which pool, and what employers can and can't see."""

import json
from functools import partial
from typing import Any

import pytest

from tests.e2e.scene import Scene
from tests.waiting import until

_PROFILE: dict[str, Any] = {
    "occupations": ["29-1141"],
    "state": "CO",
    "postal_code": "80202",
    "years": 6,
    "pay_floor": 79_000,
    "remote": False,
    "employment_types": ["full_time", "contract"],
    "available_from": "2027-01-15",
}
_FITS: tuple[dict[str, Any], ...] = (
    {},
    {"occupations": ["29-0000"]},
    {"occupations": ["29-1000"]},
    {"occupations": ["29-1140"]},
    {"occupations": ["29-1141"]},
    {"occupations": ["25-2021", "29-1141"]},
    {"states": ["CO", "WA"]},
    {"skills_any": ["triage", "icu"], "skills_any_at_least": 2},
    {"skills_all": ["icu"]},
    {"min_years": 5},
    {"pay_max": 80_000},
    {"remote": False},
    {"employment_types": ["contract", "part_time"]},
    {"available_by": "2027-02-01"},
)
_DOES_NOT_FIT: tuple[dict[str, Any], ...] = (
    {"occupations": ["25-0000"]},
    {"occupations": ["29-1020"]},
    {"occupations": ["29-1171"]},
    {"states": ["WA"]},
    {"skills_any": ["triage", "welding"], "skills_any_at_least": 2},
    {"skills_all": ["icu", "welding"]},
    {"min_years": 10},
    {"pay_max": 59_000},
    {"remote": True},
    {"employment_types": ["part_time"]},
    {"available_by": "2026-12-01"},
)


async def test_a_person_is_in_every_pool_that_fits_and_in_no_other(scene: Scene) -> None:
    """Half of the pools are older than the person, half are younger: both ways lead to the same."""
    employer = await scene.new_employer()
    person = scene.invent()
    own = {"skills_all": list(person.skills)}

    async def make(criteria: dict[str, Any]) -> str:
        return await scene.pool(
            employer, **{**own, **criteria, "skills_all": [*person.skills, *criteria.get("skills_all", [])]}
        )

    both = [*_FITS, *_DOES_NOT_FIT]
    before = [await make(criteria) for criteria in both]
    await scene.report(person, **_PROFILE, skills=[*person.skills, "triage", "icu"])
    await scene.answer(person, {"purposes": ["match"]})
    after = [await make(criteria) for criteria in both]

    async def joined() -> list[bool]:
        return [bool(await scene.members(employer, pool)) for pool in (*before, *after)]

    expected = ([True] * len(_FITS) + [False] * len(_DOES_NOT_FIT)) * 2

    async def as_expected() -> bool:
        found = await joined()
        wrong.clear()
        wrong.extend(
            f"{'an older' if place < len(both) else 'a younger'} pool {both[place % len(both)]}"
            for place, (is_in, should) in enumerate(zip(found, expected, strict=True))
            if is_in != should
        )
        return not wrong

    wrong: list[str] = []
    try:
        await until(as_expected, what="in every pool that fits and in no other")
    except AssertionError:
        pytest.fail(f"wrong in: {wrong}")


async def test_two_employers_answers_share_no_identifier(scene: Scene) -> None:
    person = await scene.join(postal_code="80202", years=6)
    told = []
    for _ in range(2):
        employer = await scene.new_employer()
        pool = await scene.pool_of(employer, person)
        members = await scene.client.members(employer.key, pool)
        updates = await until(partial(scene.client.updates, employer.key), what="an update")
        told.append(_texts([members, updates]))
    ids = [{text for text in texts if len(text) >= 10} for texts in told]
    shared = {text for text in ids[0] & ids[1] if not text.startswith("20") and text != "member.joined"}
    assert shared == {skill for skill in person.skills if len(skill) >= 10}, (
        "only what both asked for, and the hour, is in both answers"
    )


async def test_a_profile_shows_only_what_the_pool_asks_for(scene: Scene) -> None:
    person = await scene.join(years=6, state="CO", postal_code="80202", pay_floor=79_000)
    employer = await scene.new_employer()
    pool = await scene.pool_of(employer, person)
    [member] = await scene.client.members(employer.key, pool)
    assert {name for name, value in member["profile"].items() if value not in (None, [], ())} == {"skills"}
    assert person.family_name.lower() not in json.dumps(member).lower()


async def test_updates_tell_of_joining_and_leaving_to_the_hour(scene: Scene) -> None:
    person = await scene.join()
    employer = await scene.new_employer()
    pool = await scene.pool_of(employer, person)
    await scene.client.choose(await scene.link(person), {"purposes": []})

    async def told() -> bool:
        return [item["type"] for item in await scene.client.updates(employer.key)] == ["member.joined", "member.left"]

    await until(told, what="joined, then left")
    assert await scene.members(employer, pool) == []
    for item in await scene.client.updates(employer.key):
        assert ":00:00" in item["at"]
        assert item["pool"] == pool


async def test_one_employers_pools_are_nobody_elses(scene: Scene) -> None:
    person = await scene.join()
    owner, other = await scene.new_employer(), await scene.new_employer()
    pool = await scene.pool_of(owner, person)
    url = f"{scene.dev.services.pool_matching}/v1/pools/{pool}"
    for address in (url, f"{url}/members"):
        await scene.client.ask("GET", address, key=other.key, expect=(404,))
    await scene.client.ask("DELETE", url, key=other.key, expect=(404,))
    assert len(await scene.members(owner, pool)) == 1


def _texts(value: object) -> set[str]:
    if isinstance(value, dict):
        return set().union(*map(_texts, value.values()))
    if isinstance(value, list):
        return set().union(*map(_texts, value))
    return {str(value)}
