"""The courier's rules as plain functions."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.signup.courier import decisions
from services.signup.courier.model import (
    Again,
    CalledOff,
    Consent,
    ConsentCheck,
    Handed,
    Mail,
    NotTaken,
    Over,
    Refused,
    Settle,
    State,
    Taken,
    Unknown,
)
from shared.contracts.outreach_gateway import OutreachDecidedV1
from tests.fakes.clock import NOON

PERSON = "0192f0c1-2a3b-7c4d-8e5f-60718293a4b5"
MAIL = Mail(
    kind="outreach",
    id="o_1",
    candidate=PERSON,
    employer="emp_a",
    version=3,
    good_until=NOON + timedelta(minutes=10),
    sealed="jwe",
)
GRANT = Consent(PERSON, 1, ("match", "contact"))


def decided(version: int, outcome: str = "admitted") -> OutreachDecidedV1:
    admitted = outcome == "admitted"
    return OutreachDecidedV1.model_validate(
        {
            "outreach": "o_1",
            "version": version,
            "candidate": PERSON,
            "employer": "emp_a",
            "outcome": outcome,
            "policy": "2026-12",
            "at": NOON,
            "good_until": NOON + timedelta(minutes=10) if admitted else None,
            "sealed": "jwe" if admitted else None,
        }
    )


def test_an_admitted_outreach_becomes_a_mail_to_send() -> None:
    mail = decisions.after_decision(None, decided(3))
    assert mail == MAIL


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_version_that_is_not_higher_changes_nothing(version: int) -> None:
    assert decisions.after_decision(MAIL, decided(version, "cancelled")) is None


@pytest.mark.parametrize("outcome", ["cancelled", "delayed", "dropped"])
def test_a_later_no_makes_an_unsent_mail_void(outcome: str) -> None:
    mail = decisions.after_decision(MAIL, decided(4, outcome))
    assert mail is not None
    assert (mail.state, mail.sealed, mail.good_until) == ("void", None, None)


def test_a_no_that_comes_first_keeps_an_older_yes_out() -> None:
    first = decisions.after_decision(None, decided(4, "cancelled"))
    assert first is not None
    assert first.state == "void"
    assert decisions.after_decision(first, decided(3)) is None


@pytest.mark.parametrize("state", ["returned", "withheld", "void"])
def test_what_was_not_sent_may_be_admitted_again(state: State) -> None:
    mail = decisions.after_decision(replace(MAIL, state=state), decided(5))
    assert mail is not None
    assert (mail.state, mail.version) == ("ready", 5)


@pytest.mark.parametrize("state", ["sending", "delivered", "bounced", "doubtful"])
@pytest.mark.parametrize("outcome", ["admitted", "cancelled"])
def test_what_the_relay_may_have_seen_is_never_made_ready_again(state: State, outcome: str) -> None:
    mail = decisions.after_decision(replace(MAIL, state=state), decided(5, outcome))
    assert mail is not None
    assert (mail.state, mail.version, mail.admitted) == (state, 5, outcome == "admitted")


def test_an_admission_without_words_is_refused() -> None:
    with pytest.raises(ValueError, match="sealed"):
        decisions.after_decision(None, decided(3).model_copy(update={"sealed": None}))


def test_a_mail_leaves_with_a_grant_and_in_its_slot() -> None:
    assert decisions.stopped(MAIL, GRANT, at=NOON) is None


@pytest.mark.parametrize(
    "consent",
    [
        None,
        replace(GRANT, purposes=("match",)),
        replace(GRANT, purposes=()),
        replace(GRANT, blocked_employers=("emp_b", "emp_a")),
        replace(GRANT, paused_until=NOON + timedelta(seconds=1)),
        replace(GRANT, ends_at=NOON),
    ],
)
def test_without_a_live_grant_a_mail_is_withheld(consent: Consent | None) -> None:
    assert decisions.stopped(MAIL, consent, at=NOON) == Settle("withheld", decisions.NO_GRANT)


def test_a_pause_that_is_over_and_another_employers_block_stop_nothing() -> None:
    consent = replace(GRANT, paused_until=NOON, ends_at=NOON + timedelta(seconds=1), blocked_employers=("emp_b",))
    assert decisions.stopped(MAIL, consent, at=NOON) is None


def test_a_mail_whose_slot_is_over_goes_back() -> None:
    late = NOON + timedelta(minutes=10, milliseconds=1)
    assert decisions.stopped(MAIL, GRANT, at=NOON + timedelta(minutes=10)) is None
    assert decisions.stopped(MAIL, GRANT, at=late) == Settle("returned", decisions.SLOT_OVER)


def test_a_notice_needs_no_grant_and_ends_with_its_link() -> None:
    notice = Mail(kind="notice", id="n_1", candidate=PERSON, version=1, good_until=NOON, purpose="confirm")
    assert decisions.stopped(notice, None, at=NOON) is None
    after = decisions.stopped(notice, None, at=NOON + timedelta(seconds=1))
    assert after is not None
    assert after.outcome == "returned"


@pytest.mark.parametrize(
    ("handed", "expected"),
    [
        (Taken(), Over(MAIL, "delivered")),
        (Refused("550 5.1.1"), Over(MAIL, "bounced", "550 5.1.1")),
        (Unknown("connection lost"), Over(MAIL, "doubtful", "connection lost")),
        (NotTaken("451"), Again(MAIL, NOON + timedelta(seconds=1), 1)),
        (CalledOff(), Again(MAIL, NOON, 0)),
    ],
)
def test_an_attempt_ends_in_exactly_one_way(handed: Handed, expected: Again | Over) -> None:
    assert decisions.after_attempt(MAIL, handed, at=NOON) == expected


def test_attempts_are_spaced_out_up_to_a_minute() -> None:
    pauses = [(decisions.again_at(attempt, at=NOON) - NOON).total_seconds() for attempt in (1, 2, 3, 7, 1000)]
    assert pauses == [1, 2, 4, 60, 60]


def test_a_repeated_outcome_is_the_same_event() -> None:
    first, second = (decisions.report(Over(MAIL, "delivered"), at=at) for at in (NOON, NOON + timedelta(seconds=1)))
    assert first is not None
    assert second is not None
    assert first[1] == second[1] == "o_1.3.delivered"
    assert first[0].decision_version == 3


def test_a_notice_is_reported_to_nobody() -> None:
    notice = Mail(kind="notice", id="n_1", candidate=PERSON, version=1, good_until=NOON, purpose="confirm")
    assert decisions.report(Over(notice, "doubtful"), at=NOON) is None


def test_a_check_is_good_for_half_a_second_and_the_words_leave_within_nine_tenths() -> None:
    check = ConsentCheck(100.0)
    assert check.lets_start(100.5)
    assert not check.lets_start(100.51)
    assert check.lets_hand_over(100.89)
    assert not check.lets_hand_over(100.91)
