"""Migrations are in one order for everybody, and the half that comes before a release leaves the version before working."""

import re
from collections import Counter
from pathlib import Path

import pytest

from shared.postgres.migration_files import BEFORE, INDEX_MADE, Migration, read
from tests.released import released, there_now

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


def test_a_released_file_is_what_it_was() -> None:
    now = there_now()
    assert {name: now.get(name) for name in released()} == released(), (
        "what databases remember is never edited or renamed"
    )


TAKES_AWAY = re.compile(
    r"""\b( DROP\s+(?!NOT\s+NULL\b|DEFAULT\b)\w+ | RENAME | TRUNCATE | SET\s+NOT\s+NULL | TYPE\s+\w+\s+USING
    | ALTER\s+COLUMN\s+\w+\s+(SET\s+DATA\s+)?TYPE | REVOKE )\b
    """,
    re.VERBOSE | re.IGNORECASE,
)
"""What the version before may need, or would be refused for."""
COLUMN = re.compile(
    r"\bADD\s+(?:COLUMN\s+)?(?:IF\s+NOT\s+EXISTS\s+)?(?!CONSTRAINT\b|CHECK\b)\w+\s+[^,;]*", re.IGNORECASE
)
MADE = re.compile(r"CREATE\s+(?:UNLOGGED\s+)?TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?(\w+)", re.IGNORECASE)
BOUND = re.compile(
    r"ALTER\s+TABLE\s+(?:ONLY\s+)?(?P<altered>\w+)[^;]*?\bADD\s+(?:CONSTRAINT|CHECK|UNIQUE|PRIMARY|FOREIGN|EXCLUDE)\b"
    r"|CREATE\s+UNIQUE\s+INDEX\s+[^;]*?\bON\s+(?P<indexed>\w+)",
    re.IGNORECASE,
)
"""What rows of the version before may be refused by, unless the table is new."""


def _plain(sql: str) -> str:
    """The statements, without comments, texts and the bodies of functions."""
    return re.sub(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\$(\w*)\$.*?\$\1\$", " ", sql, flags=re.DOTALL)


def _wants_a_value(column: str) -> bool:
    return "NOT NULL" in column and "DEFAULT" not in column and "GENERATED" not in column


def _why_not_before(migration: Migration, made: set[str]) -> list[str]:
    sql = _plain(migration.sql)
    found = [one.group().strip() for one in TAKES_AWAY.finditer(sql)]
    found += [column for column in COLUMN.findall(sql) if _wants_a_value(column.upper())]
    bound = [one["altered"] or one["indexed"] for one in BOUND.finditer(sql)]
    return found + [f"a rule for the rows of {table}" for table in bound if table not in made]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_what_is_applied_before_a_release_only_adds(folder: Path) -> None:
    new = [one for one in read(folder) if one.name not in released() and one.half == BEFORE]
    made = {table for one in new for table in MADE.findall(_plain(one.sql))}
    refused = {one.name: why for one in new if (why := _why_not_before(one, made))}
    assert refused == {}, (
        "the version before still runs then: what takes away goes into a file NNNN_post_*.sql of its own"
    )


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE a DROP COLUMN b;",
        "DROP INDEX a_by_b;",
        "ALTER TABLE a RENAME COLUMN b TO c;",
        "ALTER TABLE a ADD COLUMN b text NOT NULL;",
        "ALTER TABLE a ADD COLUMN IF NOT EXISTS b text NOT NULL, ADD COLUMN c int DEFAULT 1;",
        "ALTER TABLE a ALTER COLUMN b SET NOT NULL;",
        "ALTER TABLE a ALTER COLUMN b TYPE bigint;",
        "ALTER TABLE a ADD CONSTRAINT positive CHECK (b > 0) NOT VALID;",
        "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS a_once ON a (b);",
        "TRUNCATE a;",
    ],
)
def test_what_takes_away_is_recognized(sql: str) -> None:
    assert _why_not_before(Migration("s/0001_pre_x.sql", BEFORE, sql), {"new"})


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE new (id int PRIMARY KEY, name text NOT NULL); CREATE UNIQUE INDEX new_once ON new (name);",
        "ALTER TABLE a ADD COLUMN b text; -- DROP COLUMN c comes after",
        "ALTER TABLE a ADD COLUMN b text NOT NULL DEFAULT 'DROP TABLE';",
        "ALTER TABLE a ADD COLUMN b text DEFAULT '' NOT NULL;",
        "ALTER TABLE a ALTER COLUMN b DROP NOT NULL, ALTER COLUMN c DROP DEFAULT;",
        "ALTER TABLE new ADD CONSTRAINT positive CHECK (b > 0);",
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM a; DROP TABLE x; END $$;",
        "CREATE INDEX a_by_b ON a (b) WHERE b IS NOT NULL;",
    ],
)
def test_what_only_adds_is_allowed(sql: str) -> None:
    assert _why_not_before(Migration("s/0001_pre_x.sql", BEFORE, sql), {"new"}) == []


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_an_index_that_an_operator_dropped_by_hand_stops_no_migration(folder: Path) -> None:
    new = [one for one in read(folder) if one.name.rpartition("/")[2] >= "0067"]  # those before are applied somewhere
    dropped = r"DROP INDEX (?!CONCURRENTLY IF EXISTS \w+\s*;)"
    assert [one.name for one in new if re.search(dropped, _plain(one.sql), re.IGNORECASE)] == []


AGAIN = re.compile(
    rf"{INDEX_MADE.pattern}|DROP INDEX CONCURRENTLY IF EXISTS \w+|ALTER TABLE \w+ VALIDATE CONSTRAINT \w+"
    r"|ALTER TABLE \w+ DETACH PARTITION \w+ (?:CONCURRENTLY|FINALIZE)|VACUUM\b|ANALYZE\b",
    re.IGNORECASE,
)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_what_is_applied_outside_a_transaction_can_be_applied_again(folder: Path) -> None:
    loose = [one for one in read(folder) if not one.in_transaction]
    assert [one.name for one in loose if "$" in one.sql or any(said.count("'") % 2 for said in one.statements)] == [], (
        "no text with `;` or `--` in it: statements are told apart by `;`, and comments are taken away"
    )
    assert [said for one in loose for said in one.statements if not AGAIN.match(said)] == []
