"""When an employer's question was answered, as the employer is told it."""

from datetime import datetime, timedelta

import pytest

from services.outreach_gateway.api.accounts import shown
from services.outreach_gateway.model import Rule, State
from services.outreach_gateway.ports import Account
from shared.web.tenants import Tenant
from tests.fakes.clock import NOON

EMPLOYER = Tenant("emp_a", "employer", "Acme", 1, (), None, None, suspended=False)
OPERATOR = Tenant("ops", "operator", "Ops", 1, (), None, None, suspended=False)


def answered_at(submitted_at: datetime, decided_at: datetime, reader: Tenant = EMPLOYER) -> datetime:
    account = Account(
        id="o_1",
        employer="emp_a",
        member_ref="m_1",
        state=State.DROPPED,
        submitted_at=submitted_at,
        expires_at=NOON + timedelta(days=14),
        decision="drop",
        rule=Rule.HOURS,
        policy="2026-12",
        decided_at=decided_at,
        slot_at=None,
    )
    decision = shown(account, reader).decision
    assert decision is not None
    return decision.at


@pytest.mark.parametrize("minutes", [0, 1, 59, 60, 61, 125])
def test_no_answer_is_told_to_be_older_than_its_question(minutes: int) -> None:
    asked = NOON + timedelta(minutes=13)
    assert answered_at(asked, asked + timedelta(minutes=minutes)) >= asked


def test_a_decision_is_told_to_the_hour_and_within_the_hour_of_the_question_as_the_question() -> None:
    asked = NOON + timedelta(minutes=13, milliseconds=7)
    same_hour = {answered_at(asked, asked + timedelta(minutes=minutes)) for minutes in (0, 5, 46)}
    assert same_hour == {asked}, "nothing of when in that hour"
    later = {answered_at(asked, NOON + timedelta(hours=1, minutes=minutes)) for minutes in (0, 5, 59)}
    assert later == {NOON + timedelta(hours=1)}


def test_an_operator_is_told_the_moment_itself() -> None:
    moment = NOON + timedelta(minutes=31)
    assert answered_at(NOON, moment, OPERATOR) == moment
