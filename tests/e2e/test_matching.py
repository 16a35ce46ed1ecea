"""Point 4 of the story: who fits which pool, and what employers can and can't see."""

import json
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from tests.e2e.scene import Employer, Scene
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

    candidate = await scene.candidate(person)

    def joined() -> list[bool]:
        return [pool in scene.pools_of(candidate) for pool in (*before, *after)]

    expected = ([True] * len(_FITS) + [False] * len(_DOES_NOT_FIT)) * 2

    def as_expected() -> bool:
        found = joined()
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
    people = await scene.company()
    told = []
    for _ in range(2):
        employer = await scene.new_employer()
        pool = await scene.list_of(employer, people)
        members = await scene.client.members(employer.key, pool)
        updates = await until(partial(scene.client.updates, employer.key), what="an update")
        told.append(_texts([members, updates]))
    ids = [{text for text in texts if len(text) >= 10} for texts in told]
    shared = {text for text in ids[0] & ids[1] if not text.startswith("20") and text != "member.joined"}
    assert shared == {skill for skill in people[0].skills if len(skill) >= 10}, (
        "only what both asked for, and the day, is in both answers"
    )


async def test_two_pools_of_one_employer_share_no_pseudonym(scene: Scene) -> None:
    people, employer = await scene.company(), await scene.new_employer()
    first, second = [await scene.list_of(employer, people) for _ in range(2)]
    assert not set(await scene.members(employer, first)) & set(await scene.members(employer, second))


async def test_a_profile_shows_only_what_the_pool_asks_for(scene: Scene) -> None:
    people, employer = await scene.company(), await scene.new_employer()
    pool = await scene.list_of(employer, people)
    for member in await scene.client.members(employer.key, pool):
        assert {name for name, value in member["profile"].items() if value not in (None, [], ())} == {"skills"}
        assert not any(person.family_name.lower() in json.dumps(member).lower() for person in people)


async def test_whoever_is_alone_in_a_pool_is_not_listed(scene: Scene) -> None:
    person, employer = await scene.join(), await scene.new_employer()
    pool = await scene.pool_of(employer, person)
    scene.move_clock(scene.now + await scene.client.told_every())
    others = await scene.company()
    await scene.list_of(employer, others)  # the employer's tick has come since, and told of those
    page = await scene.client.ask(
        "GET", f"{scene.dev.services.pool_matching}/v1/pools/{pool}/members", key=employer.key
    )
    assert (page.json()["items"], page.json()["next"]) == ([], None)
    assert "Fewer than 5" in page.json()["detail"]
    listed = await _listed(scene, employer)

    async def told() -> set[str]:
        return {item["pool"] for item in await scene.client.updates(employer.key)}

    await until(told, what="the list that opened is told")
    assert await told() == {listed}


async def _listed(scene: Scene, employer: Employer) -> str:
    """The one pool of the employer that has a list."""
    pools = (await scene.client.ask("GET", f"{scene.dev.services.pool_matching}/v1/pools", key=employer.key)).json()
    [pool] = [item["id"] for item in pools["items"] if item["members"] is not None]
    return str(pool)


async def test_who_leaves_is_gone_at_once_and_told_at_a_tick(scene: Scene) -> None:
    first = scene.invent()
    people = [first, *(replace(scene.invent(), skills=first.skills) for _ in range(6))]
    await scene.together(people)
    employer = await scene.new_employer()
    pool = await scene.list_of(employer, people)
    await scene.client.choose(await scene.link(first), {"purposes": []})

    async def is_gone() -> bool:
        return len(await scene.members(employer, pool)) == len(people) - 1

    await until(is_gone, what="who left is in the list no more")
    scene.move_clock(scene.now + timedelta(days=8))  # one difference alone is told on a weekday of its own

    async def told() -> bool:
        kinds = [item["type"] for item in await scene.client.updates(employer.key)]
        return kinds.count("member.left") == 1

    await until(told, what="joined, then one left")
    items = await scene.client.updates(employer.key)
    assert len([item for item in items if item["type"] == "member.joined"]) == len(people)
    assert len({item["at"] for item in items}) == 2, "at one tick all joined, at another one left"
    assert {item["pool"] for item in items} == {pool}


async def test_one_employers_pools_are_nobody_elses(scene: Scene) -> None:
    person = await scene.join()
    owner, other = await scene.new_employer(), await scene.new_employer()
    pool = await scene.pool_of(owner, person)
    url = f"{scene.dev.services.pool_matching}/v1/pools/{pool}"
    for address in (url, f"{url}/members"):
        await scene.client.ask("GET", address, key=other.key, expect=(404,))
    await scene.client.ask("DELETE", url, key=other.key, expect=(404,))
    assert len(await scene.fitting(pool)) == 1


def _texts(value: object) -> set[str]:
    if isinstance(value, dict):
        return set().union(*map(_texts, value.values()))
    if isinstance(value, list):
        return set().union(*map(_texts, value))
    return {str(value)}
