"""The courier's rules: which decision counts, what may leave now, and what an attempt at the relay means."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from services.signup.courier.model import (
    LEFT,
    Again,
    CalledOff,
    Circuit,
    Consent,
    GrantNotice,
    Handed,
    Mail,
    NoAnswer,
    NotTaken,
    Outcome,
    Over,
    Refused,
    RefusesUs,
    Settle,
    Standing,
    Stopped,
    Taken,
    Unheard,
)
from shared.contracts import grants
from shared.contracts.consent import ConsentChanged, GrantNoticedV1
from shared.contracts.outreach_gateway import OutreachDecidedV1
from shared.contracts.signup import (
    EmailNoticeRequestedV1,
    ExportReadyV1,
    NoticeRequestedV1,
    NoticeRequestedV2,
    OutreachOutcomeReportedV1,
)
from shared.facts import UNKNOWN, Fact, Known, Unknown

NO_GRANT = "no grant to write to this person when the mail was to leave"
NOT_SO_ANY_MORE = "what the person allows was ended or goes on longer when the mail about its end was to leave"
SENDER_OUT = "the employer was suspended or removed when the mail was to leave"
INTRODUCER_REMOVED = "whoever told of this person was removed from the network before the invitation left"
NO_CONSENT_YET = "nobody told of this person's consent"
NO_EMPLOYER_YET = "nobody told of this employer"
NO_INTRODUCER_YET = "nobody told of whoever told of this person"
INTRODUCER_SUSPENDED = "whoever told of this person is suspended"
SLOT_OVER = "the slot was over when the mail could leave"
MAILBOX_GONE = "the mailbox is gone; nobody writes to it until its person comes back"
CHANGE_OVER = "the change of this person's email is over"
NOT_IN_THE_VAULT = "this person is not in the pool any more"

_FIRST_PAUSE = timedelta(seconds=1)
_LONGEST_PAUSE = timedelta(minutes=1)
_LONGEST_PAUSE_IN_DOUBT = timedelta(minutes=15)
"""For a mail that is refused by itself: its person's relay is not to be asked a thousand times a day."""
_FAILURES_TO_OPEN = 3
_SURE_AFTER = 3
"""So many attempts before a refusal that could be about us is taken for one about the mail, while others are taken."""
_SPREAD = 0.25


def after_decision(known: Mail | None, event: OutreachDecidedV1) -> Mail | None:
    """The mail as this decision leaves it; None when a later decision is known already.

    A mail that the relay may have seen keeps its state: whatever the gateway decides afterwards, it is not sent again.
    """
    if known is not None and event.version <= known.version:
        return None
    admitted = event.outcome == "admitted"
    if admitted and (event.sealed is None or event.good_until is None):
        raise ValueError("an admitted outreach carries `sealed` and `good_until`")
    left = known is not None and known.state in LEFT
    return Mail(
        kind="outreach",
        id=event.outreach,
        candidate=event.candidate,
        employer=event.employer,
        version=event.version,
        admitted=admitted,
        good_until=event.good_until if admitted else None,
        sealed=event.sealed if admitted else None,
        state=known.state if known is not None and left else "ready" if admitted else "void",
    )


def after_notice(event: NoticeRequestedV1 | NoticeRequestedV2) -> Mail:
    """The mail that a notice asks for."""
    later = event if isinstance(event, NoticeRequestedV2) else None
    return Mail(
        kind="notice",
        id=event.notice,
        candidate=event.candidate,
        version=1,
        purpose=event.purpose,
        good_until=event.expires_at,
        introduced_by=event.introduced_by,
        introduced_at=later.introduced_at if later else None,
        changes=later.changes if later else (),
    )


def after_grant_notice(event: GrantNoticedV1) -> Mail:
    """The mail in which consent asks."""
    return Mail(
        kind="notice",
        id=event.notice,
        candidate=event.candidate,
        version=1,
        good_until=event.expires_at,
        introduced_by=event.told_by,
        grant=GrantNotice(event.about, event.ends_at, event.language),
    )


def after_export(event: ExportReadyV1) -> Mail:
    """The mail that tells of it, as long as there is something to fetch."""
    return Mail(
        kind="notice",
        id=event.notice,
        candidate=event.candidate,
        version=1,
        good_until=event.expires_at,
        grant=GrantNotice("export_ready", event.expires_at, None),
    )


def after_email_notice(event: EmailNoticeRequestedV1) -> Mail:
    """The mail to one of the two mailboxes of a change."""
    return Mail(
        kind="notice",
        id=event.notice,
        candidate=event.candidate,
        version=1,
        good_until=event.expires_at,
        email=event.about,
    )


