"""The data file, and what lies in what."""

import hashlib
from collections import Counter

import pytest

from services.pool_matching.adapters import occupations

SOC = occupations.load()
CHECKSUM = "7287ef608df3fd6c0a148a04af7c83b058cfdebf4de73f78bf519403e5ec8739"


def test_the_file_is_the_2018_classification() -> None:
    assert Counter(entry.level for entry in SOC.by_code.values()) == {
        "major": 23,
        "minor": 98,
        "broad": 459,
        "detailed": 867,
    }
    content = "\n".join(f"{entry.code} {entry.title}" for entry in SOC.by_code.values())
    assert hashlib.sha256(content.encode()).hexdigest() == CHECKSUM


@pytest.mark.parametrize(
    ("code", "lineage"),
    [
        ("29-1141", {"29-0000", "29-1000", "29-1140", "29-1141"}),
        ("15-1252", {"15-0000", "15-1200", "15-1250", "15-1252"}),
        ("31-1131", {"31-0000", "31-1100", "31-1130", "31-1131"}),
        ("51-5112", {"51-0000", "51-5100", "51-5110", "51-5112"}),
        ("29-1229", {"29-0000", "29-1000", "29-1210", "29-1229"}),
        ("15-1200", {"15-0000", "15-1200"}),
        ("29-0000", {"29-0000"}),
        ("29-9999", set()),
    ],
)
def test_a_code_lies_in_every_group_above_it_also_where_digits_mislead(code: str, lineage: set[str]) -> None:
    assert SOC.lineage(code) == lineage


def test_every_entry_has_one_group_of_each_level_above_it() -> None:
    depths = {"major": 1, "minor": 2, "broad": 3, "detailed": 4}
    for entry in SOC.by_code.values():
        assert len(entry.lineage) == depths[entry.level]
        assert len({SOC.by_code[code].level for code in entry.lineage}) == depths[entry.level]
        assert {code[:2] for code in entry.lineage} == {entry.code[:2]}


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("29-114", ["29-1140", "29-1141"]),
        ("registered nurses", ["29-1140", "29-1141"]),
        ("NURSES registered", ["29-1140", "29-1141"]),
        ("no such thing", []),
    ],
)
def test_a_search_finds_the_beginning_of_a_code_and_words_of_a_title(text: str, codes: list[str]) -> None:
    assert [entry.code for entry in SOC.search(text)] == codes
