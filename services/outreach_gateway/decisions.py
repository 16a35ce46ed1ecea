"""The gateway's rules: pure functions of values, the time passed in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Literal, assert_never

from services.outreach_gateway.answers import closes
from services.outreach_gateway.calendar import end_of_day, is_still_open
from services.outreach_gateway.model import (
    Admit,
    Answer,
    Ask,
    Consent,
    Delay,
    Drop,
    Hold,
    NoSlot,
    Outreach,
    Person,
    Policy,
    Rule,
    Slot,
    Standing,
    State,
    Window,
)
from shared.contracts import grants
from shared.facts import UNKNOWN, Fact, Known, Unknown
from shared.security.member_refs import tag_of

KEPT = timedelta(days=100)
"""How long slots and changes are remembered: longer than the longest window (`fairpool policy check`)."""
ENDED_KEPT = KEPT + timedelta(days=10)
"""How long a row stays after its last day, whenever it was decided: its slot counts no more by then, and the feed has forgotten it."""
_SOON, _AT_LAST = timedelta(seconds=1), timedelta(minutes=1)
_LEAST = timedelta(milliseconds=1)

Verdict = Rule | Unknown | None
"""The rule that is broken; None: it holds; or nobody can say yet, since what it asks about has not arrived."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the rules are asked of."""

    policy: Policy
    outreach: Outreach
    person: Person
    sender: Fact[Standing]
    at: datetime
    earlier: Sequence[Outreach] = ()
    """What this employer wrote to this person lately, whatever became of it; the message itself may be in it."""

    @property
    def end(self) -> datetime:
        """The message's own end: the time that the employer set, or the end of the offer's last day where the person is."""
        offer = self.end_of_offer
        return self.outreach.expires_at if offer is None else min(self.outreach.expires_at, offer)

    @property
    def end_of_offer(self) -> datetime | None:
        """Of the offer alone; None: not foreseeable, or the person's zone has not arrived yet."""
        day, consent = self.outreach.valid_through, self.person.consent
        if day is None or isinstance(consent, Unknown):
            return None
        return end_of_day(self.policy, consent.value, day)


def outreach_has_not_ended(asked: Asked) -> Verdict:
    """Nothing is sent after the time that the employer set."""
    return None if asked.at < asked.outreach.expires_at else Rule.EXPIRED


def offer_has_not_ended(asked: Asked) -> Verdict:
    """Nothing is sent after the last day of the offer where the person is."""
    day = asked.outreach.valid_through
    match asked.person.consent:
        case Known():
            end = asked.end_of_offer
            return None if end is None or asked.at < end else Rule.EXPIRED
        case Unknown():
            return UNKNOWN if day is None or is_still_open(day, at=asked.at) else Rule.EXPIRED
        case _:
            assert_never(asked.person.consent)


def sender_is_not_suspended(asked: Asked) -> Verdict:
    """A suspended employer writes to nobody."""
    match asked.sender:
        case Known(standing):
            return Rule.SENDER_SUSPENDED if standing is Standing.SUSPENDED else None
        case Unknown():
            return UNKNOWN
        case _:
            assert_never(asked.sender)


def employer_did_not_write_lately(asked: Asked) -> Verdict:
    """Each look at whether a person can be reached costs: no other message of this employer to them in the days before, under
    whichever ref, nor one that was sent and counts still, wherever it arrived."""
    same_employer = asked.policy.same_employer
    is_closed = closes(asked.earlier, asked.outreach, same_employer=same_employer, at=asked.at)
    return Rule.SAME_EMPLOYER if is_closed else None


def person_is_not_erased(asked: Asked) -> Verdict:
    """Whoever was erased allows nothing, and nothing of them is on its way."""
    return Rule.CONTACT_NOT_GRANTED if asked.person.erased else None


def mailbox_is_there(asked: Asked) -> Verdict:
    """Nobody writes to a mailbox that does not exist; of most nothing was ever told, and they are written to."""
    match asked.person.reachable:
        case Known(reachable):
            return None if reachable else Rule.MAILBOX_GONE
        case Unknown():
            return None
        case _:
            assert_never(asked.person.reachable)


