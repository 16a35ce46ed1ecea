"""What a report of somebody known leads to, before any store has a say in it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.signup.decisions.reports import Claimed, ClaimRemoved, Kept, Noise, decide, possible_stubs
from services.signup.model.people import Change
from services.signup.model.records import Claim, Known, Picture
from services.signup.model.reports import Opened
from shared.contracts.signup import CandidateReportedV1
from tests.fakes.clock import NOON

ANA = Known("ana", b"mailbox", confirmed=False)
CLAIM = Claim("acme", "1", "ana", "emp_one", registered=True, happened_at=NOON)


def told(change: Change, *, hours: float | None = None, mailbox: bytes | None = None) -> Opened:
    """`hours`: after noon, by the vendor's own clock."""
    event = CandidateReportedV1(
        vendor="acme",
        record="1",
        employer="emp_one",
        change=change,
        happened_at=None if hours is None else NOON + timedelta(hours=hours),
        reported_at=NOON,
        intake_key=NOON.date(),
        sealed="",
    )
    return Opened("e1", event, blind_index=mailbox or (b"mailbox" if change == "signed_up" else None))


def known(person: Known) -> Picture:
    return Picture({("acme", "1"): CLAIM}, {"ana": person}, {b"mailbox": person})


@pytest.mark.parametrize(
    ("has_spoken", "hours", "may_propose"),
    [(False, 1, True), (False, -1, False), (True, 1, True), (False, None, True)],
)
def test_what_is_told_is_proposed_also_to_who_has_spoken_but_not_what_is_older_than_known(
    has_spoken: bool, hours: float | None, may_propose: bool
) -> None:
    found = decide(told("signed_up", hours=hours), known(replace(ANA, has_spoken=has_spoken)), {})
    assert isinstance(found, Claimed)
    assert found.may_propose is may_propose


@pytest.mark.parametrize("confirmed", [True, False])
def test_only_a_stub_may_go_with_its_claim(confirmed: bool) -> None:
    found = decide(told("deleted"), known(replace(ANA, confirmed=confirmed)), {})
    assert isinstance(found, ClaimRemoved)
    assert found.may_erase is not confirmed


DENIED = Picture({}, {"ana": ANA}, {b"mailbox": ANA}, not_theirs=frozenset({(("acme", "1"), "ana")}))


@pytest.mark.parametrize("change", ["signed_up", "changed", "hired"])
def test_a_record_that_its_person_denied_says_nothing_of_them(change: Change) -> None:
    assert decide(told(change), DENIED, {}) == Noise("not_theirs")


def test_a_denied_record_that_is_deleted_is_remembered_as_any_other() -> None:
    assert isinstance(decide(told("deleted"), DENIED, {}), Kept)


def test_a_denied_record_whose_email_is_corrected_is_of_whoever_has_that_one() -> None:
    report = told("changed", mailbox=b"other")
    (stub,) = possible_stubs([report], DENIED, at=NOON, new_id=lambda: "bo").values()
    outcome = decide(report, DENIED.with_new([stub]), {("acme", "1"): "bo"})
    assert (type(outcome).__name__, getattr(outcome, "candidate", None)) == ("Registered", "bo")


def test_another_record_of_the_same_vendor_still_speaks_of_who_denied_one() -> None:
    another = replace(DENIED, not_theirs=frozenset({(("acme", "2"), "ana")}))
    assert isinstance(decide(told("signed_up"), another, {}), Claimed)
