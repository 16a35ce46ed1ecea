"""Migrations are in one order for everybody."""

from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = sorted(ROOT.glob("s*/*/migrations"))
TWICE = {
    # Released under these names, by which databases remember them: under others they would be applied once more. Neither of a
    # pair needs the other, so their order by name is as good as any.
    "services/signup/migrations": {
        "0015_counted_deletions.sql",
        "0015_lapsed_at.sql",
        "0017_origins_by_age.sql",
        "0017_profile_told.sql",
    }
}


def test_the_folders_of_migrations_are_found() -> None:
    assert {folder.parent.name for folder in FOLDERS} == {
        "consent",
        "outreach_gateway",
        "pool_matching",
        "postgres",
        "signup",
    }


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_no_two_migrations_have_one_number(folder: Path) -> None:
    known = TWICE.get(str(folder.relative_to(ROOT)), set())
    names = {file.name for file in folder.glob("*.sql")}
    assert known <= names, "a released file keeps its name"
    numbers = Counter(name[:4] for name in names - known)
    numbers.update({name[:4] for name in known})
    assert [number for number, files in numbers.items() if files > 1] == [], "give the new one the next number"
    assert [name for name in names if not name[:4].isdecimal()] == []
