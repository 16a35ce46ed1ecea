"""Which agreement people are shown: the newest, also an operator's own, whose numbers are those of the page."""

from pathlib import Path

import pytest

from services.consent.adapters import agreement
from services.consent.model import Present
from shared.contracts.agreements import SHIPPED

NEWEST = max(SHIPPED.glob("20*[0-9].toml"), key=lambda path: path.stem)


def own(folder: Path, version: str, old: str, new: str) -> None:
    text = NEWEST.read_text().replace(f'version = "{NEWEST.stem}"', f'version = "{version}"')
    assert old in text
    (folder / f"{version}.toml").write_text(text.replace(old, new, 1))


def test_an_agreement_of_the_operators_own_is_shown(tmp_path: Path) -> None:
    own(tmp_path, "2030-01", 'title = "', 'title = "Our words: ')
    assert agreement.found(own=tmp_path).original.title.startswith("Our words: ")
    assert agreement.found(NEWEST.stem, own=tmp_path).version == agreement.found().version == NEWEST.stem


def test_words_that_promise_other_numbers_than_the_page_offers_are_not_shown(tmp_path: Path) -> None:
    own(tmp_path, "2030-01", "first_contacts = 2", "first_contacts = 1")
    with pytest.raises(ValueError, match="agreement 2030-01 promises other limits than the pages offer"):
        agreement.found(own=tmp_path)


def test_what_an_agreement_lacks_is_named(tmp_path: Path) -> None:
    own(tmp_path, "2030-01", 'withdraw = "', 'withdrawn = "')
    with pytest.raises(ValueError, match="agreement 2030-01 lacks 'withdraw'"):
        agreement.found(own=tmp_path)


def test_a_version_that_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match="there is no agreement 1999-01"):
        agreement.found("1999-01")


def test_words_that_let_more_be_told_than_earlier_ones_said_are_not_shown(tmp_path: Path) -> None:
    own(tmp_path, "2030-01", '    "skills",\n', '    "skills",\n    "languages",\n')
    with pytest.raises(ValueError, match=r"agreement 2030-01 lets more be told than 2026-12, .*: languages"):
        agreement.found(own=tmp_path)
    assert agreement.found(NEWEST.stem, own=tmp_path).version == NEWEST.stem  # it is not in force


def test_each_earlier_text_is_there_for_what_stands_by_it() -> None:
    found = agreement.found()
    standing = found.standing(Present("c", "p", agreement="2026-12-01", language="en"))
    assert (standing.version, standing.text) == ("2026-12-01", (SHIPPED / "2026-12-01.toml").read_text())
    gone = found.standing(Present("c", "p", agreement="2025-01", language="en"))
    assert (gone.version, gone.text, gone.sha256) == ("2025-01", "", "")
