"""One title is one title however it is spelled, and no title is guessed."""

import pytest

from services.signup.adapters.titles import occupation_of, occupations_of, titles


@pytest.mark.parametrize("title", ["", "Happiness wizard", "Nurse", "Intern", "Engineer"])
def test_an_unknown_or_ambiguous_title_has_none(title: str) -> None:
    assert occupation_of(title) is None


def test_a_title_that_says_two_occupations_has_both() -> None:
    assert occupations_of("Bartender/Server") == ("35-3011", "35-3031")


def test_every_title_of_the_table_is_found_as_it_is_shown() -> None:
    assert [title for title in titles() if not occupations_of(title)] == []
