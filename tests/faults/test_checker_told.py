"""The checker's view of what employers are told: a reason, an hour, an untruth and a short list are found."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from deploy.checks.employers import (
    employers_are_told_a_word_and_a_day,
    every_sender_hears_by_the_day_it_was_told,
    no_list_names_fewer_than_five,
    what_is_told_sent_was_sent,
)
from deploy.checks.history import History
from deploy.checks.policy import FIRST_POLICY
from deploy.checks.told import Answer, Told
from deploy.checks.violation import Check
from tests.faults.test_checker import DAY, TUESDAY, delivered, outcome

TICK = TUESDAY + DAY
LAST_DAY = (TUESDAY + 14 * DAY).date()
SENT = Told("emp_a", "o_1", "sent", TUESDAY.date(), TICK)
KNOWN = replace(
    delivered(("o_1", "emp_a", TUESDAY)),
    now=TUESDAY + 20 * DAY,
    told=[SENT, Told("emp_a", "o_2", "not_sent", None, TUESDAY + 14 * DAY)],
    known_by={"o_1": LAST_DAY, "o_2": LAST_DAY},
)
WAITING = {
    "id": "o_1",
    "state": "waiting",
    "member_ref": "m_1",
    "submitted_at": "2026-11-24T18:30:00Z",
    "expires_at": "2026-12-07",
    "sent_on": None,
    "known_by": "2026-12-08",
    "policy": "2026-12",
    "detail": "It waits for a place in this person's week; you will hear by December 8 at the latest.",
}


def breaks(check: Check, history: History) -> bool:
    return bool(list(check(history, FIRST_POLICY)))


def test_what_may_be_told_breaks_nothing() -> None:
    answers = [
        Answer("outreach", "emp_a", WAITING),
        Answer("submission", "emp_a", {"id": "o_1", "state": "waiting", "known_by": "2026-12-08"}),
        Answer(
            "feed",
            "emp_a",
            {"id": "1", "outreach": "o_1", "state": "sent", "sent_on": "2026-11-24", "at": "2026-11-25T18:30:00Z"},
        ),
    ]
    history = replace(KNOWN, answers=answers, lists=[("p_1", 0), ("p_2", 5)])
    for check in (
        employers_are_told_a_word_and_a_day,
        what_is_told_sent_was_sent,
        every_sender_hears_by_the_day_it_was_told,
        no_list_names_fewer_than_five,
    ):
        assert not breaks(check, history), check.__name__


@pytest.mark.parametrize(
    "more",
    [
        {"decision": {"rule": "person_is_full"}},
        {"until": "2026-11-25T19:00:00Z"},
        {"state": "delayed"},
        {"state": "delivered"},
        {"sent_on": "2026-11-24T18:30:00Z"},
        {"known_by": "2026-12-08T03:00:00Z"},
        {"detail": "It is planned for 19:00."},
    ],
)
def test_a_reason_another_word_or_an_hour_is_found(more: dict[str, Any]) -> None:
    history = replace(KNOWN, answers=[Answer("outreach", "emp_a", WAITING | more)])
    assert breaks(employers_are_told_a_word_and_a_day, history)


def test_what_is_told_between_two_ticks_is_found_unless_it_is_the_senders_own_act() -> None:
    between = replace(SENT, outreach="o_3", at=TICK + timedelta(hours=1))
    assert breaks(employers_are_told_a_word_and_a_day, replace(KNOWN, told=[SENT, between]))
    own = replace(between, state="cancelled", sent_on=None)
    assert not breaks(employers_are_told_a_word_and_a_day, replace(KNOWN, told=[SENT, own]))
    assert not breaks(
        employers_are_told_a_word_and_a_day, replace(KNOWN, told=[SENT, between], told_every=timedelta(hours=1))
    )


@pytest.mark.parametrize(
    "told",
    [
        [replace(SENT, outreach="o_2")],
        [replace(SENT, sent_on=(TUESDAY + DAY).date())],
        [replace(SENT, at=TUESDAY + timedelta(hours=1))],
        [replace(SENT, state="not_sent", sent_on=None)],
        [SENT, replace(SENT, state="not_sent", sent_on=None, at=TICK + DAY)],
        [SENT, SENT],
    ],
    ids=["nothing went out", "another day", "on the day itself", "it went out", "two ends", "twice"],
)
def test_an_untruth_is_found(told: list[Told]) -> None:
    assert breaks(what_is_told_sent_was_sent, replace(KNOWN, told=told))


def test_what_was_taken_back_may_turn_out_to_have_been_sent() -> None:
    back = replace(SENT, state="cancelled", sent_on=None, at=TUESDAY + timedelta(seconds=3))
    assert not breaks(what_is_told_sent_was_sent, replace(KNOWN, told=[back, SENT]))


def test_a_mail_at_midnight_may_be_of_either_day() -> None:
    midnight = TUESDAY.replace(hour=23, minute=59, second=58)
    told = [replace(SENT, sent_on=(TUESDAY + DAY).date(), at=TICK + DAY)]
    assert not breaks(
        what_is_told_sent_was_sent, replace(KNOWN, outcomes=[outcome("o_1", "emp_a", midnight)], told=told)
    )


@pytest.mark.parametrize(
    "told",
    [
        [SENT],
        [SENT, Told("emp_a", "o_2", "not_sent", None, TUESDAY + 3 * DAY)],
    ],
    ids=["never", "before its day"],
)
def test_a_sender_who_hears_too_late_or_too_early_is_found(told: list[Told]) -> None:
    assert breaks(every_sender_hears_by_the_day_it_was_told, replace(KNOWN, told=told))


def test_until_its_day_is_over_a_sender_may_wait() -> None:
    history = replace(KNOWN, told=[SENT], now=TUESDAY + 14 * DAY)
    assert not breaks(every_sender_hears_by_the_day_it_was_told, history)


@pytest.mark.parametrize("size", [1, 4])
def test_a_list_of_fewer_than_five_is_found(size: int) -> None:
    assert breaks(no_list_names_fewer_than_five, replace(KNOWN, lists=[("p_1", size)]))
