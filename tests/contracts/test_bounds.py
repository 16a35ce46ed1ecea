"""Nothing that an event carries is larger than its readers' columns: a record can't stop a service by its size."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from shared.contracts.base import State
from shared.contracts.bounds import LARGEST_INTEGER
from shared.contracts.consent import ConsentChangedV1
from shared.contracts.operator import TenantChangedV1
from shared.contracts.registry import EVENTS
from shared.contracts.schema_files import schema_of
from shared.contracts.signup import CandidateKeyPublishedV1
from shared.messaging.envelope import Record, Undecodable, decode

AT = datetime(2026, 11, 22, tzinfo=UTC)
PERSON = "01890000-0000-7000-8000-000000000001"


def unbounded(schema: dict[str, Any], at: str = "") -> Iterator[str]:
    """Where a schema says nothing of how large something may be."""
    kind = schema.get("type")
    if kind == "integer" and not {"minimum", "maximum"} <= schema.keys():
        yield f"{at}: integer"
    if kind == "string" and not schema.keys() & {"maxLength", "pattern", "enum", "const", "format"}:
        yield f"{at}: string"
    if kind == "array" and "maxItems" not in schema:
        yield f"{at}: array"
    if kind == "number":
        yield f"{at}: number"
    for name, part in schema.get("properties", {}).items():
        yield from unbounded(part, f"{at}.{name}")
    for name, part in schema.get("$defs", {}).items():
        yield from unbounded(part, f"{at}:{name}")
    for part in schema.get("anyOf", ()):
        yield from unbounded(part, at)
    if isinstance(schema.get("items"), dict):
        yield from unbounded(schema["items"], f"{at}[]")


@pytest.mark.parametrize("type_", sorted(EVENTS))
def test_every_number_text_and_list_has_a_bound(type_: str) -> None:
    assert list(unbounded(schema_of(EVENTS[type_]))) == []


def test_the_rule_can_fail() -> None:
    schema = {
        "properties": {"a": {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "null"}]}, "b": {"type": "string"}}
    }
    assert list(unbounded(schema)) == [".a: integer", ".b: string"]


@pytest.mark.parametrize("type_", sorted(type_ for type_, event in EVENTS.items() if event.KEY == "candidate"))
def test_a_person_is_a_uuid(type_: str) -> None:
    assert "pattern" in schema_of(EVENTS[type_])["properties"]["candidate"]


@pytest.mark.parametrize("type_", sorted(type_ for type_, event in EVENTS.items() if issubclass(event, State)))
def test_a_version_fits_the_columns_that_keep_it(type_: str) -> None:
    most = schema_of(EVENTS[type_])["properties"]["version"]["maximum"]
    assert most == (2**53 - 1 if EVENTS[type_] is TenantChangedV1 else LARGEST_INTEGER)


@pytest.mark.parametrize("key", ["", "canary", "A" * 42, "A" * 43])
def test_a_key_that_nothing_can_be_sealed_to_is_set_aside_and_not_repeated(key: str) -> None:
    event = CandidateKeyPublishedV1.model_construct(candidate=PERSON, version=1, public_key=key)
    headers = (("ce_id", b"e"), ("ce_source", b"s"), ("ce_type", event.TYPE.encode()))
    found = decode(Record("candidate-keys", 0, 0, None, event.model_dump_json().encode(), headers), None)
    assert isinstance(found, Undecodable)
    assert "public_key: no_x25519_key" in found.reason
    assert "canary" not in found.reason


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("version", 2**40, "version: less_than_equal"),
        ("version", -1, "version: greater_than_equal"),
        ("candidate", "no-uuid", "candidate: string_pattern_mismatch"),
        ("first_contacts_per_week", 2**31, "first_contacts_per_week: less_than_equal"),
        ("blocked_employers", ("e",) * 10_001, "blocked_employers: too_long"),
        ("time_zone", "z" * 129, "time_zone: string_too_long"),
    ],
)
def test_what_no_column_holds_is_set_aside_unread(field: str, value: object, rule: str) -> None:
    given: dict[str, Any] = {"candidate": PERSON, "version": 1, "at": AT, "purposes": ("match",)}
    event = ConsentChangedV1.model_construct(**(given | {field: value}))
    headers = (("ce_id", b"e"), ("ce_source", b"s"), ("ce_type", event.TYPE.encode()))
    found = decode(Record("consent-state", 0, 0, None, event.model_dump_json().encode(), headers), None)
    assert isinstance(found, Undecodable)
    assert rule in found.reason
    with pytest.raises(ValidationError):
        ConsentChangedV1(**(given | {field: value}))
