"""Nobody leaves anything behind in a session of PostgreSQL: connections go back to the pool as they are."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(
    file for folder in ("services", "shared") for kind in ("*.sql", "*.py") for file in (ROOT / folder).rglob(kind)
)
OF_A_SESSION = re.compile(
    r"""\bpg_(?:try_)?advisory_lock(?:_shared)?\( | \bset_config\((?![^()]*,\s*true\)) | \bLISTEN\s+\w | \bWITH\s+HOLD\b
    | (?:^--\ name:\ \w+\n | ; \s* | execute\(f?" ) (?:RE)?SET\s+(?!LOCAL\b)""",
    re.VERBOSE | re.MULTILINE,
)
GIVEN_BACK = {
    "shared/postgres/migrate.py": "pg_advisory_unlock",  # one process migrates at a time; and RESET lock_timeout
    "shared/postgres/restored.sql": "pg_advisory_unlock",  # one process replays at a time
    "shared/postgres/notices.py": "stack.callback(_cut, connection)",  # it listens over a connection of its own, which ends with it
}


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT pg_try_advisory_lock($1, $2)",
        "SELECT set_config('a.b', 'c', false)",
        "-- name: quick\nSET statement_timeout = 1",
        "SELECT 1; SET ROLE someone",
        'execute("SET TIME ZONE 0")',
        "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
    ],
)
def test_what_outlives_its_transaction_is_recognized(statement: str) -> None:
    assert OF_A_SESSION.search(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT pg_advisory_xact_lock($1)",
        "SELECT set_config('a.b', $2, true)",
        'execute(f"SET LOCAL lock_timeout = 1")',
        "UPDATE a\nSET b = 1",
        "ON CONFLICT DO UPDATE SET b = 1",
    ],
)
def test_what_ends_with_its_transaction_is_allowed(statement: str) -> None:
    assert not OF_A_SESSION.search(statement)


def test_no_statement_outlives_its_transaction_but_those_that_are_given_back() -> None:
    found = {str(file.relative_to(ROOT)) for file in FILES if OF_A_SESSION.search(file.read_text(encoding="utf-8"))}
    assert found == set(GIVEN_BACK)
    for name, how in GIVEN_BACK.items():
        assert how in (ROOT / name).read_text(encoding="utf-8")
