"""What vendors are told to send: the checked-in schema is that of the models, and the examples hold to it."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from services.signup.api.cloudevents import CloudEventIn
from services.signup.api.envelopes import from_headers, from_json
from services.signup.api.partner_schema import FILE, text

EXAMPLES = FILE.parent / "examples"
VALIDATOR = Draft202012Validator(json.loads(FILE.read_text("utf-8")))


def example(name: str) -> Any:
    return json.loads((EXAMPLES / f"{name}.json").read_text("utf-8"))


EVENTS = {
    **{name: example(name) for name in ("minimal", "complete", "base64")},
    **{f"batch {place}": one for place, one in enumerate(example("batch"))},
}


def test_the_checked_in_schema_is_that_of_the_models() -> None:
    assert FILE.read_text("utf-8") == text(), (
        f"{FILE.name} is stale. Run `make schemas`, review the difference and commit it."
    )
    Draft202012Validator.check_schema(json.loads(text()))


@pytest.mark.parametrize("name", sorted(EVENTS))
def test_an_example_holds_to_the_schema_and_is_understood(name: str) -> None:
    VALIDATOR.validate(EVENTS[name])
    CloudEventIn.model_validate(from_json(EVENTS[name]).event)


def test_the_example_in_binary_mode_is_understood() -> None:
    given = example("binary")
    headers = [(name.lower().encode(), value.encode()) for name, value in given["headers"].items()]
    event = from_headers(headers, json.dumps(given["body"]).encode()).event
    VALIDATOR.validate(event)
    assert CloudEventIn.model_validate(event).id == "order 12"


def test_every_example_is_tried() -> None:
    assert {path.stem for path in EXAMPLES.iterdir()} == {"minimal", "complete", "base64", "batch", "binary"}
    assert {one["type"] for one in EVENTS.values()} == {
        "candidate.signed_up", "candidate.changed", "candidate.hired", "candidate.deleted",
    }  # fmt: skip


def _set(*path: str, to: object) -> Callable[[dict[str, Any]], None]:
    def change(event: dict[str, Any]) -> None:
        for name in path[:-1]:
            event = event[name]
        event[path[-1]] = to

    return change


@pytest.mark.parametrize(
    "change",
    [
        lambda event: event.pop("id"), lambda event: event.pop("data"), _set("data_base64", to="e30="), _set("type", to="x"),
        _set("un_heard", to="x"), _set("ext", to={"a": 1}), _set("data", "more", to=1), lambda event: event["data"].pop("person"),
        _set("data", "person", "emails", to=[]), _set("data", "profile", "years", to="six"), _set("specversion", to="1.1"),
    ],
)  # fmt: skip
def test_what_is_refused_at_the_door_does_not_hold_to_the_schema(change: Callable[[dict[str, Any]], None]) -> None:
    event = json.loads(json.dumps(EVENTS["complete"]))
    change(event)
    assert not VALIDATOR.is_valid(event)


def test_the_docs_lead_to_schema_and_examples() -> None:
    docs = (Path(__file__).parents[2] / "docs/cloudevents.md").read_text("utf-8")
    assert "shared/contracts/partner/candidate-event.schema.json" in docs
    assert all(f"partner/examples/{path.name}" in docs for path in EXAMPLES.iterdir())


def test_every_rule_of_the_conformance_table_has_its_test() -> None:
    root = Path(__file__).parents[2]
    named = set(re.findall(r"`(test_\w+)`", (root / "docs/cloudevents.md").read_text("utf-8")))
    folder = root / "tests/integration/signup"
    there = {name: set(re.findall(r"^async def (test_\w+)", (folder / name).read_text("utf-8"), re.MULTILINE))
             for name in ("test_cloudevents.py", "test_events.py")}  # fmt: skip
    assert named <= there["test_cloudevents.py"] | there["test_events.py"]
    assert there["test_cloudevents.py"] - named == {"test_a_binary_event_without_a_specversion_is_none"}