def contact_is_granted(asked: Asked) -> Verdict:
    """The person switched `contact` on, and it is neither paused nor over."""
    match asked.person.consent:
        case Known(consent):
            return None if is_open_to_contact(consent, at=asked.at) else Rule.CONTACT_NOT_GRANTED
        case Unknown():
            return UNKNOWN
        case _:
            assert_never(asked.person.consent)


def employer_is_not_blocked(asked: Asked) -> Verdict:
    """The person did not block this employer."""
    match asked.person.consent:
        case Known(consent):
            return Rule.EMPLOYER_BLOCKED if grants.shuts_out(consent, asked.outreach.employer) else None
        case Unknown():
            return UNKNOWN
        case _:
            assert_never(asked.person.consent)


def person_is_in_the_pool(asked: Asked) -> Verdict:
    """Only those are written to whom the very pool holds now in which the employer found them, and who did not withdraw since.

    Where the pool is not known, of what is from before, a pool of the employer will do. A ref that is newer than what is
    known of the person says that they have come again, which is on its way here.
    """
    row = asked.outreach
    match asked.person.memberships:
        case Known(known) if known.pools is None or row.pool_tag is None:
            return None if row.employer in known.employers else Rule.NOT_A_MEMBER
        case Known(known) if row.generation > known.generation:
            return UNKNOWN
        case Known(known):
            is_in = row.pool_tag in {tag_of(pool) for pool in known.pools or ()} and row.employer in known.employers
            return None if is_in and row.generation == known.generation else Rule.NOT_A_MEMBER
        case Unknown():
            return UNKNOWN
        case _:
            assert_never(asked.person.memberships)


def words_can_be_opened(asked: Asked) -> Verdict:
    """There was a key to seal the words to when they came; without one they were sealed to nobody."""
    return Rule.KEY_MISSING if asked.outreach.key_missing else None


Rules = tuple[Callable[[Asked], Verdict], ...]
OF_THE_SENDER: Rules = (outreach_has_not_ended, sender_is_not_suspended, employer_did_not_write_lately)
"""Asked first: what is broken of these is the sender's own, and decided at once."""
OF_THE_PERSON: Rules = (
    person_is_not_erased,
    mailbox_is_there,
    contact_is_granted,
    employer_is_not_blocked,
    person_is_in_the_pool,
    words_can_be_opened,
    offer_has_not_ended,
)
"""Asked then, before the windows; the first that is broken is the reason, and decided when `held_for_grant` is over.

Some may still be mended by what is on its way (a grant, a membership); the others wait as long. Where none is known to be broken
and something has not arrived, the message is held, if need be until its own end: only what is known to be so is refused.
"""
_DECIDED_LATE = frozenset({Rule.HOURS, Rule.EXPIRED})
"""Of what the windows refuse: the person's zone and hours did it, and both may change with what is on its way."""


def nothing_stands_against(asked: Asked) -> bool:
    """Whether every rule holds, of the sender and of the person: what most messages come to, asked at once and not rule by rule.

    What is no look at a value is asked of the rule itself; a property test holds this to the rules.
    """
    row, person, at = asked.outreach, asked.person, asked.at
    sender, consent, memberships, reachable = asked.sender, person.consent, person.memberships, person.reachable
    if isinstance(sender, Unknown) or isinstance(consent, Unknown) or isinstance(memberships, Unknown):
        return False
    allowed, pools = consent.value, memberships.value.pools
    return (
        at < row.expires_at
        and sender.value is not Standing.SUSPENDED
        and not person.erased
        and (isinstance(reachable, Unknown) or reachable.value)
        and is_open_to_contact(allowed, at=at)
        and not grants.shuts_out(allowed, row.employer)
        and row.employer in memberships.value.employers
        and (pools is None or row.pool_tag is None or person_is_in_the_pool(asked) is None)
        and not row.key_missing
        and (row.valid_through is None or offer_has_not_ended(asked) is None)
        and (not asked.earlier or employer_did_not_write_lately(asked) is None)
    )


def is_open_to_contact(consent: Consent, *, at: datetime) -> bool:
    """Whether `contact` is granted at this time: on, not paused, not ended."""
    return consent.contact and grants.is_in_force(consent, at=at)


