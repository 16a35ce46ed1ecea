"""What employers may see is coarse, and names nobody."""

from datetime import date

import pytest

from services.signup.decisions.coarsening import coarsen
from services.signup.decisions.skills import known_skills
from services.signup.model.people import RawProfile
from shared.contracts.signup import CoarseProfile


@pytest.mark.parametrize(
    ("given", "shown"), [(0, 0), (1, 1), (2, 1), (3, 3), (4, 3), (6, 5), (9, 5), (10, 10), (19, 15), (20, 20), (44, 20)]
)
def test_years_are_rounded_down_to_the_steps(given: int, shown: int) -> None:
    assert coarsen(RawProfile(years=given)).years == shown


def test_unknown_years_stay_unknown() -> None:
    assert coarsen(RawProfile()).years is None


@pytest.mark.parametrize(
    ("given", "shown"), [(0, 0), (19_999, 0), (20_000, 20_000), (80_001, 80_000), (99_999, 80_000)]
)
def test_the_pay_floor_is_rounded_down_to_twenty_thousands(given: int, shown: int) -> None:
    assert coarsen(RawProfile(pay_floor=given)).pay_floor == shown


def test_place_and_day_are_cut() -> None:
    profile = coarsen(RawProfile(postal_code="80202-1234", state="CO", available_from=date(2027, 1, 19)))
    assert (profile.area, profile.state, profile.available_from) == ("802", "CO", date(2027, 1, 1))


@pytest.mark.parametrize("code", ["8020", "8020A", "SW1A 1AA", "80202-12"])
def test_what_is_no_zip_code_gives_no_area(code: str) -> None:
    assert coarsen(RawProfile(postal_code=code)).area is None


def test_skills_are_folded_and_each_stands_once() -> None:
    assert coarsen(RawProfile(skills=(" Triage", "triage ", "Wound  care"))).skills == (
        "triage",
        "wound care",
    )


def test_at_most_fifty_skills_are_kept() -> None:
    assert len(coarsen(RawProfile(skills=tuple(known_skills())[:80])).skills) == 50


@pytest.mark.parametrize("tag", ["ana.ruiz@example.org", "call +1 303 555 0100", "rejected by front range", "  "])
def test_a_tag_that_is_no_word_of_the_list_is_no_skill(tag: str) -> None:
    assert coarsen(RawProfile(skills=(tag, "triage"))).skills == ("triage",)


def test_digits_of_other_scripts_are_no_codes() -> None:
    raw = RawProfile(
        occupations=("\u0662\u0669-\u0661\u0661\u0664\u0661",), postal_code="\u0668\u0660\u0662\u0660\u0662"
    )
    assert coarsen(raw) == CoarseProfile()


@pytest.mark.parametrize("state", ["GU", "PR", "AS", "XX"])
def test_a_territory_is_no_state(state: str) -> None:
    assert coarsen(RawProfile(state=state)).state is None


def test_codes_stand_once_and_what_is_no_code_is_left_out() -> None:
    raw = RawProfile(titles=("Welder",), occupations=("29-1141", "nurse", "29-1141"))
    assert coarsen(raw).occupations == ("29-1141",)
