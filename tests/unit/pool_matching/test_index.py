"""The two engines find the same, whatever the pools, the people, and what changes while others are packed."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.pool_matching.adapters import occupations
from services.pool_matching.decisions import matches
from services.pool_matching.matching import index as index_module
from services.pool_matching.matching.index import PoolIndex
from services.pool_matching.matching.packed import BATCH
from services.pool_matching.matching.readable import Readable
from services.pool_matching.model import Consent, Person, Pool
from shared.contracts.pool_matching import Criteria
from shared.contracts.signup import CoarseProfile
from shared.facts import UNKNOWN, Known

SOC = occupations.load()
AT = datetime(2026, 11, 23, 19, 42, 7, tzinfo=UTC)
HOUR = timedelta(hours=1)
CODES = ("29-0000", "29-1000", "29-1140", "29-1141", "29-1171", "15-0000", "15-1252", "33-9032", "no-such")
STATES = ("CO", "WY", "TX", "")
SKILLS = tuple(f"s{number}" for number in range(6))
TYPES = ("full_time", "part_time", "contract", "temporary", "internship")
EMPLOYERS = ("emp_a", "emp_b", "emp_c")
DAYS = (date(2026, 12, 1), date(2027, 1, 1), date(2027, 2, 1))
YEARS = (0, 1, 2, 3, 5, 2**31 - 1)
PAY = (0, 60_000, 60_001, 80_000, 2**31 - 1)


def some(values: Sequence[str], most: int = 3) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(values), max_size=most).map(tuple)


CRITERIA = st.builds(
    Criteria,
    occupations=some(CODES, 2),
    states=some(STATES, 2),
    remote=st.sampled_from((None, None, True, False)),
    skills_all=some(SKILLS, 2),
    skills_any=some(SKILLS, 4),
    skills_any_at_least=st.sampled_from((None, 0, 1, 2, 3, 9)),
    min_years=st.sampled_from((None, None, None, *YEARS)),
    pay_max=st.sampled_from((None, None, None, *PAY)),
    employment_types=some(TYPES, 2),
    available_by=st.sampled_from((None, None, *DAYS)),
)
PROFILES = st.builds(
    CoarseProfile,
    occupations=some(CODES),
    skills=some(SKILLS, 6),
    years=st.sampled_from((None, *YEARS)),
    state=st.sampled_from((None, *STATES, "UT")),
    remote=st.booleans(),
    employment_types=some(TYPES),
    pay_floor=st.sampled_from((None, *PAY)),
    available_from=st.sampled_from((None, *DAYS)),
)
CONSENTS = st.builds(
    Consent,
    match=st.sampled_from((True, True, True, False)),
    sectors=st.sampled_from(((), (), ("29-1000",), ("15-0000", "33-9032"))),
    blocked_employers=st.sampled_from(((), (), ("emp_a",), ("emp_b", "emp_none"))),
    paused_until=st.sampled_from((None, None, AT, AT + HOUR)),
    ends_at=st.sampled_from((None, None, AT, AT + HOUR)),
)
PEOPLE = st.builds(
    lambda profile, consent: Person.of("c", profile, consent, SOC),
    st.one_of(PROFILES.map(Known), PROFILES.map(Known), PROFILES.map(Known), st.sampled_from((Known(None), UNKNOWN))),
    st.one_of(CONSENTS.map(Known), CONSENTS.map(Known), st.just(UNKNOWN)),
)
IDS = tuple(f"p_{number}" for number in range(8))


@st.composite
def pools(draw: st.DrawFn, id_: str) -> Pool:
    return Pool(
        id_,
        draw(st.sampled_from(EMPLOYERS)),
        draw(st.integers(1, 9)),
        draw(st.sampled_from(("", "Nächte", '"'))),
        draw(CRITERIA),
    )


CHANGES = st.sampled_from(IDS).flatmap(
    lambda id_: st.tuples(st.just(id_), st.one_of(st.none(), pools(id_), pools(id_), pools(id_)))
)
STEPS = st.lists(st.one_of(CHANGES, CHANGES, st.sampled_from(("begin", "swap", "fail"))), max_size=12)


def expected(people: Sequence[Person], pools: Mapping[str, Pool]) -> list[list[Pool]]:
    """The slow and obvious way."""
    return [[pool for _, pool in sorted(pools.items()) if matches(person, pool, AT)] for person in people]


@pytest.fixture(autouse=True)
def _any_change_may_be_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "_FEWEST", 1)


@given(
    st.lists(st.sampled_from(IDS).flatmap(pools), max_size=8, unique_by=lambda pool: pool.id),
    STEPS,
    st.lists(PEOPLE, min_size=1, max_size=3),
)
def test_both_engines_find_the_same_whatever_changes_while_they_are_packed(
    first: list[Pool], steps: list[str | tuple[str, Pool | None]], people: list[Person]
) -> None:
    found, now = PoolIndex(first), {pool.id: pool for pool in first}
    readable, packing = Readable(first), None
    for step in steps:
        match step:
            case "begin":
                packing = packing or found.packing()
            case "swap" if packing:
                found.swap(packing.run())
                packing = None
            case "fail" if packing:
                found.give_up()
                packing = None
            case (id_, pool) if not isinstance(step, str):
                found.change({id_: pool})
                if pool is None:
                    now.pop(id_, None)
                    readable.discard(id_)
                else:
                    now[id_] = pool
                    readable.put(pool)
            case _:
                pass
        assert found.match(people, AT) == readable.match(people, AT) == expected(people, now)
        assert len(found) == len(now)
    if packing:
        found.swap(packing.run())
        assert found.match(people, AT) == expected(people, now)


def test_more_states_than_bits_are_told_apart() -> None:
    many = {
        f"p_{number}": Pool(f"p_{number}", "emp_a", 1, "n", Criteria(states=(f"S{number}",))) for number in range(80)
    }
    people = [
        Person.of("c", Known(CoarseProfile(state=f"S{number}")), Known(Consent(match=True)), SOC)
        for number in range(85)
    ]
    assert PoolIndex(many.values()).match(people, AT) == expected(people, many)


def test_a_batch_is_longer_than_what_is_held_at_once() -> None:
    pool = Pool(
        "p_1", "emp_a", 1, "n", Criteria(skills_all=("s0", "s1"), skills_any=("s2", "s3"), skills_any_at_least=2)
    )
    people = [
        Person.of("c", Known(CoarseProfile(skills=SKILLS[: number % 5])), Known(Consent(match=number % 7 > 0)), SOC)
        for number in range(2 * BATCH + 3)
    ]
    assert PoolIndex([pool]).match(people, AT) == expected(people, {"p_1": pool})


def test_a_failed_packing_loses_nothing_and_the_next_one_may_begin() -> None:
    found, people = PoolIndex(), [Person.of("c", Known(CoarseProfile()), Known(Consent(match=True)), SOC)]
    pools = {f"p_{number}": Pool(f"p_{number}", "emp_a", 1, "n", Criteria()) for number in range(3)}
    found.change(pools)
    assert found.packing() is not None
    assert found.packing() is None
    found.give_up()
    assert found.match(people, AT) == expected(people, pools)
    packing = found.packing()
    assert packing is not None
    found.swap(packing.run())
    assert (found.behind, found.match(people, AT)) == (0, expected(people, pools))
