"""What people signed, as files: shipped ones and an operator's own."""

from datetime import time, timedelta
from pathlib import Path

import pytest

from shared.contracts import agreements
from shared.contracts.agreements import SHIPPED, Limits

NEWEST = max(SHIPPED.glob("20*[0-9].toml"), key=lambda path: path.stem)


def own(folder: Path, version: str, old: str = "", new: str = "") -> Path:
    """An agreement of an operator's own: the newest that is shipped, with one thing changed."""
    text = NEWEST.read_text().replace(f'version = "{NEWEST.stem}"', f'version = "{version}"')
    assert old in text
    path = folder / f"{version}.toml"
    path.write_text(text.replace(old, new, 1) if old else text)
    return path


def test_the_numbers_of_the_newest_are_what_its_words_promise() -> None:
    present = agreements.present(agreements.load())
    assert present.version == NEWEST.stem
    assert present.limits == Limits(2, timedelta(days=7), timedelta(hours=24), time(8), time(21))


def test_an_operators_own_lie_beside_the_shipped_and_the_newest_is_shown(tmp_path: Path) -> None:
    own(tmp_path, "2030-01", "first_contacts = 2", "first_contacts = 1")
    found = agreements.load(tmp_path)
    assert {NEWEST.stem, "2030-01"} <= set(found)
    assert agreements.present(found).limits.first_contacts == 1
    assert agreements.present(found, NEWEST.stem).limits.first_contacts == 2


def test_a_version_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(ValueError, match=f"no agreement 2031-01; there are .*{NEWEST.stem}"):
        agreements.present(agreements.load(), "2031-01")


def test_one_version_has_one_text(tmp_path: Path) -> None:
    own(tmp_path, NEWEST.stem)
    assert NEWEST.stem in agreements.load(tmp_path)  # the same bytes: it is the same agreement
    own(tmp_path, NEWEST.stem, "per_days = 7", "per_days = 8")
    with pytest.raises(ValueError, match="give yours a new version"):
        agreements.load(tmp_path)


def test_a_directory_that_is_not_there_is_no_empty_one(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected a directory"):
        agreements.load(tmp_path / "agreement")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('version = "2030-01"', 'version = "2030-02"', "the file's name"),
        ("first_contacts = 2\n", "", r"\[limits\] must hold"),
        ("first_contacts = 2", 'first_contacts = "2"', "`first_contacts` must be a whole number"),
        ("gap_hours = 24", "gap_hours = -1", "`gap_hours` must be"),
        ('closes = "21:00"', 'closes = "9 pm"', "`closes` must be a time"),
        ('closes = "21:00"', 'closes = "07:00"', "`opens` must be earlier"),
        ("[limits]", "[limits", "line"),
    ],
)
def test_what_is_wrong_in_a_file_is_said_with_its_name(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = own(tmp_path, "2030-01", old, new)
    with pytest.raises(ValueError, match=rf"2030-01\.toml: .*{said}"):
        agreements.read(path)


def translated(folder: Path, old: str = "", new: str = "", *, language: str = "de") -> Path:
    """A translation of `2030-01`, which lies beside it: its words don't matter, its parts and numbers do."""
    path = own(folder, "2030-01", old, new)
    text = path.read_text().replace('language = "en"', f'language = "{language}"')
    own(folder, "2030-01")
    path = folder / f"2030-01.{language}.toml"
    path.write_text(text)
    return path


def test_each_version_has_its_translations_with_texts_and_hashes_of_their_own(tmp_path: Path) -> None:
    translated(tmp_path)
    present = agreements.present(agreements.load(tmp_path))
    assert (present.version, present.language, set(present.translations)) == ("2030-01", "en", {"de"})
    german = present.translations["de"]
    assert (german.version, german.limits) == (present.version, present.limits)
    assert german.sha256 != present.sha256
    assert set(agreements.load()[NEWEST.stem].translations) == {"es"}


@pytest.mark.parametrize(
    ("old", "new", "language", "said"),
    [
        ("gap_hours = 24", "gap_hours = 48", "de", r"its \[limits\] must be those of"),
        (
            '    ["They never see", "your name, email, phone or street."],\n',
            "",
            "de",
            "as many points, data and sentences",
        ),
        ("", "", "en", "is in that language already"),
    ],
)
def test_a_translation_promises_the_same(tmp_path: Path, old: str, new: str, language: str, said: str) -> None:
    translated(tmp_path, old, new, language=language)
    with pytest.raises(ValueError, match=rf"2030-01\.{language}\.toml: .*{said}"):
        agreements.load(tmp_path)


def test_a_translation_of_nothing_is_refused(tmp_path: Path) -> None:
    translated(tmp_path)
    (tmp_path / "2030-01.toml").unlink()
    with pytest.raises(ValueError, match=r"it translates 2030-01\.toml, which is not there"):
        agreements.load(tmp_path)
