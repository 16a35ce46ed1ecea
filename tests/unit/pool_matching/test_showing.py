"""What is put together of parts for many pools is what the rules say of each."""

import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from services.pool_matching.decisions import findable, matches, shown
from services.pool_matching.model import Person, Pool
from services.pool_matching.showing import as_json, in_one_form, shown_to
from tests.unit.pool_matching.test_index import AT, SKILLS, a_person, a_pool

ODD = st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=12), min_size=1, max_size=6)


def named(person: Person, pools: list[Pool], skills: list[str]) -> tuple[Person, list[Pool]]:
    """The same with other names of skills: whatever somebody wrote."""
    name = dict(zip(SKILLS, skills, strict=False))
    others = [
        Pool(
            pool.id,
            pool.employer,
            pool.version,
            pool.name,
            pool.criteria.model_copy(
                update={
                    field: tuple(name.get(skill, skill) for skill in getattr(pool.criteria, field))
                    for field in ("skills_all", "skills_any")
                }
            ),
        )
        for pool in pools
    ]
    return replace(person, skills=frozenset(name.get(skill, skill) for skill in person.skills)), others


@given(st.integers(0, 2**32), ODD)
def test_what_many_pools_see_is_what_the_rules_show_to_each(seed: int, skills: list[str]) -> None:
    rng = random.Random(seed)  # noqa: S311  # invented pools
    person, pools = named(a_person(rng), [a_pool(rng, f"p_{number}") for number in range(30)], skills)
    halves = findable(person, AT)
    if halves is None:
        return
    into = [pool for pool in pools if matches(person, pool, AT)]
    found = shown_to(into, *halves, person.lineages, person.skills)
    assert found == [as_json(shown(person, pool.criteria)) for pool in into]
    assert [in_one_form(text) for text in found] == found


def test_a_row_of_before_is_read_in_the_one_form() -> None:
    assert in_one_form('{"state": "CO", "years": 3, "skills": ["icu"]}') == '{"skills":["icu"],"years":3,"state":"CO"}'


def test_the_people_made_here_mostly_fit_some_of_the_pools() -> None:
    rng = random.Random(5)  # noqa: S311  # invented people
    pools = [a_pool(rng, f"p_{number}") for number in range(30)]
    assert sum(any(matches(a_person(rng), pool, AT) for pool in pools) for _ in range(100)) > 60
