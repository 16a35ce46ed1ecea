"""The courier's rules as plain functions."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from services.signup.courier import decisions
from services.signup.courier.model import (
    Again,
    CalledOff,
    Circuit,
    Consent,
    ConsentCheck,
    GrantNotice,
    Handed,
    Mail,
    NoAnswer,
    NoticePurpose,
    NotTaken,
    Over,
    Refused,
    RefusesUs,
    Settle,
    Standing,
    State,
    Stopped,
    Taken,
    Unheard,
)
from shared.contracts.outreach_gateway import OutreachDecidedV1
from shared.contracts.signup import JOIN
from shared.facts import UNKNOWN, Fact, Known
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
GOOD: Fact[Standing] = Known("good")
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
    assert decisions.stopped(MAIL, Known(GRANT), at=NOON, sender=GOOD) is None


def test_what_has_not_arrived_holds_a_mail_and_what_is_known_to_stand_against_it_ends_it() -> None:
    assert decisions.stopped(MAIL, UNKNOWN, at=NOON, sender=GOOD) == Unheard(decisions.NO_CONSENT_YET)
    assert decisions.stopped(MAIL, Known(GRANT), at=NOON, sender=UNKNOWN) == Unheard(decisions.NO_EMPLOYER_YET)
    out: Fact[Standing] = Known("suspended")
    assert decisions.stopped(MAIL, UNKNOWN, at=NOON, sender=out) == Settle("withheld", decisions.SENDER_OUT)
    none = Known(replace(GRANT, purposes=()))
    assert decisions.stopped(MAIL, none, at=NOON, sender=UNKNOWN) == Settle("withheld", decisions.NO_GRANT)
    late = NOON + timedelta(minutes=11)
    assert decisions.stopped(MAIL, UNKNOWN, at=late, sender=UNKNOWN) == Settle("returned", decisions.SLOT_OVER)


def test_an_invitation_waits_for_word_of_whoever_told_of_its_person() -> None:
    assert decisions.dropped(notice("confirm", "emp_a"), UNKNOWN) == Unheard(decisions.NO_INTRODUCER_YET)
    assert decisions.dropped(notice("confirm", "emp_a"), GOOD) is None
    assert decisions.dropped(notice("confirm", JOIN), UNKNOWN) is None
    assert decisions.dropped(MAIL, UNKNOWN) is None


@pytest.mark.parametrize(
    "consent",
    [
        replace(GRANT, purposes=("match",)),
        replace(GRANT, purposes=()),
        replace(GRANT, blocked_employers=("emp_b", "emp_a")),
        replace(GRANT, paused_until=NOON + timedelta(seconds=1)),
        replace(GRANT, ends_at=NOON),
    ],
)
def test_without_a_live_grant_a_mail_is_withheld(consent: Consent) -> None:
    assert decisions.stopped(MAIL, Known(consent), at=NOON, sender=GOOD) == Settle("withheld", decisions.NO_GRANT)


def test_a_pause_that_is_over_and_another_employers_block_stop_nothing() -> None:
    consent = replace(GRANT, paused_until=NOON, ends_at=NOON + timedelta(seconds=1), blocked_employers=("emp_b",))
    assert decisions.stopped(MAIL, Known(consent), at=NOON, sender=GOOD) is None


def test_a_mail_whose_slot_is_over_goes_back() -> None:
    late = NOON + timedelta(minutes=10, milliseconds=1)
    assert decisions.stopped(MAIL, Known(GRANT), at=NOON + timedelta(minutes=10), sender=GOOD) is None
    assert decisions.stopped(MAIL, Known(GRANT), at=late) == Settle("returned", decisions.SLOT_OVER)


def test_a_notice_needs_no_grant_and_ends_with_its_link() -> None:
    notice = Mail(kind="notice", id="n_1", candidate=PERSON, version=1, good_until=NOON, purpose="confirm")
    assert decisions.stopped(notice, UNKNOWN, at=NOON) is None
    after = decisions.stopped(notice, UNKNOWN, at=NOON + timedelta(seconds=1))
    assert after == Settle("returned", decisions.SLOT_OVER)


CLOSED = Circuit()
SECOND = timedelta(seconds=1)
UNCLEAR = RefusesUs("RCPT", "550 5.7.1", certain=False)
REFUSED = RefusesUs("AUTH", "535 5.7.8")
AWAY = NotTaken("connection lost", away=True)


@pytest.mark.parametrize(
    ("handed", "expected"),
    [
        (Taken(), Over(MAIL, "delivered")),
        (Refused("550"), Over(MAIL, "bounced", "550")),
        (Refused("550 5.1.1", mailbox_gone=True), Over(MAIL, "bounced", "550 5.1.1", mailbox_gone=True)),
        (NoAnswer("connection lost"), Over(MAIL, "doubtful", "connection lost")),
        (Stopped(Settle("withheld", "no grant")), Over(MAIL, "withheld", "no grant")),
        (NotTaken("451"), Again(MAIL, NOON + SECOND, 1)),
        (REFUSED, Again(MAIL, NOON + SECOND, 1)),
        (UNCLEAR, Again(MAIL, NOON + SECOND, 1)),
        (CalledOff("late"), Again(MAIL, NOON + SECOND, 1)),
        (CalledOff("behind"), Again(MAIL, NOON + SECOND, 1)),
        (CalledOff("not_marked"), Again(MAIL, NOON + SECOND, 1)),
        (CalledOff("stopping"), Again(MAIL, NOON, 0)),
        (CalledOff("resting"), Again(MAIL, NOON, 0)),
    ],
)
def test_an_attempt_ends_in_exactly_one_way(handed: Handed, expected: Again | Over) -> None:
    assert decisions.after_attempt(MAIL, handed, Circuit(), at=NOON) == expected


def test_a_mail_that_was_asked_for_by_a_page_and_arrives_says_so_of_the_mailbox_whatever_was_known_of_it() -> None:
    for mail in (notice("sign_in"), notice("confirm", JOIN)):
        assert decisions.after_attempt(mail, Taken(), Circuit(), at=NOON) == Over(mail, "delivered", mailbox_back=True)
    for mail in (MAIL, notice("changed"), notice("confirm", "emp_a")):
        assert decisions.after_attempt(mail, Taken(), Circuit(), at=NOON) == Over(mail, "delivered")


@pytest.mark.parametrize(
    ("circuit", "attempts", "is_a_bounce"),
    [
        (Circuit(taken_at=NOON - SECOND), 3, True),
        (Circuit(taken_at=NOON - SECOND), 2, False),
        (Circuit(taken_at=NOON - 5 * SECOND), 3, False),
        (Circuit(taken_at=NOON - SECOND, rests_until=NOON), 3, False),
        (Circuit(taken_at=NOON - timedelta(minutes=14)), 20, True),
        (Circuit(taken_at=NOON - timedelta(minutes=15)), 20, False),
        (Circuit(), 99, False),
    ],
)
def test_a_refusal_that_may_mean_us_is_a_bounce_only_once_others_are_taken_meanwhile(
    circuit: Circuit, attempts: int, is_a_bounce: bool
) -> None:
    after = decisions.after_attempt(replace(MAIL, attempts=attempts), UNCLEAR, circuit, at=NOON)
    assert isinstance(after, Over) is is_a_bounce
    certain = decisions.after_attempt(replace(MAIL, attempts=attempts), REFUSED, circuit, at=NOON)
    assert isinstance(certain, Again), "what is about us burns nothing, ever"


def test_attempts_are_spaced_out_up_to_a_minute_and_not_all_at_once() -> None:
    pauses = [(decisions.again_at(attempt, at=NOON) - NOON).total_seconds() for attempt in (1, 2, 3, 7, 1000)]
    assert pauses == [1, 2, 4, 60, 60]
    assert decisions.again_at(3, at=NOON, spread=1.0) == NOON + 5 * SECOND
    later = decisions.after_attempt(replace(MAIL, attempts=1000), UNCLEAR, Circuit(), at=NOON)
    assert later == Again(replace(MAIL, attempts=1000), NOON + timedelta(minutes=15), 1001)


def answered(*answers: tuple[str, Handed], at: datetime = NOON, circuit: Circuit = CLOSED) -> Circuit:
    for candidate, handed in answers:
        circuit = decisions.after_answer(circuit, handed, candidate, at=at)
    return circuit


def test_one_certain_refusal_of_us_opens_the_circuit_and_one_mail_that_is_taken_closes_it() -> None:
    opened = answered(("ana", REFUSED))
    assert opened.rests_until == NOON + SECOND
    assert decisions.rests(opened, at=NOON)
    assert not decisions.rests(opened, at=NOON + SECOND)
    assert answered(("bo", Taken()), circuit=opened) == Circuit(taken_at=NOON)


def test_a_relay_that_is_away_opens_it_at_the_third_time_in_a_row() -> None:
    assert answered(("ana", AWAY), ("ana", AWAY)).rests_until is None
    assert answered(("ana", AWAY), ("ana", AWAY), ("ana", AWAY)).rests_until is not None
    assert answered(("ana", AWAY), ("ana", AWAY), ("bo", Taken()), ("ana", AWAY)).rests_until is None


@pytest.mark.parametrize("doubt", [UNCLEAR, NoAnswer("no answer in time")])
def test_one_persons_mail_alone_never_opens_it_by_what_may_be_about_them(doubt: Handed) -> None:
    assert answered(*[("ana", doubt)] * 99).rests_until is None
    assert answered(("ana", doubt), ("bo", doubt), ("cy", doubt)).rests_until is not None


@pytest.mark.parametrize("handed", [Refused("550 5.1.1"), NotTaken("451 4.2.2"), CalledOff("late"), Stopped(Settle("withheld", ""))])  # fmt: skip
def test_a_relay_that_hears_of_recipients_again_is_neither_away_nor_refuses_us(handed: Handed) -> None:
    for before in (REFUSED, AWAY):
        assert answered(*[("ana", before)] * 3, ("bo", handed)).rests_until is None
    doubted = answered(*[(name, UNCLEAR) for name in ("ana", "bo", "cy")])
    assert answered(("di", handed), circuit=doubted) == doubted


def test_each_try_that_fails_makes_the_rest_longer_up_to_a_minute_and_what_began_before_does_not() -> None:
    circuit, at, rests = answered(("ana", REFUSED)), NOON, []
    assert answered(*[("bo", REFUSED)] * 99, circuit=circuit) == circuit
    for _ in range(10):
        assert circuit.rests_until is not None
        rests.append((circuit.rests_until - at).total_seconds())
        at = circuit.rests_until
        circuit = answered(("ana", REFUSED), at=at, circuit=circuit)
    assert rests == [1, 1, 1, 2, 4, 8, 16, 32, 60, 60]


def test_a_clock_that_is_moved_back_leaves_no_relay_alone_for_ever() -> None:
    assert not decisions.rests(answered(("ana", REFUSED)), at=NOON - timedelta(days=1))


def notice(purpose: NoticePurpose, introduced_by: str | None = None) -> Mail:
    return Mail("notice", "n_1", PERSON, 1, NOON, purpose=purpose, introduced_by=introduced_by)


def test_nothing_is_written_to_a_lost_mailbox_but_what_its_person_asked_for_by_a_page() -> None:
    over = Settle("bounced", decisions.MAILBOX_GONE, mailbox_gone=True)
    for mail in (MAIL, notice("confirm", "emp_a"), notice("confirm"), notice("changed"), notice("stop_asked")):
        assert decisions.lost(mail) == over
    for mail in (notice("sign_in"), notice("confirm", JOIN)):
        assert decisions.lost(mail) is None


def test_what_somebody_waits_for_is_taken_first() -> None:
    assert [mail.lane for mail in (notice("sign_in"), notice("confirm", JOIN), notice("stop_asked"))] == [0, 0, 0]
    assert [mail.lane for mail in (notice("confirm", "emp_a"), notice("changed"), MAIL)] == [1, 1, 2]


def test_a_repeated_outcome_is_the_same_event() -> None:
    first, second = (decisions.report(Over(MAIL, "delivered"), at=at) for at in (NOON, NOON + timedelta(seconds=1)))
    assert first is not None
    assert second is not None
    assert first[1] == second[1] == "o_1.3.delivered"
    assert first[0].decision_version == 3


def test_a_notice_is_reported_to_nobody() -> None:
    notice = Mail(kind="notice", id="n_1", candidate=PERSON, version=1, good_until=NOON, purpose="confirm")
    assert decisions.report(Over(notice, "doubtful"), at=NOON) is None


def test_the_report_says_when_the_mailbox_is_gone() -> None:
    for gone in (True, False):
        told = decisions.report(Over(MAIL, "bounced", "550 5.1.1", mailbox_gone=gone), at=NOON)
        assert told is not None
        assert told[0].mailbox_gone is gone


def test_a_check_is_good_for_half_a_second_and_the_words_leave_within_nine_tenths() -> None:
    check = ConsentCheck(100.0)
    assert check.is_fresh(100.5)
    assert not check.is_fresh(100.51)
    assert check.lets_hand_over(100.89)
    assert not check.lets_hand_over(100.91)


@pytest.mark.parametrize(
    ("consent", "leaves"),
    [
        (Known(replace(GRANT, ends_at=NOON)), True),
        (Known(replace(GRANT, ends_at=NOON - timedelta(days=1))), True),
        (UNKNOWN, True),
        (Known(replace(GRANT, ends_at=NOON + timedelta(days=365))), False),
        (Known(replace(GRANT, ends_at=None)), False),
        (Known(replace(GRANT, ends_at=NOON, purposes=())), False),
    ],
)
def test_nobody_who_renewed_or_switched_off_is_told_of_the_end_of_before(consent: Fact[Consent], leaves: bool) -> None:
    grant = GrantNotice("ending", NOON, None)
    notice = Mail(kind="notice", id="n_1", candidate=PERSON, version=1, good_until=NOON, grant=grant)
    expected = None if leaves else Settle("withheld", decisions.NOT_SO_ANY_MORE)
    assert decisions.stopped(notice, consent, at=NOON) == expected
    assert decisions.stopped(replace(notice, grant=replace(grant, about="hired")), consent, at=NOON) is None
