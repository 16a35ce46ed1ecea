"""What the gateway decides before and after the windows."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest

from services.outreach_gateway.adapters.policy_file import read_policy
from services.outreach_gateway.decisions import after_windows, before_windows, windows_of
from services.outreach_gateway.explain import SHOWN_TO_SENDER, for_operator, for_sender
from services.outreach_gateway.model import (
    Admit,
    Ask,
    Consent,
    Delay,
    Drop,
    Hold,
    NoSlot,
    Outreach,
    Person,
    Rule,
    Slot,
    State,
)

POLICY = read_policy("2026-12")
AT = datetime(2026, 11, 24, 19, 0, tzinfo=UTC)
CONSENT = Consent("c", 1, contact=True, time_zone="America/Denver")
PERSON = Person(CONSENT, frozenset({"emp_a"}))
OUTREACH = Outreach("o_1", 0, State.SUBMITTED, "emp_a", "c", AT, AT + timedelta(days=14))
LATER = AT + timedelta(seconds=31)


def verdict(
    person: Person = PERSON, outreach: Outreach = OUTREACH, *, suspended: bool = False, at: datetime = AT
) -> Drop | Hold | Ask:
    return before_windows(POLICY, outreach, person, sender_is_suspended=suspended, at=at)


def test_a_person_who_allows_it_is_asked_for_at_the_windows() -> None:
    asked = verdict()
    assert isinstance(asked, Ask)
    assert asked.until == OUTREACH.expires_at


@pytest.mark.parametrize(
    "person",
    [
        Person(None, frozenset()),
        Person(replace(CONSENT, contact=False), frozenset({"emp_a"})),
        Person(CONSENT, frozenset({"emp_b"})),
        Person(replace(CONSENT, paused_until=AT + timedelta(days=1)), frozenset({"emp_a"})),
        Person(replace(CONSENT, ends_at=AT), frozenset({"emp_a"})),
    ],
)
def test_a_missing_grant_or_membership_holds_for_30_seconds_and_then_drops(person: Person) -> None:
    assert verdict(person) == Hold(AT + timedelta(seconds=30))
    dropped = verdict(person, at=LATER)
    assert isinstance(dropped, Drop)
    assert for_sender(dropped.rule)[0] == "not_granted"


def test_a_blocked_employer_is_dropped_at_once() -> None:
    person = Person(replace(CONSENT, blocked_employers=frozenset({"emp_a"})), frozenset({"emp_a"}))
    assert verdict(person) == Drop(Rule.EMPLOYER_BLOCKED)


def test_a_suspended_sender_is_dropped() -> None:
    assert verdict(suspended=True) == Drop(Rule.SENDER_SUSPENDED)


def test_an_expired_outreach_is_dropped() -> None:
    assert verdict(at=OUTREACH.expires_at) == Drop(Rule.EXPIRED)


def test_a_slot_that_is_due_admits_for_ten_minutes() -> None:
    assert after_windows(POLICY, Slot(AT, AT, None)) == Admit(AT, AT + timedelta(minutes=10))


def test_a_later_slot_delays_with_its_reason() -> None:
    assert after_windows(POLICY, Slot(LATER, AT, Rule.NETWORK_GAP)) == Delay(LATER, Rule.NETWORK_GAP)


def test_no_slot_drops_with_its_reason() -> None:
    assert after_windows(POLICY, NoSlot(Rule.NETWORK_WINDOW)) == Drop(Rule.NETWORK_WINDOW)


def test_a_person_can_only_tighten_the_windows() -> None:
    loose = windows_of(POLICY, replace(CONSENT, first_contacts_per_week=50, min_gap_hours=1))
    tight = windows_of(POLICY, replace(CONSENT, first_contacts_per_week=1, min_gap_hours=72))
    plain = windows_of(POLICY, CONSENT)
    assert loose == plain
    assert {window.cap for window in tight if window.length < timedelta(days=8)} == {1}
    assert next(window for window in tight if window.rule is Rule.NETWORK_GAP).length == timedelta(hours=72, minutes=10)


def test_every_window_is_ten_minutes_longer_than_the_policy_says() -> None:
    lengths = {window.length - timedelta(minutes=10) for window in windows_of(POLICY, CONSENT)}
    assert lengths == {timedelta(hours=24), timedelta(days=7), timedelta(days=30), timedelta(days=90)}


def test_halved_caps_never_fall_below_one() -> None:
    assert all(1 <= window.halved <= window.cap for window in windows_of(POLICY, CONSENT))


def test_every_rule_can_be_explained_to_both() -> None:
    assert set(SHOWN_TO_SENDER) == set(Rule)
    assert all(for_sender(rule)[1] and for_operator(rule)[1] for rule in Rule)


def test_a_sender_cannot_tell_a_full_window_from_a_short_gap() -> None:
    assert for_sender(Rule.NETWORK_WINDOW) == for_sender(Rule.NETWORK_GAP)


def test_quiet_hours_and_policy_reach_the_windows_as_open_hours() -> None:
    person = Person(replace(CONSENT, quiet_start=time(12), quiet_end=time(8)), frozenset({"emp_a"}))
    asked = verdict(person)
    assert isinstance(asked, Ask)
    first = asked.open_hours[1]
    assert [datetime.fromtimestamp(ms / 1000, UTC) for ms in first] == [
        datetime(2026, 11, 24, 15, 0, tzinfo=UTC),
        datetime(2026, 11, 24, 18, 50, tzinfo=UTC),
    ]
