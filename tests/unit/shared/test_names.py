"""Names that are spelled otherwise, and names that look like another's."""

import pytest

from shared.names import folded, look_alike_keys, skeleton


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Denver Health", "DENVER  health"),
        ("Denver Health", "Denver-Health, Inc."),
        ("The Denver Health Company", "Denver Health LLC"),
        ("Société Générale", "Societe Generale S.A."),
        ("Johnson & Johnson", "Johnson and Johnson"),
        ("St. Mary's", "St Marys"),
        ("Macy's", "Macy’s"),
        ("Ｄｅｎｖｅｒ Health", "Denver Health"),
    ],
)
def test_spellings_of_one_name_are_one(one: str, other: str) -> None:
    assert folded(one) == folded(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Denver Health", "Denver He\u0430lth"),  # Cyrillic a
        ("Denver Health", "\u0500enver Health".replace("\u0500", "\u13a0")),  # Cherokee A is taken for D
        ("Fairpool", "Fairpoo1"),
        ("Fairpool", "FairpooI"),
        ("Fairpool", "Fa\u0456rp\u043e\u043el"),
        ("Modern Farm", "Modem Farm"),
        ("Google", "G00gle"),
        ("IBM", "lBM"),
    ],
)
def test_names_that_look_alike_share_a_key(one: str, other: str) -> None:
    assert look_alike_keys(one) & look_alike_keys(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Denver Health", "Denver Wealth"),
        ("Denver Health", "Denver Health Partners"),
        ("Acme", "Acne"),
        ("Lakeshore Schools", "Lake Shore Schools East"),
        ("3M", "4M"),
    ],
)
def test_different_names_share_none(one: str, other: str) -> None:
    assert not look_alike_keys(one) & look_alike_keys(other)


def test_a_name_of_nothing_but_a_legal_form_is_left_whole() -> None:
    assert folded("The Company, Inc.") == "the company inc"
    assert folded("…") == ""
    assert look_alike_keys("…") == frozenset()


@pytest.mark.parametrize("text", ["Denver He\u0430lth", "rn m l 1 I |", "Zürich"])
def test_a_skeleton_has_itself_for_a_skeleton(text: str) -> None:
    assert skeleton(skeleton(text)) == skeleton(text)
