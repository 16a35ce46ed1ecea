"""Writes the schema of what a vendor sends to shared/contracts/partner: `python -m services.signup.api.partner_schema`."""

import json
import sys
from pathlib import Path
from typing import Any

import shared.contracts
from services.signup.api.cloudevents import CloudEventIn
from services.signup.api.envelopes import KNOWN

FILE = Path(shared.contracts.__file__).parent / "partner" / "candidate-event.schema.json"
_OTHERS = "^(?!(?:" + "|".join(sorted({*KNOWN, "data_base64"})) + ")$)[a-z0-9]+$"


def schema() -> dict[str, Any]:
    """One event in the JSON format. What it lets through is taken, unless a value is none (a state, a time zone, an email)."""
    made = CloudEventIn.model_json_schema(mode="validation")
    made["properties"]["data_base64"] = {
        "type": "string",
        "contentEncoding": "base64",
        "description": "`data` as base64 of its JSON in UTF-8, instead of it.",
    }
    made["required"].remove("data")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "fairpool:partner:candidate-event",
        **made,
        "title": "Candidate event",
        "description": "A CloudEvent that a vendor posts to /v1/events. Optional fields may also be null or blank.",
        "oneOf": [{"required": ["data"]}, {"required": ["data_base64"]}],
        "if": {"properties": {"type": {"const": "candidate.signed_up"}}},
        "then": {"properties": {"data": {"required": ["person"]}}},
        "patternProperties": {
            _OTHERS: {
                "type": ["boolean", "integer", "string", "null"],
                "description": "An extension attribute: passed over.",
            }
        },
    }


def text() -> str:
    """The schema as it is written to its file."""
    return json.dumps(schema(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), "utf-8")
    sys.stdout.write(f"written: {FILE.name}\n")
