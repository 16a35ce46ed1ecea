"""What a report of somebody known leads to, before any store has a say in it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.signup.decisions.reports import Claimed, ClaimRemoved, decide
from services.signup.model import Change, Claim, Known, Opened, Picture
from shared.contracts.signup import CandidateReportedV1
from tests.fakes.clock import NOON

ANA = Known("ana", b"mailbox", confirmed=False)
CLAIM = Claim("acme", "1", "ana", "emp_one", registered=True, happened_at=NOON)


def told(change: Change, *, hours: float | None = None) -> Opened:
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
    return Opened("e1", event, blind_index=b"mailbox" if change == "signed_up" else None)


def known(person: Known) -> Picture:
    return Picture({("acme", "1"): CLAIM}, {"ana": person}, {b"mailbox": person})


@pytest.mark.parametrize(
    ("has_spoken", "hours", "may_propose"),
    [(False, 1, True), (False, -1, False), (True, 1, False), (False, None, True)],
)
def test_who_has_spoken_is_proposed_nothing_and_nobody_what_is_older_than_known(
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
