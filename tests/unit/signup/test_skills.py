"""An ATS' tags are anybody's notes: only words of the list are skills, and none that may speak of the person."""

import pytest

from deploy.demo.trades import SEEKING, TRADES
from services.signup.decisions.skills import known_skills, skills_among


def test_words_of_the_list_are_skills_however_they_are_written() -> None:
    assert skills_among([" Triage", "ICU", "wound  care", "triage"]) == ("triage", "icu", "wound care")


@pytest.mark.parametrize(
    "tag",
    ["benedikt zquill pregnant", "rejected by front range", "ana@example.org", "+1 303 555 0100", "", "ic\ud800u", "a\x00"],
)  # fmt: skip
def test_any_other_word_is_none(tag: str) -> None:
    assert skills_among([tag, "triage"]) == ("triage",)


@pytest.mark.parametrize("own", ["Ruby", "RUBY", "Ruby-Lee", "ruby.lee82", "ruby_lee"])
def test_a_skill_that_is_the_persons_own_name_is_none(own: str) -> None:
    assert skills_among(["ruby", "ruby on rails", "python"], own=[None, own]) == ("python",)


def test_a_name_within_a_longer_word_takes_nothing_away() -> None:
    assert skills_among(["data analysis"], own=["Ana"]) == ("data analysis",)


def test_the_list_is_folded_and_can_hold_no_number_to_call() -> None:
    assert len(known_skills()) > 300
    for skill in known_skills():
        assert skill == " ".join(skill.lower().split())
        assert sum(mark.isdigit() for mark in skill) <= 4
        assert "@" not in skill


def test_the_invented_network_knows_only_skills_of_the_list() -> None:
    asked = {skill for one in SEEKING for name in ("skills_all", "skills_any") for skill in one.criteria.get(name, ())}
    assert {skill for trade in TRADES for skill in trade.skills} | asked <= known_skills()
