"""Why a pool has somebody, in plain words; and where they stand."""

from datetime import date, timedelta

import pytest

from services.consent.api.told_words import fields, looks_for
from services.consent.decisions.told import standings
from services.consent.model import Disclosed, Memberships
from services.pool_matching.model import Shown
from shared.contracts.pool_matching import Criteria, Membership
from shared.facts import UNKNOWN, Known
from tests.fakes.clock import NOON

DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"occupations": ("29-1141", "29-0000")}, "do this work: Registered Nurses or Healthcare Practitioners and Technical"),
        ({"states": ("CO", "WY", "UT")}, "are in CO, WY or UT"),
        ({"remote": True}, "want remote work"),
        ({"remote": False}, "don’t ask for remote work"),
        ({"skills_all": ("Triage", "ICU")}, "have Triage and ICU among their skills"),
        ({"skills_any": ("Triage", "ICU")}, "have at least 1 of these skills: Triage, ICU"),
        ({"skills_any": ("Triage", "ICU"), "skills_any_at_least": 2}, "have at least 2 of these skills: Triage, ICU"),
        ({"min_years": 0}, "say how many years they have worked"),
        ({"min_years": 1}, "have worked for 1 year or more"),
        ({"pay_max": 100_000}, "want no more pay than it offers"),
        ({"employment_types": ("full_time", "contract")}, "look for full-time or contract work"),
        ({"available_by": date(2027, 2, 1)}, "can start by Feb 1, 2027"),
        ({}, "look for work: it asks for nothing else"),
    ],
)  # fmt: skip
def test_each_criterion_has_words(asked: dict[str, object], words: str) -> None:
    (said,) = looks_for(Criteria.model_validate(asked))
    assert said.replace("February", "Feb") == words


def test_every_criterion_is_said_and_what_is_unknown_is_not() -> None:
    whole = Criteria(occupations=("29-1141",), states=("CO",), remote=True, skills_all=("a",), skills_any=("b",), min_years=3, pay_max=1, employment_types=("full_time",), available_by=date(2027, 1, 1))  # fmt: skip
    asked = [name for name in Criteria.model_fields if name != "skills_any_at_least"]
    assert len(looks_for(whole)) == len(asked) and looks_for(None) == []


def test_every_field_that_an_employer_can_be_shown_has_words() -> None:
    names = list(Shown.model_fields)
    assert not [name for name, words in zip(names, fields(names), strict=True) if words == name.replace("_", " ")]
    assert fields(["a_later_one"]) == ["a later one"]


def _told(pool: str, day: int, *names: str) -> Disclosed:
    return Disclosed("emp_a", pool, NOON + day * DAY, names, "list", NOON, None)


def test_what_was_told_of_a_stay_at_several_times_is_what_can_be_read_there() -> None:
    stays = Memberships(tuple(Membership(pool=one, employer="emp_a", since=NOON) for one in ("p_a", "p_b")))
    first, second = standings(Known(stays), [_told("p_a", 3, "years"), _told("p_a", 1, "state", "years")])
    assert (first.pool, first.shown_since, first.fields) == ("p_b", None, ())
    assert (second.pool, second.shown_since, second.fields) == ("p_a", NOON + DAY, ("state", "years"))


def test_what_can_be_read_before_the_list_of_pools_has_come_is_told_all_the_same() -> None:
    (only,) = standings(UNKNOWN, [_told("p_a", 1, "years")])
    assert (only.pool, only.since, only.shown_since) == ("p_a", NOON, NOON + DAY)
