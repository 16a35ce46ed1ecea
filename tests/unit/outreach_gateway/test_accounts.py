"""What an employer's answer holds, and what the operator's."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from services.outreach_gateway.answers import Course, Told
from services.outreach_gateway.api.accounts import in_full, shown
from services.outreach_gateway.api.edge import Edge
from services.outreach_gateway.model import Rule, State
from services.outreach_gateway.ports.requests import Account
from shared.ticks import Ticks
from tests.fakes.clock import NOON

WAITS = Account(
    id="o_1",
    employer="emp_a",
    member_ref="m_1",
    course=Course(State.SUBMITTED, NOON, date(2026, 12, 4)),
    told=Told.WAITING,
    expires_at=NOON + timedelta(days=14),
    decision=None,
    rule=None,
    policy=None,
    decided_at=None,
    slot_at=None,
)
DECIDED = {
    "delayed": ("delay", State.DELAYED, Rule.NETWORK_GAP),
    "blocked": ("drop", State.DROPPED, Rule.EMPLOYER_BLOCKED),
    "admitted": ("admit", State.ADMITTED, None),
    "delivered": ("admit", State.DELIVERED, None),
    "bounced": ("admit", State.BOUNCED, Rule.MAILBOX_GONE),
}


class _Policy:
    version = "2026-12"


@pytest.fixture
def edge() -> Edge:
    made = object.__new__(Edge)
    object.__setattr__(made, "ticks", Ticks(b"k" * 32))
    object.__setattr__(made, "policy", _Policy())
    return made


def decided(how: str) -> Account:
    decision, state, rule = DECIDED[how]
    sent_at = NOON + timedelta(hours=3) if state in (State.DELIVERED, State.BOUNCED) else None
    return replace(
        WAITS,
        course=replace(WAITS.course, state=state, sent_at=sent_at),
        decision=decision,  # type: ignore[arg-type]  # one of the four words
        rule=rule,
        policy="2026-11",
        decided_at=NOON + timedelta(hours=1),
        slot_at=NOON + timedelta(days=2),
    )


@pytest.mark.parametrize("how", DECIDED)
def test_while_it_is_told_to_wait_each_byte_of_the_answer_is_the_same_whatever_was_decided(
    edge: Edge, how: str
) -> None:
    assert shown(edge, decided(how)).model_dump_json() == shown(edge, WAITS).model_dump_json()


def test_what_was_sent_is_told_with_its_day_and_without_what_the_mailbox_did(edge: Edge) -> None:
    told = {how: shown(edge, replace(decided(how), told=Told.SENT)) for how in ("delivered", "bounced")}
    assert told["delivered"] == told["bounced"]
    assert told["bounced"].sent_on == NOON.date()


def test_the_operator_sees_what_was_decided_and_why() -> None:
    full = in_full(decided("blocked"))
    assert full.decision is not None
    assert (full.state, full.told, full.decision.rule) == (State.DROPPED, Told.WAITING, "employer_blocked")
    assert full.decision.at == NOON + timedelta(hours=1)
    delayed = in_full(decided("delayed")).decision
    assert delayed is not None and delayed.until == NOON + timedelta(days=2)
    assert in_full(WAITS).decision is None