def before_windows(
    policy: Policy,
    outreach: Outreach,
    person: Person,
    *,
    sender: Fact[Standing],
    at: datetime,
    earlier: Sequence[Outreach] = (),
) -> Drop | Hold | Ask:
    """Refuses, holds what waits for what has not arrived or for the turn of a refusal, or says what to ask the windows."""
    asked = Asked(policy, outreach, person, sender, at, earlier)
    return question(asked) if nothing_stands_against(asked) else what_stands_against(asked)


def what_stands_against(asked: Asked) -> Drop | Hold | Ask:
    """The same, rule by rule."""
    policy, outreach, at = asked.policy, asked.outreach, asked.at
    match of_sender := _first_broken(OF_THE_SENDER, asked):
        case Rule():
            return Drop(of_sender)
        case Unknown():
            return Hold(at + _patience(outreach, at))
        case None:
            pass
        case _:
            assert_never(of_sender)
    match of_person := _first_broken(OF_THE_PERSON, asked):
        case Rule():
            return _refused(policy, outreach, of_person, at)
        case Unknown():
            return Hold(max(_turn(policy, outreach), at + _patience(outreach, at)))
        case None:
            return question(asked)
        case _:
            assert_never(of_person)


def question(asked: Asked) -> Ask:
    """What to ask the windows of this message."""
    outreach, latest, offer = asked.outreach, asked.at + asked.policy.latest_slot, asked.end_of_offer
    return Ask(
        outreach=outreach.id,
        employer=outreach.employer,
        until=min(asked.end - _LEAST, latest),
        slot_at=outreach.slot_at,
        offer_ends=offer is not None and offer <= min(outreach.expires_at, latest),
    )


def _first_broken(rules: Rules, asked: Asked) -> Verdict:
    """The first that is known to be broken; else whether something has not arrived."""
    unknown: Unknown | None = None
    for rule in rules:
        verdict = rule(asked)
        if isinstance(verdict, Rule):
            return verdict
        if verdict is not None:
            unknown = verdict
    return unknown


def _refused(policy: Policy, outreach: Outreach, rule: Rule, at: datetime) -> Drop | Hold:
    """Whatever of the person stands against it is decided in the same turn."""
    turn = _turn(policy, outreach)
    return Hold(turn) if at < turn else Drop(rule)


def _turn(policy: Policy, outreach: Outreach) -> datetime:
    return outreach.submitted_at + policy.held_for_grant


def _patience(outreach: Outreach, at: datetime) -> timedelta:
    """As long again as it has waited: soon at first, for a projection is mostly a moment behind, and never rarely."""
    return min(max(at - outreach.submitted_at, _SOON), _AT_LAST)


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


def after_windows(
    policy: Policy, asked: Asked, ask: Ask, verdict: Drop | Hold | Ask, answer: Answer
) -> Admit | Delay | Drop | Hold:
    """What the windows' answer means for the outreach; `verdict` is what the rules said before they were asked.

    They tell the time by a clock of their own: how long a slot is yet to come is counted from there, so that a process
    whose clock is ahead neither decides too early nor the same thing again and again. What had a place is refused by the
    rules in its turn and ends with its own end, never because others moved it.
    """
    outreach, at = asked.outreach, asked.at
    match answer:
        case Slot() if answer.is_due and isinstance(verdict, Ask):
            return Admit(answer.at, min(answer.at + policy.slot_good_for, ask.until))
        case Slot():
            due_at = at + max(answer.at - answer.now, timedelta(0))
            if isinstance(verdict, Hold):
                due_at = max(due_at, verdict.until)
            if outreach.state is State.DELAYED and outreach.slot_at == answer.at:
                return Hold(due_at)
            return Delay(answer.at, answer.rule or Rule.HOURS, due_at)
        case NoSlot() if outreach.has_place:
            if outreach.state is State.DELAYED and outreach.slot_at is None:
                return Hold(asked.end)
            return Delay(None, answer.rule, asked.end)
        case NoSlot():
            ended = ask.offer_ends and answer.rule is not Rule.SAME_EMPLOYER
            rule = Rule.EXPIRED if ended else answer.rule
            return _refused(policy, outreach, rule, at) if rule in _DECIDED_LATE else Drop(rule)
        case _:
            assert_never(answer)
