"""What is written of a change can be checked by whoever holds it."""

import hashlib
import json
from dataclasses import replace
from datetime import time
from typing import Any

import pytest

from services.consent.adapters import agreement
from services.consent.decisions import canonical, commitment, record
from services.consent.model import PURPOSES, Choices, Entry, Present, Quiet
from tests.fakes.clock import NOON

AGREED = agreement.read()
STRANGER = Present("0193-candidate", "person_x")
GRANTED = Choices(purposes=PURPOSES)


def entry(present: Present = STRANGER, choices: Choices = GRANTED, nonce: bytes = b"n" * 32) -> Entry:
    return record(
        present,
        choices,
        at=NOON,
        door="confirm",
        agreement=AGREED,
        where="https://x",
        home="https://y",
        nonce=nonce,
        receipt="r_1",
    )


def test_a_receipt_proves_its_leaf_without_us() -> None:
    made = entry(choices=Choices(purposes=("match",), quiet_hours=Quiet(time(21), time(8)), time_zone="America/Denver"))
    received: dict[str, Any] = json.loads(json.dumps(made.document))
    committed = json.dumps(received["ledger"]["committed"], sort_keys=True, separators=(",", ":")).encode()
    assert hashlib.sha256(b"n" * 32 + committed).hexdigest() == received["ledger"]["leaf"] == made.leaf.hex()


def test_a_receipt_holds_the_agreement_to_the_letter() -> None:
    notice = entry().document["record"]["notice"]
    assert hashlib.sha256(notice["text"].encode()).hexdigest() == notice["sha256"]
    assert (notice["version"], notice["language"]) == (AGREED.version, "en")
    for purpose in AGREED.purposes:
        assert purpose.label in notice["text"]


def test_a_receipt_never_holds_the_candidates_id() -> None:
    assert "0193-candidate" not in json.dumps(entry().document)


def test_each_leaf_commits_to_the_one_before() -> None:
    first = entry()
    second = entry(replace(STRANGER, version=1, choices=first.choices, leaf=first.leaf), Choices())
    assert (second.version, second.previous) == (2, first.leaf)
    assert second.document["ledger"]["committed"]["previous"] == first.leaf.hex()


def test_any_edit_of_what_was_committed_breaks_the_leaf() -> None:
    committed = entry().document["ledger"]["committed"]
    assert commitment(b"n" * 32, committed) == entry().leaf
    for edited in ({**committed, "version": 2}, {**committed, "previous": "00"}, {**committed, "state": {}}):
        assert commitment(b"n" * 32, edited) != entry().leaf
    assert commitment(b"m" * 32, committed) != entry().leaf


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [((), PURPOSES, "given"), (PURPOSES, (), "withdrawn"), (("match",), ("match",), "changed"), (("match",), ("contact",), "given")],
)  # fmt: skip
def test_a_receipt_says_what_happened(before: Any, after: Any, kind: str) -> None:
    present = replace(STRANGER, version=1, choices=Choices(purposes=before), leaf=b"l" * 32)
    made = entry(present, Choices(purposes=after)).document["record"]
    assert made["event"]["type"] == kind
    assert [part["state"] == "on" for part in made["processing"]] == [purpose in after for purpose in PURPOSES]


def test_a_first_no_is_a_decline() -> None:
    assert entry(choices=Choices()).document["record"]["event"]["type"] == "declined"


def test_canonical_json_does_not_depend_on_the_order_of_names() -> None:
    assert canonical({"b": [1, None], "a": "é"}) == '{"a":"é","b":[1,null]}'.encode()
