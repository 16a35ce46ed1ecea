"""Which agreement people are shown: the newest, also an operator's own, whose numbers are those of the page."""

from pathlib import Path

import pytest

from services.consent.adapters import agreement
from shared.contracts.agreements import SHIPPED

NEWEST = max(SHIPPED.glob("*.toml"))


def own(folder: Path, version: str, old: str, new: str) -> None:
    text = NEWEST.read_text().replace(f'version = "{NEWEST.stem}"', f'version = "{version}"')
    assert old in text
    (folder / f"{version}.toml").write_text(text.replace(old, new, 1))


def test_an_agreement_of_the_operators_own_is_shown(tmp_path: Path) -> None:
    own(tmp_path, "2030-01", 'title = "', 'title = "Our words: ')
    assert agreement.in_force(own=tmp_path).title.startswith("Our words: ")
    assert agreement.in_force(NEWEST.stem, own=tmp_path).version == agreement.in_force().version == NEWEST.stem


def test_words_that_promise_other_numbers_than_the_page_offers_are_not_shown(tmp_path: Path) -> None:
    own(tmp_path, "2030-01", "first_contacts = 2", "first_contacts = 1")
    with pytest.raises(ValueError, match="agreement 2030-01 promises other limits than the pages offer"):
        agreement.in_force(own=tmp_path)


def test_what_an_agreement_lacks_is_named(tmp_path: Path) -> None:
    own(tmp_path, "2030-01", 'withdraw = "', 'withdrawn = "')
    with pytest.raises(ValueError, match="agreement 2030-01 lacks 'withdraw'"):
        agreement.in_force(own=tmp_path)


def test_a_version_that_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match="there is no agreement 1999-01"):
        agreement.in_force("1999-01")