def kept_of(event: ConsentChanged, no_at: datetime | None) -> Consent:
    """The part of a consent that the courier needs, and the last no that came with it."""
    return Consent(
        candidate=event.candidate,
        version=event.version,
        purposes=event.purposes,
        blocked_employers=event.limits.blocked_employers,
        paused_until=event.paused_until,
        ends_at=event.ends_at,
        time_zone=event.limits.time_zone,
        lifts_no_until=event.lifts_no_until,
        no_at=no_at,
    )


def contact_is_granted(consent: Consent, mail: Mail, at: datetime) -> bool:
    """The person switched `contact` on, and it is neither paused nor over."""
    return grants.allows_contact(consent.purposes) and grants.is_in_force(consent, at=at)


def employer_is_not_blocked(consent: Consent, mail: Mail, at: datetime) -> bool:
    """The person did not block this employer."""
    return mail.employer is None or not grants.shuts_out(consent, mail.employer)


RULES: tuple[Callable[[Consent, Mail, datetime], bool], ...] = (contact_is_granted, employer_is_not_blocked)


def has_grant(consent: Consent, mail: Mail, *, at: datetime) -> bool:
    """Whether the person lets this employer write to them now."""
    return all(rule(consent, mail, at) for rule in RULES)


def lost(mail: Mail) -> Settle | None:
    """Why a mail does not leave to a mailbox that counts as gone; None for what its person asked for by a page, and for what
    goes to another mailbox."""
    return None if mail.is_asked_for or mail.goes_elsewhere else Settle("bounced", MAILBOX_GONE, mailbox_gone=True)


def stopped(
    mail: Mail, consent: Fact[Consent], *, at: datetime, sender: Fact[Standing] = UNKNOWN
) -> Settle | Unheard | None:
    """Why a mail that was claimed does not leave any more, or not yet; None when it may. `sender`: of an outreach."""
    if mail.kind == "outreach" and sender in (Known("suspended"), Known("removed")):
        return Settle("withheld", SENDER_OUT)
    if not in_time(mail, at=at):
        return Settle("returned", SLOT_OVER)
    if isinstance(consent, Known) and _speaks_of_another_end(mail, consent.value):
        return Settle("withheld", NOT_SO_ANY_MORE)
    if mail.kind != "outreach":
        return None
    match consent:
        case Known(told) if not has_grant(told, mail, at=at):
            return Settle("withheld", NO_GRANT)
        case Unknown():
            return Unheard(NO_CONSENT_YET)
        case Known():
            return Unheard(NO_EMPLOYER_YET) if isinstance(sender, Unknown) else None
        case _:
            assert_never(consent)


def _speaks_of_another_end(mail: Mail, consent: Consent) -> bool:
    """Of what was renewed, or switched off, meanwhile: whoever reads that all is over must not be seen by anybody."""
    if mail.grant is None or mail.grant.about != "ending" or mail.grant.ends_at is None:
        return False
    return not consent.purposes or not grants.has_ended(consent, at=mail.grant.ends_at)


def dropped(mail: Mail, introducer: Fact[Standing]) -> Settle | Unheard | None:
    """Whether an invitation ends since whoever told of the person has left the network; a suspension only holds it."""
    if mail.introducer is None:
        return None
    match introducer:
        case Known(standing):
            return Settle("withheld", INTRODUCER_REMOVED) if standing == "removed" else None
        case Unknown():
            return Unheard(NO_INTRODUCER_YET)
        case _:
            assert_never(introducer)


def in_time(mail: Mail, *, at: datetime) -> bool:
    """Whether the mail may still leave by its own time."""
    return mail.good_until is not None and at <= mail.good_until


def after_attempt(mail: Mail, handed: Handed, circuit: Circuit, *, at: datetime, spread: float = 0.0) -> Again | Over:
    """What an attempt at the relay makes of the mail.

    What its person asked for by a page and the relay took says that the mailbox is there, whatever was known when it was
    claimed. A refusal that could be about us holds the mail, until the relay has taken others meanwhile: then it is about the mail.
    """
    match handed:
        case Taken():
            return Over(mail, "delivered", mailbox_back=mail.is_asked_for)
        case Refused(detail, mailbox_gone):
            return Over(mail, "bounced", detail, mailbox_gone=mailbox_gone and not mail.goes_elsewhere)
        case NoAnswer(reason):
            return Over(mail, "doubtful", reason)
        case Stopped(settle):
            return Over(mail, settle.outcome, settle.detail)
        case RefusesUs(detail=detail, certain=False) if _others_are_taken(mail, circuit, at=at):
            return Over(mail, "bounced", detail)
        case RefusesUs(certain=False):
            later = again_at(mail.attempts + 1, at=at, spread=spread, longest=_LONGEST_PAUSE_IN_DOUBT)
            return Again(mail, later, mail.attempts + 1)
        case CalledOff("resting" | "stopping"):
            return Again(mail, at, mail.attempts)
        case NotTaken() | RefusesUs() | CalledOff():
            return Again(mail, again_at(mail.attempts + 1, at=at, spread=spread), mail.attempts + 1)
        case _:
            assert_never(handed)


