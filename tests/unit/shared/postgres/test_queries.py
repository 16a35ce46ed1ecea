"""Statements are found by their names."""

from pathlib import Path

import pytest

from shared.messaging.unit import SQL
from shared.postgres.queries import load


def _file(folder: Path, text: str) -> Path:
    path = folder / "queries.sql"
    path.write_text(text)
    return path


def test_each_statement_is_found_by_its_name(tmp_path: Path) -> None:
    found = load(
        _file(tmp_path, "-- what these are for\n\n-- name: one\nSELECT 1\n\n-- name: two\n-- why\nSELECT 2;\n")
    )
    assert found == {"one": "SELECT 1", "two": "-- why\nSELECT 2;"}


def test_a_name_that_stands_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="name stands twice"):
        load(_file(tmp_path, "-- name: one\nSELECT 1\n-- name: one\nSELECT 2\n"))


def test_sql_before_the_first_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="before the first"):
        load(_file(tmp_path, "SELECT 0\n-- name: one\nSELECT 1\n"))


def test_a_name_that_is_not_there_is_a_key_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        load(_file(tmp_path, "-- name: one\nSELECT 1\n"))["two"]


def test_the_plumbings_own_statements_load() -> None:
    assert {"note_in_inbox", "write_to_outbox", "take_from_outbox"} <= set(SQL)
