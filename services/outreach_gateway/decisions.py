"""The gateway's rules: pure functions of values, the time passed in."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Literal, assert_never

from services.outreach_gateway.calendar import open_hours
from services.outreach_gateway.model import (
    Admit,
    Answer,
    Ask,
    Consent,
    Decision,
    Delay,
    Drop,
    Hold,
    NoSlot,
    Outreach,
    Person,
    Policy,
    Rule,
    Slot,
    Window,
)

KEPT = timedelta(days=100)
"""How long slots and changes are remembered: longer than the longest window."""

Verdict = Rule | None
"""The rule that is broken, or None."""


def outreach_has_not_expired(outreach: Outreach, person: Person, *, sender_is_suspended: bool, at: datetime) -> Verdict:
    """Nothing is sent after the time the employer set."""
    return None if at < outreach.expires_at else Rule.EXPIRED


def sender_is_in_good_standing(
    outreach: Outreach, person: Person, *, sender_is_suspended: bool, at: datetime
) -> Verdict:
    """A suspended employer writes to nobody."""
    return Rule.SENDER_SUSPENDED if sender_is_suspended else None


def contact_is_granted(outreach: Outreach, person: Person, *, sender_is_suspended: bool, at: datetime) -> Verdict:
    """The person switched `contact` on, and it is neither paused nor over."""
    return None if person.consent and is_open_to_contact(person.consent, at=at) else Rule.CONTACT_NOT_GRANTED


def employer_is_not_blocked(outreach: Outreach, person: Person, *, sender_is_suspended: bool, at: datetime) -> Verdict:
    """The person did not block this employer."""
    blocked = person.consent is not None and outreach.employer in person.consent.blocked_employers
    return Rule.EMPLOYER_BLOCKED if blocked else None


def person_is_in_a_pool_of_the_employer(
    outreach: Outreach, person: Person, *, sender_is_suspended: bool, at: datetime
) -> Verdict:
    """Only those whom a pool of the employer holds now are written to by it."""
    return None if outreach.employer in person.employers else Rule.NOT_A_MEMBER


RULES: tuple[Callable[..., Verdict], ...] = (
    outreach_has_not_expired,
    sender_is_in_good_standing,
    contact_is_granted,
    employer_is_not_blocked,
    person_is_in_a_pool_of_the_employer,
)
"""Asked in this order before the windows are; the first that is broken is the reason."""

_MAY_STILL_ARRIVE = frozenset({Rule.CONTACT_NOT_GRANTED, Rule.NOT_A_MEMBER})


def is_open_to_contact(consent: Consent, *, at: datetime) -> bool:
    """Whether `contact` is granted at this time: on, not paused, not ended."""
    paused = consent.paused_until is not None and at < consent.paused_until
    ended = consent.ends_at is not None and at >= consent.ends_at
    return consent.contact and not paused and not ended


def before_windows(
    policy: Policy, outreach: Outreach, person: Person, *, sender_is_suspended: bool, at: datetime
) -> Drop | Hold | Ask:
    """Refuses, holds what may have overtaken its grant, or says what to ask the windows."""
    for rule in RULES:
        broken = rule(outreach, person, sender_is_suspended=sender_is_suspended, at=at)
        if broken is not None:
            patience = outreach.submitted_at + policy.held_for_grant
            return Hold(patience) if broken in _MAY_STILL_ARRIVE and at < patience else Drop(broken)
    consent = person.consent
    if consent is None:
        return Drop(Rule.CONTACT_NOT_GRANTED)
    return Ask(
        outreach=outreach.id,
        employer=outreach.employer,
        candidate=outreach.candidate,
        until=min(outreach.expires_at, at + policy.latest_slot),
        windows=windows_of(policy, consent),
        open_hours=open_hours(policy, consent, at=at),
    )


def windows_of(policy: Policy, consent: Consent) -> tuple[Window, ...]:
    """Every window that holds a first contact to this person; their own wishes only tighten.

    Each is `slot_good_for` longer than the policy says, so that the caps hold for what arrives, not for what was decided.
    """
    return _windows(policy, consent.first_contacts_per_week, consent.min_gap_hours)


@lru_cache(maxsize=4096)
def _windows(policy: Policy, per_week: int | None, gap_hours: int | None) -> tuple[Window, ...]:
    gap = max(policy.gap, timedelta(hours=gap_hours or 0))
    network = [_window(gap, 1, Rule.NETWORK_GAP, policy)]
    for number, length in policy.network:
        cap = number
        if length <= timedelta(days=7) and per_week is not None:
            cap = min(number, per_week)
        network.append(_window(length, cap, Rule.NETWORK_WINDOW, policy))
    # The first that is full is the reason given: the one that holds longest.
    network.sort(key=lambda window: window.length, reverse=True)
    return (_window(policy.same_employer, 1, Rule.SAME_EMPLOYER, policy, scope_is_employer=True), *network)


def _window(length: timedelta, cap: int, rule: Rule, policy: Policy, *, scope_is_employer: bool = False) -> Window:
    scope: Literal["employer", "network"] = "employer" if scope_is_employer else "network"
    return Window(length + policy.slot_good_for, cap, max(1, cap // 2), rule, scope)


def after_windows(policy: Policy, answer: Answer) -> Admit | Delay | Drop:
    """What the windows' answer means for the outreach."""
    match answer:
        case Slot() if answer.is_due:
            return Admit(answer.at, answer.at + policy.slot_good_for)
        case Slot():
            return Delay(answer.at, answer.rule or Rule.HOURS)
        case NoSlot():
            return Drop(answer.rule)
        case _:
            assert_never(answer)


def keeps_its_slot(decision: Decision) -> bool:
    """Whether a slot of the outreach stays booked after this decision."""
    return isinstance(decision, Admit | Delay)
