"""The rules one by one, and all of them against a slow and obvious model."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.pool_matching import decisions
from services.pool_matching.adapters import occupations
from services.pool_matching.decisions import (
    PAY_STEP,
    YEARS_STEPS,
    asks,
    coarse,
    fits_anew,
    matches,
    next_due,
    placed,
    settle,
    shown,
    to_the_hour,
)
from services.pool_matching.matching.index import PoolIndex
from services.pool_matching.model import Change, Consent, KeptPerson, Member, Person, Pool, Shown
from services.pool_matching.showing import as_json
from shared.contracts.pool_matching import Criteria
from shared.contracts.signup import CoarseProfile
from shared.facts import UNKNOWN, Fact, Known, fact

SOC = occupations.load()
AT = datetime(2026, 11, 23, 19, 42, 7, tzinfo=UTC)
HOUR = timedelta(hours=1)
NURSE = CoarseProfile(
    occupations=("29-1141",), skills=("Triage", "ICU  care"), years=5, state="CO", area="802",
    employment_types=("full_time", "contract"), pay_floor=80_000, available_from=date(2027, 1, 1),
)  # fmt: skip
GRANTED = Consent(match=True)


def memberships(before: Sequence[Member], who: Person, pools: Sequence[Pool], at: datetime) -> Change:
    """How their place changes in these pools, held against each by the rules."""
    return placed(before, who, [one for one in pools if matches(who, one, at)], at)


def person(profile: CoarseProfile | None = NURSE, consent: Consent | None = GRANTED, **more: Any) -> Person:
    """`consent` None: it has not arrived."""
    return Person.of("c", Known(profile.model_copy(update=more) if profile else None), fact(consent), SOC)


def pool(id_: str = "p", employer: str = "emp_a", **criteria: Any) -> Pool:
    return Pool(id_, employer, 1, "name", coarse(Criteria(**criteria)))


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        ({}, True),
        ({"occupations": ("29-0000",)}, True),
        ({"occupations": ("29-1140", "33-0000")}, True),
        ({"occupations": ("29-1000",), "states": ("CO", "WY")}, True),
        ({"occupations": ("29-1171",)}, False),
        ({"states": ("WY",)}, False),
        ({"remote": False}, True),
        ({"remote": True}, False),
        ({"skills_all": ("triage", "icu CARE")}, True),
        ({"skills_all": ("triage", "surgery")}, False),
        ({"skills_any": ("triage", "surgery")}, True),
        ({"skills_any": ("triage", "surgery"), "skills_any_at_least": 2}, False),
        ({"min_years": 4}, True),
        ({"min_years": 6}, False),
        ({"pay_max": 99_999}, True),
        ({"pay_max": 79_999}, False),
        ({"employment_types": ("contract", "temporary")}, True),
        ({"employment_types": ("temporary",)}, False),
        ({"available_by": date(2027, 1, 31)}, True),
        ({"available_by": date(2026, 12, 31)}, False),
    ],
)
def test_each_criterion_restricts(criteria: dict[str, Any], expected: bool) -> None:
    assert matches(person(), pool(**criteria), AT) is expected


@pytest.mark.parametrize(
    ("consent", "expected"),
    [
        (None, False),
        (Consent(match=False), False),
        (Consent(match=True, paused_until=AT + HOUR), False),
        (Consent(match=True, paused_until=AT), True),
        (Consent(match=True, ends_at=AT), False),
        (Consent(match=True, ends_at=AT + HOUR), True),
        (Consent(match=True, blocked_employers=("emp_a",)), False),
        (Consent(match=True, blocked_employers=("emp_b",)), True),
        (Consent(match=True, sectors=("29-1000",)), True),
        (Consent(match=True, sectors=("15-0000",)), False),
        (Consent(match=True, sectors=("unknown",)), False),
    ],
)
def test_consent_decides_first(consent: Consent | None, expected: bool) -> None:
    assert matches(person(consent=consent), pool(occupations=("29-0000",)), AT) is expected


def test_nobody_is_in_a_pool_without_a_profile() -> None:
    assert not matches(person(None), pool(), AT)


@pytest.mark.parametrize("half", ["profile", "consent"])
def test_of_whom_a_half_has_not_arrived_nobody_leaves_a_pool_and_nobody_joins_one(half: str) -> None:
    before = memberships((), person(), [pool("p_in")], AT).joined
    unheard: dict[str, Any] = {half: UNKNOWN}
    assert memberships(before, replace(person(), **unheard), [pool("p_in"), pool("p_new")], AT) == Change()
    nothing: dict[str, Fact[Any]] = {"profile": Known(None), "consent": Known(Consent.none())}
    assert (
        memberships(before, replace(person(), **cast(dict[str, Any], {half: nothing[half]})), [pool("p_in")], AT).left
        == before
    )


def test_who_named_sectors_is_not_found_by_a_pool_that_names_no_occupation() -> None:
    assert not matches(person(consent=Consent(match=True, sectors=("29-0000",))), pool(), AT)


def test_an_occupation_outside_the_sectors_neither_matches_nor_is_shown() -> None:
    both = person(consent=Consent(match=True, sectors=("29-0000",)), occupations=("29-1141", "15-1252"))
    assert not matches(both, pool(occupations=("15-0000",)), AT)
    asked = pool(occupations=("15-0000", "29-0000"))
    assert matches(both, asked, AT)
    assert shown(both, asked.criteria).occupations == ("29-1141",)


def test_what_a_profile_does_not_tell_restricts_only_where_it_must_be_shown() -> None:
    silent = person(CoarseProfile())
    assert not matches(silent, pool(min_years=0), AT)
    assert not matches(silent, pool(states=("CO",)), AT)
    assert matches(silent, pool(pay_max=0, available_by=date(2026, 1, 1)), AT)


def test_a_pool_without_criteria_shows_nothing() -> None:
    assert shown(person(), pool().criteria) == Shown()


def test_a_pool_shows_the_fields_that_it_asks_for_and_of_lists_what_it_asks_for() -> None:
    asked = pool(
        occupations=("29-0000",), states=("CO",), remote=False, skills_any=("icu care", "surgery"), min_years=1,
        employment_types=("contract",), pay_max=100_000, available_by=date(2027, 3, 1),
    )  # fmt: skip
    assert shown(person(occupations=("33-9032", "29-1141")), asked.criteria) == Shown(
        occupations=("29-1141",), skills=("icu care",), years=5, state="CO", remote=False,
        employment_types=("contract",), pay_floor=80_000, available_from=date(2027, 1, 1),
    )  # fmt: skip


@given(st.integers(0, 80), st.sampled_from(YEARS_STEPS))
def test_a_pool_takes_in_nobody_below_the_years_that_were_asked_for_and_asks_in_steps(asked: int, years: int) -> None:
    rounded = coarse(Criteria(min_years=asked)).min_years
    assert rounded in YEARS_STEPS
    assert (years >= (rounded or 0)) == (years >= min(asked, 20))


@given(st.integers(0, 10_000_000), st.integers(0, 500).map(lambda steps: steps * PAY_STEP))
def test_pay_is_asked_in_the_steps_that_profiles_show(asked: int, floor: int) -> None:
    rounded = coarse(Criteria(pay_max=asked)).pay_max
    assert rounded is not None and rounded % PAY_STEP == 0
    assert (floor <= rounded) == (floor <= asked)


def test_criteria_are_rounded_once_and_for_all() -> None:
    once = coarse(Criteria(skills_any=("ICU", "icu "), min_years=2, pay_max=5, available_by=date(2027, 2, 15)))
    assert (once.skills_any, once.min_years, once.pay_max, once.available_by) == (("icu",), 3, 0, date(2027, 2, 1))
    assert coarse(once) == once


def test_times_are_told_to_the_hour() -> None:
    assert to_the_hour(AT) == datetime(2026, 11, 23, 19, tzinfo=UTC)


def test_joined_left_and_changed_are_told_apart() -> None:
    asked = [pool("stays", min_years=1), pool("new"), pool("other", occupations=("29-0000",))]
    old = AT - 24 * HOUR
    before = [
        Member("stays", "emp_a", old, as_json(Shown(years=3))),
        Member("gone", "emp_a", old, as_json(Shown())),
        Member("other", "emp_a", old, as_json(Shown(occupations=("29-1141",)))),
    ]
    change = memberships(before, person(), asked, AT)
    assert change.joined == (Member("new", "emp_a", to_the_hour(AT), as_json(Shown()), fits_since=AT),)
    assert change.left == (before[1],)
    assert change.changed == (Member("stays", "emp_a", old, as_json(Shown(years=5))),)
    settled = settle(KeptPerson(person(), 7, None, tuple(before)), change, AT)
    assert settled is not None and settled.version == 8
    assert [member.pool for member in settled.members] == ["new", "other", "stays"]


def test_who_withdrew_and_came_again_left_and_joined() -> None:
    before = Member("p", "emp_a", AT - 24 * HOUR, as_json(Shown()))
    again = replace(person(), generation=1)
    change = memberships([before], again, [pool("p")], AT)
    assert (change.left, change.changed) == ((before,), ())
    assert change.joined == (Member("p", "emp_a", to_the_hour(AT), as_json(Shown()), 1, AT),)
    settled = settle(KeptPerson(again, 7, None, (before,)), change, AT)
    assert settled is not None
    assert (settled.version, settled.generation, settled.members) == (8, 1, change.joined)


TICK = AT - 5 * HOUR
NOBODY = Person.of("c", Known(None), Known(Consent.none()), SOC)
THEN = replace(person(), profile=Known(NURSE.model_copy(update={"years": 0})))


@pytest.mark.parametrize(
    ("then", "since", "expected"),
    [
        (person(), None, TICK),  # a new pool shows who would have been in it
        (THEN, None, AT),
        (NOBODY, None, AT),
        (person(), TICK - HOUR, TICK - HOUR),
        (person(), TICK + HOUR, TICK),  # joined by an act of their own while everybody was being held against it
        (THEN, TICK - HOUR, AT),  # was in the pool for what it asked then
        (THEN, TICK + HOUR, TICK + HOUR),
    ],
)
def test_a_pool_that_is_held_against_somebody_has_them_since_the_tick_at_which_it_would_have_taken_them_in(
    then: Person, since: datetime | None, expected: datetime
) -> None:
    member = None if since is None else Member("p", "emp_a", AT, as_json(Shown()), fits_since=since)
    asked = pool("p", min_years=3)
    assert fits_anew(asked, then, member, tick=TICK, at=AT) == expected
    fitting = then if matches(then, asked, AT) else person()
    assert fits_anew(asked, then, member, tick=TICK, at=AT, fitting=fitting) == expected


def test_who_was_paused_at_the_tick_was_not_there_and_whose_pause_was_over_was() -> None:
    for paused_until, expected in ((TICK + HOUR, AT), (TICK, TICK)):
        then = person(consent=GRANTED.model_copy(update={"paused_until": paused_until}))
        assert fits_anew(pool("p"), then, None, tick=TICK, at=AT) == expected
        assert matches(then, pool("p"), AT)
        assert fits_anew(pool("p"), then, None, tick=TICK, at=AT, fitting=then) == expected


def test_nothing_is_written_when_nothing_is_different() -> None:
    assert settle(KeptPerson(person(), 1, None, ()), Change(), AT) is None


def test_the_list_keeps_its_version_when_only_what_is_shown_changed() -> None:
    before = Member("p", "emp_a", AT, as_json(Shown(years=3)))
    settled = settle(
        KeptPerson(person(), 4, None, (before,)), Change(changed=(before._replace(shown=as_json(Shown(years=5))),)), AT
    )
    assert settled is not None and settled.version == 4 and not settled.list_changed


def test_a_person_is_due_when_a_pause_or_the_consent_ends_next() -> None:
    assert next_due(Known(Consent(match=True, paused_until=AT + HOUR, ends_at=AT + 2 * HOUR)), AT) == AT + HOUR
    assert next_due(Known(Consent(match=True, paused_until=AT, ends_at=AT + 2 * HOUR)), AT) == AT + 2 * HOUR
    assert next_due(Known(Consent(match=True, ends_at=AT)), AT) is None
    assert next_due(Known(Consent(match=False, ends_at=AT + HOUR)), AT) is None
    assert next_due(UNKNOWN, AT) is None


CODES = ("29-0000", "29-1000", "29-1140", "29-1141", "29-1210", "29-1229", "15-1200", "15-1252", "15-0000", "99-9999")
SKILLS = ("a", "b", "c", "d")
TYPES = ("full_time", "part_time", "contract")
DAYS = (date(2026, 12, 1), date(2027, 1, 1), date(2027, 2, 1))


def some(values: tuple[Any, ...]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(st.sampled_from(values), max_size=3).map(tuple)


profiles = st.builds(
    CoarseProfile,
    occupations=some(CODES),
    skills=some(SKILLS),
    years=st.none() | st.sampled_from(YEARS_STEPS),
    state=st.none() | st.sampled_from(("CO", "WY")),
    remote=st.booleans(),
    employment_types=some(TYPES),
    pay_floor=st.none() | st.sampled_from((0, 20_000, 40_000)),
    available_from=st.none() | st.sampled_from(DAYS),
)
moments = st.none() | st.sampled_from((AT - HOUR, AT, AT + HOUR))
consents = st.builds(
    Consent,
    match=st.sampled_from((True, True, True, False)),
    sectors=some(CODES),
    blocked_employers=some(("emp_a", "emp_b", "emp_c")),
    paused_until=moments,
    ends_at=moments,
)
criteria = st.builds(
    Criteria,
    occupations=some(CODES),
    states=some(("CO", "WY")),
    remote=st.none() | st.booleans(),
    skills_all=some(SKILLS).map(lambda skills: skills[:1]),
    skills_any=some(SKILLS),
    skills_any_at_least=st.none() | st.integers(1, 3),
    min_years=st.none() | st.integers(0, 25),
    pay_max=st.none() | st.integers(0, 60_000),
    employment_types=some(TYPES),
    available_by=st.none() | st.sampled_from(DAYS),
).map(coarse)

PARENTS = {
    "29-1141": "29-1140", "29-1140": "29-1000", "29-1229": "29-1210", "29-1210": "29-1000", "29-1000": "29-0000",
    "15-1252": "15-1250", "15-1250": "15-1200", "15-1200": "15-0000",
}  # fmt: skip


def lies_in(code: str, groups: tuple[str, ...]) -> bool:
    if code == "99-9999":  # not a code of the SOC
        return False
    return code in groups or (code in PARENTS and lies_in(PARENTS[code], groups))


def obviously(profile: CoarseProfile, consent: Consent, asked: Criteria, employer: str) -> bool:
    """The rules again, as one would say them."""
    if not consent.match or employer in consent.blocked_employers:
        return False
    if consent.ends_at and consent.ends_at <= AT:
        return False
    if consent.paused_until and consent.paused_until > AT:
        return False
    mine = [code for code in profile.occupations if not consent.sectors or lies_in(code, consent.sectors)]
    if (asked.occupations or consent.sectors) and not any(lies_in(code, asked.occupations) for code in mine):
        return False
    if asked.states and profile.state not in asked.states:
        return False
    if asked.remote is not None and asked.remote is not profile.remote:
        return False
    for skill in asked.skills_all:
        if skill not in profile.skills:
            return False
    if asked.skills_any and len(set(asked.skills_any) & set(profile.skills)) < (asked.skills_any_at_least or 1):
        return False
    if asked.min_years is not None and (profile.years is None or profile.years < asked.min_years):
        return False
    if asked.pay_max is not None and profile.pay_floor is not None and profile.pay_floor > asked.pay_max:
        return False
    if asked.employment_types and not set(asked.employment_types) & set(profile.employment_types):
        return False
    return not (asked.available_by and profile.available_from and profile.available_from > asked.available_by)


@given(profiles, consents, st.lists(criteria, max_size=6))
def test_the_index_and_the_rules_find_exactly_the_pools_that_obviously_fit(
    profile: CoarseProfile, consent: Consent, asked: list[Criteria]
) -> None:
    pools = [Pool(f"p{place}", "emp_a", 1, "", one) for place, one in enumerate(asked)]
    who = Person.of("c", Known(profile), Known(consent), SOC)
    (found,) = PoolIndex(pools).match([who], AT)
    change = placed((), who, found, AT)
    assert change == memberships((), who, pools, AT)
    expected = {one.id for one in pools if obviously(profile, consent, one.criteria, "emp_a")}
    assert {member.pool for member in change.joined} == expected
    assert len(change.joined) == len(expected)


@given(profiles, consents, criteria)
def test_nothing_is_shown_that_the_pool_did_not_ask_for(
    profile: CoarseProfile, consent: Consent, asked: Criteria
) -> None:
    seen = shown(Person.of("c", Known(profile), Known(consent), SOC), asked).model_dump(exclude_none=True)
    by_field = {
        "occupations": asked.occupations,
        "skills": asked.skills_all + asked.skills_any,
        "employment_types": asked.employment_types,
    }
    for field, value in seen.items():
        if field in ("skills", "employment_types"):
            assert set(value) <= set(by_field[field])
        if field == "occupations":
            assert all(lies_in(code, asked.occupations) for code in value)
    always = {"years": asked.min_years, "state": asked.states or None, "remote": asked.remote}
    assert all(always[field] is not None for field in seen.keys() & always.keys())


def test_criteria_that_ask_for_the_same_have_one_form() -> None:
    one = Criteria(states=("CO", "WY"), skills_any=("a", "b"), skills_any_at_least=1, available_by=date(2027, 1, 1))
    assert asks(one) == asks(one.model_copy(update={"states": ("WY", "CO"), "skills_any": ("b", "a")}))
    for change in ({"states": ("CO",)}, {"skills_any": ("a",)}, {"available_by": None}, {"skills_all": ("a",)}):
        assert asks(one) != asks(one.model_copy(update=change))


def test_nobody_is_in_more_pools_than_can_be_told_and_leaving_always_goes_through(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(decisions, "MOST_POOLS", 3)
    before = memberships((), person(), [pool("p_1"), pool("p_2")], AT).joined
    into = [pool("p_2"), pool("p_5"), pool("p_3"), pool("p_4")]
    settled = settle(KeptPerson(person(), 7, None, before), memberships(before, person(), into, AT), AT)
    assert settled is not None and settled.version == 8
    assert [member.pool for member in settled.change.joined] == ["p_3", "p_4"]
    assert [member.pool for member in settled.change.left] == ["p_1"]
    assert [member.pool for member in settled.members] == ["p_2", "p_3", "p_4"]
    assert settled.beyond == 1


@pytest.mark.parametrize(
    ("change", "left", "beyond"),
    [
        (lambda full: Change(left=full[:1]), {"p_0", "p_1"}, 1),
        (lambda full: Change(left=full[3:], joined=(full[0]._replace(pool="p_9"),)), {"p_3", "p_4"}, 1),
        (lambda full: Change(changed=full[:3]), {"p_1", "p_2"}, 2),
        (lambda full: Change(), {"p_1", "p_2"}, 2),
        (lambda full: Change(left=full), {"p_0", "p_1", "p_2", "p_3", "p_4"}, 0),
        (
            lambda full: Change(left=full, joined=tuple(one._replace(generation=1) for one in full)),
            {"p_0", "p_1", "p_2", "p_3", "p_4"},
            2,
        ),
    ],
)
def test_who_is_in_more_pools_than_can_be_told_leaves_those_that_they_joined_last(
    change: Callable[[tuple[Member, ...]], Change], left: set[str], beyond: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From before there was the limit; all that is written is told, and is what the person is in."""
    monkeypatch.setattr(decisions, "MOST_POOLS", 3)
    full = tuple(
        Member(f"p_{number}", "emp_a", AT - age * HOUR, as_json(Shown())) for number, age in enumerate((5, 1, 2, 4, 3))
    )
    settled = settle(KeptPerson(person(), 7, None, full), change(full), AT)
    assert settled is not None and settled.version == 8 and settled.beyond == beyond
    assert {member.pool for member in settled.change.left} == left
    stay = {member.pool for member in full} - left | {member.pool for member in settled.change.joined}
    assert {member.pool for member in settled.members} == stay and len(settled.members) == len(stay) <= 3
    assert {member.pool for member in settled.change.changed} <= stay
