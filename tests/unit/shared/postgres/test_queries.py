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


def test_a_part_is_filled_in_wherever_it_is_named_except_in_a_text_or_a_comment(tmp_path: Path) -> None:
    parts = "-- part: cols\na, b\n-- part: whose\nid = 1\n"
    statement = (
        "SELECT :cols, now()::text, '12:cols', 'it''s :cols' -- others' :cols\nFROM t WHERE :whose AND x = :cols"
    )
    (found,) = load(_file(tmp_path, f"{parts}-- name: one\n{statement}\n")).values()
    filled = "SELECT a, b, now()::text, '12:cols', 'it''s :cols' -- others' :cols\nFROM t WHERE id = 1 AND x = a, b"
    assert found == filled


def test_a_part_that_stands_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="part stands twice"):
        load(_file(tmp_path, "-- part: cols\na\n-- part: cols\nb\n-- name: one\nSELECT :cols\n"))


def test_a_part_that_no_statement_uses_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no statement uses whose"):
        load(_file(tmp_path, "-- part: cols\na\n-- part: whose\nb\n-- name: one\nSELECT :cols, ':whose'\n"))


def test_the_plumbings_own_statements_load() -> None:
    assert {"note_in_inbox", "write_to_outbox", "take_from_outbox"} <= set(SQL)