def _others_are_taken(mail: Mail, circuit: Circuit, *, at: datetime) -> bool:
    """Whether the relay took something since this mail's last attempt, which was a pause ago at least."""
    if mail.attempts < _SURE_AFTER or circuit.rests_until is not None or circuit.taken_at is None:
        return False
    return at - circuit.taken_at < pause(mail.attempts, longest=_LONGEST_PAUSE_IN_DOUBT)


def after_answer(circuit: Circuit, handed: Handed, candidate: str, *, at: datetime, spread: float = 0.0) -> Circuit:
    """What an attempt tells about the relay.

    One certain refusal of us opens the circuit; so do three attempts in a row at a relay that is away, and three people
    in a row whose mails are refused or lost so that it could be the relay: one person alone can't stop everybody's mail.
    """
    match handed:
        case Taken():
            return Circuit(taken_at=at)
        case RefusesUs(certain=True) | NotTaken(away=True):
            after = replace(circuit, failures=circuit.failures + 1, cause=handed)
            opens = isinstance(handed, RefusesUs) or after.failures >= _FAILURES_TO_OPEN
        case RefusesUs() | NoAnswer():
            after = replace(circuit, doubts=circuit.doubts | {candidate}, cause=handed)
            opens = len(after.doubts) >= _FAILURES_TO_OPEN
        case Refused() | NotTaken() | Stopped() | CalledOff("late" | "not_marked" | "behind" | "unheard"):
            return Circuit(taken_at=circuit.taken_at) if _was_about_the_way_in(circuit) else circuit
        case CalledOff():
            return circuit
        case _:
            assert_never(handed)
    if rests(circuit, at=at):  # it began before: what the others met is no news
        return circuit
    if not opens and circuit.rests_until is None:
        return after
    turns = max(1, after.failures + len(after.doubts) - _FAILURES_TO_OPEN + 1)
    return replace(after, rests_until=again_at(turns, at=at, spread=spread))


def _was_about_the_way_in(circuit: Circuit) -> bool:
    """Whether a relay that hears of a recipient has put right what is held against it."""
    return isinstance(circuit.cause, NotTaken) or (isinstance(circuit.cause, RefusesUs) and circuit.cause.certain)


def rests(circuit: Circuit, *, at: datetime) -> bool:
    """Whether the relay is left alone now; a clock that was moved back does not make that longer."""
    until = circuit.rests_until
    return until is not None and at < until <= at + _LONGEST_PAUSE * (1 + _SPREAD)


def pause(attempt: int, *, longest: timedelta = _LONGEST_PAUSE) -> timedelta:
    """How long to wait at least after so many attempts: 1, 2, 4 seconds and so on, up to the longest."""
    return min(_FIRST_PAUSE * (1 << min(max(attempt, 1) - 1, 16)), longest)


def again_at(attempt: int, *, at: datetime, spread: float = 0.0, longest: timedelta = _LONGEST_PAUSE) -> datetime:
    """When to try again after so many attempts; `spread` from 0 to 1 adds up to a quarter, so that not all come at once."""
    return at + pause(attempt, longest=longest) * (1 + _SPREAD * spread)


def report(over: Over, *, at: datetime) -> tuple[OutreachOutcomeReportedV1, str] | None:
    """The event that tells the gateway, with its id (a repetition is the same event); None for a notice."""
    mail = over.mail
    if mail.kind == "notice" or mail.employer is None:
        return None
    event = OutreachOutcomeReportedV1(
        outreach=mail.id,
        decision_version=mail.version,
        candidate=mail.candidate,
        employer=mail.employer,
        outcome=over.outcome,
        at=at,
        detail=over.detail,
        mailbox_gone=over.mailbox_gone,
        sender_suspended=over.outcome == "withheld" and over.detail == SENDER_OUT,
    )
    return event, outcome_id(mail.id, mail.version, over.outcome)


def outcome_id(outreach: str, version: int, outcome: Outcome) -> str:
    """The id of the event that reports this outcome."""
    return f"{outreach}.{version}.{outcome}"
