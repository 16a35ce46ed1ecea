"""The two engines find the same, whatever the pools, the people, and what changes while others are packed."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.pool_matching.adapters import occupations
from services.pool_matching.decisions import matches
from services.pool_matching.matching import index as index_module
from services.pool_matching.matching import packed as packed_module
from services.pool_matching.matching import postings as postings_module
from services.pool_matching.matching.columns import Vocabulary, columns
from services.pool_matching.matching.index import PoolIndex
from services.pool_matching.matching.packed import BATCH, Packed
from services.pool_matching.matching.postings import Sizes, posted
from services.pool_matching.matching.readable import Readable
from services.pool_matching.matching.words import Steps
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


def some(rng: random.Random, values: Sequence[Any], most: int) -> tuple[Any, ...]:
    return tuple(rng.choices(values, k=rng.randint(0, most)))


def a_pool(rng: random.Random, id_: str) -> Pool:
    """Asks for one to three things, so that people fit."""
    asks: dict[str, Callable[[], Any]] = {
        "occupations": lambda: some(rng, CODES, 3),
        "states": lambda: some(rng, STATES, 3),
        "remote": lambda: rng.random() < 0.5,
        "skills_all": lambda: some(rng, SKILLS, 2),
        "skills_any": lambda: some(rng, SKILLS, 4),
        "min_years": lambda: rng.choice(YEARS),
        "pay_max": lambda: rng.choice(PAY),
        "employment_types": lambda: some(rng, TYPES, 2),
        "available_by": lambda: rng.choice(DAYS),
    }
    asked = {name: asks[name]() for name in rng.sample(sorted(asks), rng.randint(1, 3))}
    criteria = Criteria(**asked, skills_any_at_least=rng.choice((None, 0, 1, 2, 3, 9)))
    return Pool(id_, rng.choice(EMPLOYERS), rng.randint(1, 9), rng.choice(("", "Nächte", '"')), criteria)


def a_person(rng: random.Random) -> Person:
    """Mostly of consent, and known."""
    profile = CoarseProfile(
        occupations=some(rng, CODES, 3),
        skills=some(rng, SKILLS, 6),
        years=rng.choice((None, *YEARS)),
        state=rng.choice((None, *STATES, "UT")),
        remote=rng.random() < 0.5,
        employment_types=some(rng, TYPES, 3),
        pay_floor=rng.choice((None, *PAY)),
        available_from=rng.choice((None, *DAYS)),
    )
    consent = Consent(
        match=rng.random() < 0.9,
        sectors=rng.choice(((), (), ("29-1000",), ("15-0000", "33-9032"))),
        blocked_employers=rng.choice(((), (), ("emp_a",), ("emp_b", "emp_none"))),
        paused_until=rng.choice((None, None, None, AT, AT + HOUR)),
        ends_at=rng.choice((None, None, None, AT, AT + HOUR)),
    )
    told = rng.choices((Known(profile), Known(None), UNKNOWN), (18, 1, 1))[0]
    return Person.of("c", told, rng.choices((Known(consent), UNKNOWN), (19, 1))[0], SOC)


IDS = tuple(f"p_{number}" for number in range(40))
STEPS = st.lists(st.sampled_from(("change", "change", "begin", "swap", "fail")), max_size=10)


def expected(people: Sequence[Person], pools: Mapping[str, Pool]) -> list[list[Pool]]:
    """The slow and obvious way."""
    return [[pool for _, pool in sorted(pools.items()) if matches(person, pool, AT)] for person in people]


@pytest.fixture(autouse=True)
def _any_change_may_be_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "_FEWEST", 1)


@given(st.integers(0, 2**32), STEPS)
def test_both_engines_find_the_same_whatever_changes_while_they_are_packed(seed: int, steps: list[str]) -> None:
    rng = random.Random(seed)  # noqa: S311  # invented pools
    now = {id_: a_pool(rng, id_) for id_ in rng.sample(IDS, 30)}
    people = [a_person(rng) for _ in range(30)]
    found, readable, packing = PoolIndex(now.values()), Readable(now.values()), None
    for step in ["look", *steps, "look"]:
        match step:
            case "begin":
                packing = packing or found.packing()
            case "swap" if packing:
                found.swap(packing.run())
                packing = None
            case "fail" if packing:
                found.give_up()
                packing = None
            case "change":
                changes = {id_: a_pool(rng, id_) if rng.random() < 0.7 else None for id_ in rng.sample(IDS, 4)}
                found.change(changes)
                for id_, pool in changes.items():
                    now.pop(id_, None)
                    readable.discard(id_)
                    if pool is not None:
                        now[id_] = pool
                        readable.put(pool)
        assert found.match(people, AT) == readable.match(people, AT) == expected(people, now)
        assert len(found) == len(now)


def test_more_states_than_bits_are_told_apart() -> None:
    many = {
        f"p_{number}": Pool(f"p_{number}", "emp_a", 1, "n", Criteria(states=(f"S{number}",))) for number in range(80)
    }
    people = [
        Person.of("c", Known(CoarseProfile(state=f"S{number}")), Known(Consent(match=True)), SOC)
        for number in range(85)
    ]
    assert PoolIndex(many.values()).match(people, AT) == expected(people, many)


def test_of_more_states_than_are_posted_or_have_a_bit_each_is_looked_at() -> None:
    named = [f"S{number}" for number in range(160)]
    pools = {
        f"p_{first}": Pool(f"p_{first}", "emp_a", 1, "n", Criteria(states=tuple(named[first::2]))) for first in (0, 1)
    }
    people = [
        Person.of("c", Known(CoarseProfile(state=state)), Known(Consent(match=True)), SOC)
        for state in (*named, "S160", None)
    ]
    assert PoolIndex(pools.values()).match(people, AT) == expected(people, pools)


@pytest.mark.parametrize("seed", range(20))
def test_pools_of_more_postings_than_one_may_have_find_the_same(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postings_module, "_POSTED", 2)
    rng = random.Random(seed)  # noqa: S311  # invented pools
    pools = {id_: a_pool(rng, id_) for id_ in IDS}
    people = [a_person(rng) for _ in range(60)]
    assert PoolIndex(pools.values()).match(people, AT) == expected(people, pools)


def test_a_pool_of_everything_is_no_thousands_of_postings() -> None:
    everything = Criteria(
        occupations=tuple(f"{number:02}-0000" for number in range(11, 99)),
        states=tuple(f"S{number}" for number in range(16)),
        skills_any=tuple(f"s{number}" for number in range(60)),
    )
    known = Vocabulary()
    pools = columns([Pool("p", "emp_a", 1, "n", everything)], known)
    sizes = Sizes(*(len(one.names) for one in (known.occupations, known.states, known.skills, known.employers)))
    assert 0 < len(posted(pools, sizes).rows) <= 256


def test_among_many_different_values_people_reach_the_same() -> None:
    """So many that a word of 32 bits has no room for them."""
    many = {
        f"p_{number}": Pool(
            f"p_{number}",
            "emp_a",
            1,
            "n",
            Criteria(
                min_years=number,
                pay_max=7 * number,
                available_by=AT.date() + timedelta(number),
                employment_types=TYPES[:1],
            ),
        )
        for number in range(2_000)
    }
    people = [
        Person.of(
            "c",
            Known(
                CoarseProfile(
                    years=years,
                    pay_floor=pay,
                    available_from=AT.date() + timedelta(days),
                    employment_types=TYPES[: 1 + place % 3],
                )
            ),
            Known(Consent(match=True)),
            SOC,
        )
        for place, (years, pay, days) in enumerate([(1_990, 13_930, 1_980), (1_991, 13_929, 0), (1_989, 0, 1_987)])
    ]
    packed, found = Packed(columns(many.values(), names := Vocabulary()), names), expected(people, many)
    assert packed._asked.dtype == np.int64
    assert [len(one) for one in found] == [1, 2, 3]
    assert PoolIndex(many.values()).match(people, AT) == found


def test_more_different_values_than_a_word_has_room_for_are_refused() -> None:
    some = np.arange(1 << 17, dtype=np.int32)
    pools = replace(columns([], Vocabulary()), years=some, pay=some, by=some)
    Steps(replace(pools, years=some[:7]))
    with pytest.raises(OverflowError, match=r"131072, 131072, 131072 different values"):
        Steps(pools)


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


def skilled(*skills: str) -> Person:
    return Person.of("c", Known(CoarseProfile(skills=skills)), Known(Consent(match=True)), SOC)


def test_nobody_has_the_skills_of_who_was_held_before_them() -> None:
    pools = {"p_1": Pool("p_1", "emp_a", 1, "n", Criteria(skills_all=("s0", "s1")))}
    found = PoolIndex(pools.values())
    for theirs in ("s0", "s1"), ("s0",), ("s1",), ("s0", "s1"):
        assert found.match([skilled(*theirs)], AT) == expected([skilled(*theirs)], pools)


def test_no_more_postings_than_that_are_held_against_people_at_once_or_those_of_one_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pools = {f"p_{number}": Pool(f"p_{number}", "emp_a", 1, "n", Criteria()) for number in range(7)}
    people, held, verified = [skilled() for _ in range(13)], list[int](), Packed._verified

    def counted(packed: Packed, batch: Any, owners: Any, begins: Any, lengths: Any) -> Any:
        held.append(int(lengths.sum()))
        return verified(packed, batch, owners, begins, lengths)

    monkeypatch.setattr(Packed, "_verified", counted)
    for most, at_once in (1000, [91]), (91, [91]), (90, [84, 7]), (30, [28, 28, 28, 7]), (2, [7] * 13):
        monkeypatch.setattr(packed_module, "_MOST", most)
        held.clear()
        assert PoolIndex(pools.values()).match(people, AT) == expected(people, pools)
        assert held == at_once


def test_who_has_several_occupations_of_a_group_is_held_against_its_pools_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pools = {
        f"p_{number}": Pool(f"p_{number}", "emp_a", 1, "n", Criteria(occupations=("29-0000",))) for number in range(7)
    }
    profile = CoarseProfile(occupations=("29-1141", "29-1171", "29-1140"))
    people, held, verified = (
        [Person.of("c", Known(profile), Known(Consent(match=True)), SOC)],
        list[int](),
        Packed._verified,
    )

    def counted(packed: Packed, batch: Any, owners: Any, begins: Any, lengths: Any) -> Any:
        held.append(int(lengths.sum()))
        return verified(packed, batch, owners, begins, lengths)

    monkeypatch.setattr(Packed, "_verified", counted)
    assert PoolIndex(pools.values()).match(people, AT) == expected(people, pools)
    assert held == [7]


def test_what_pools_no_longer_name_is_forgotten() -> None:
    def named(turn: int) -> dict[str, Pool]:
        asked = [tuple(f"s{turn}_{number}_{place}" for place in range(20)) for number in range(64)]
        return {
            f"p_{number}": Pool(f"p_{number}", f"e_{turn}_{number}", 1, "n", Criteria(skills_any=skills))
            for number, skills in enumerate(asked)
        }

    def repacked(changes: Mapping[str, Pool | None]) -> None:
        found.change(changes)
        packing = found.packing()
        assert packing is not None
        found.swap(packing.run())

    found = PoolIndex(named(0).values())
    for turn in range(1, 20):
        repacked(named(turn))
        people = [skilled(f"s{turn}_{turn}_3"), skilled(f"s{turn - 1}_{turn}_3")]
        assert found.match(people, AT) == expected(people, named(turn))
        assert found.nbytes <= 2 * PoolIndex(named(turn).values()).nbytes
    repacked(dict.fromkeys(named(0)))
    assert found.match([skilled("s19_0_0")], AT) == [[]]
    assert found.nbytes <= 2 * PoolIndex().nbytes
