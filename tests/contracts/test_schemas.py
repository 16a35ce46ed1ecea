"""The checked-in schemas are those of the classes, and a version only ever gains optional fields."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared.contracts import schema_files
from shared.contracts.registry import EVENTS

TYPE = "fairpool.memberships.changed.v1"


def _checked_in(type_: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(schema_files.path_of(type_).read_text("utf-8"))
    return found


@pytest.mark.parametrize("type_", sorted(EVENTS))
def test_a_version_is_extended_only_by_optional_fields(type_: str) -> None:
    differences = schema_files.breaks(_checked_in(type_), schema_files.schema_of(EVENTS[type_]))
    assert not differences, (
        f"{type_} is a contract and may only gain optional fields, but: {'; '.join(differences)}. "
        "Leave this version as it was and make a new class with the next version."
    )


@pytest.mark.parametrize("type_", sorted(EVENTS))
def test_the_checked_in_schema_is_that_of_the_class(type_: str) -> None:
    assert schema_files.path_of(type_).read_text("utf-8") == schema_files.text_of(EVENTS[type_]), (
        f"shared/contracts/schemas/{type_}.json is stale. Run `make schemas`, review the difference and commit it."
    )


def test_there_is_no_schema_without_an_event() -> None:
    assert {path.stem for path in schema_files.FOLDER.glob("*.json")} == set(EVENTS)


def _without_version(schema: dict[str, Any]) -> None:
    del schema["properties"]["version"]
    schema["required"].remove("version")


def _version_as_text(schema: dict[str, Any]) -> None:
    schema["properties"]["version"]["type"] = "string"


def _version_optional(schema: dict[str, Any]) -> None:
    schema["required"].remove("version")


def _new_required(schema: dict[str, Any]) -> None:
    schema["properties"]["zone"] = {"type": "string"}
    schema["required"].append("zone")


def _inner_field_gone(schema: dict[str, Any]) -> None:
    del schema["$defs"]["Membership"]["properties"]["since"]


def _inner_required(schema: dict[str, Any]) -> None:
    schema["$defs"]["Membership"]["required"].append("rank")


def _moved(schema: dict[str, Any]) -> None:
    schema["x-topic"] = "another-topic"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_without_version, "version is gone"),
        (_version_as_text, 'version: type was "integer", is "string"'),
        (_version_optional, "version is no longer required"),
        (_new_required, "zone is now required"),
        (_inner_field_gone, "pools.since is gone"),
        (_inner_required, "pools.rank is now required"),
        (_moved, "x-topic was memberships, is another-topic"),
    ],
)
def test_a_change_that_breaks_readers_is_named(change: Callable[[dict[str, Any]], None], said: str) -> None:
    changed = copy.deepcopy(_checked_in(TYPE))
    change(changed)
    assert said in schema_files.breaks(_checked_in(TYPE), changed)


def test_new_values_of_an_enumeration_break_readers() -> None:
    changed = copy.deepcopy(_checked_in("fairpool.outreach.decided.v1"))
    changed["properties"]["outcome"]["enum"].append("wished")
    assert schema_files.breaks(_checked_in("fairpool.outreach.decided.v1"), changed)


def test_an_optional_field_and_other_words_break_nobody() -> None:
    changed = copy.deepcopy(_checked_in(TYPE))
    changed["properties"]["why"] = {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}
    changed["$defs"]["Membership"]["properties"]["rank"] = {"type": "integer", "default": 0}
    changed["description"] = "Said better."
    assert schema_files.breaks(_checked_in(TYPE), changed) == []


def test_a_breaking_change_is_not_written_over_the_old_schema(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(schema_files, "FOLDER", tmp_path)
    assert schema_files.main() == 0
    path = schema_files.path_of(TYPE)
    older = json.loads(path.read_text("utf-8"))
    _new_required(older)
    path.write_text(json.dumps(older), "utf-8")
    assert schema_files.main() == 1
    assert json.loads(path.read_text("utf-8")) == older
    assert "Make a new class with the next version" in capsys.readouterr().err


def test_a_bound_may_come_where_there_was_none_and_never_changes() -> None:
    bounded = copy.deepcopy(_checked_in(TYPE))
    assert bounded["properties"]["version"].pop("maximum") == 2**31 - 1
    assert schema_files.breaks(bounded, _checked_in(TYPE)) == []
    assert schema_files.breaks(_checked_in(TYPE), bounded)
    narrower = copy.deepcopy(_checked_in(TYPE))
    narrower["properties"]["version"]["maximum"] = 7
    assert schema_files.breaks(_checked_in(TYPE), narrower)
