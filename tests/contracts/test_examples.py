"""Each event's examples are what its readers understand and what its schema allows."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel

from shared.contracts.registry import EVENTS
from shared.contracts.schema_files import FOLDER, path_of
from shared.messaging.envelope import STRUCTURED, Received, Record, decode

EXAMPLES = FOLDER.parent / "examples"
ALL = sorted((type_, name) for type_ in EVENTS for name in ("minimal", "complete"))


def _read(type_: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((EXAMPLES / type_ / f"{name}.json").read_text("utf-8"))
    return found


def _decoded(whole: dict[str, Any]) -> Received[Any]:
    record = Record(
        EVENTS[whole["type"]].TOPIC.name, 0, 0, None, json.dumps(whole).encode(), (("content-type", STRUCTURED),)
    )
    received = decode(record, None)
    assert isinstance(received, Received), received
    return received


def test_every_event_has_its_two_examples_and_nothing_else_lies_there() -> None:
    found = {str(path.relative_to(EXAMPLES)) for path in EXAMPLES.rglob("*") if path.is_file()}
    assert found == {str(Path(type_) / f"{name}.json") for type_, name in ALL}


@pytest.mark.parametrize(("type_", "name"), ALL)
def test_an_example_is_understood_and_written_back_as_it_was(type_: str, name: str) -> None:
    whole = _read(type_, name)
    received = _decoded(whole)
    assert type(received.event) is EVENTS[type_]
    assert (received.id, received.source) == (whole["id"], whole["source"])
    assert json.loads(received.event.model_dump_json(exclude_unset=True)) == whole["data"]


@pytest.mark.parametrize(("type_", "name"), ALL)
def test_an_example_is_allowed_by_the_schema(type_: str, name: str) -> None:
    schema = json.loads(path_of(type_).read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(_read(type_, name)["data"])


@pytest.mark.parametrize(("type_", "name"), ALL)
def test_what_we_write_is_allowed_by_the_schema_too(type_: str, name: str) -> None:
    written = json.loads(_decoded(_read(type_, name)).event.model_dump_json())
    Draft202012Validator(json.loads(path_of(type_).read_text("utf-8"))).validate(written)


@pytest.mark.parametrize("type_", sorted(EVENTS))
def test_the_minimal_example_has_exactly_what_is_required(type_: str) -> None:
    required = {name for name, field in EVENTS[type_].model_fields.items() if field.is_required()}
    assert set(_read(type_, "minimal")["data"]) == required


@pytest.mark.parametrize("type_", sorted(EVENTS))
def test_the_complete_example_leaves_no_field_out(type_: str) -> None:
    def complete(value: object) -> bool:
        if isinstance(value, BaseModel):
            return value.model_fields_set == set(type(value).model_fields) and all(
                complete(getattr(value, name)) for name in type(value).model_fields
            )
        return all(map(complete, value)) if isinstance(value, tuple) else value is not None

    assert complete(_decoded(_read(type_, "complete")).event)


@pytest.mark.parametrize("type_", sorted(EVENTS))
def test_a_field_of_a_later_version_is_ignored(type_: str) -> None:
    whole = _read(type_, "complete")
    later = {**whole, "data": {**whole["data"], "a_field_of_tomorrow": {"any": "thing"}}}
    assert _decoded(later).event == _decoded(whole).event
