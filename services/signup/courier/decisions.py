"""The courier's rules: which decision counts, what may leave now, and what an attempt at the relay means."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import assert_never

from services.signup.courier.model import (
    LEFT,
    Again,
    CalledOff,
    Consent,
    Handed,
    Mail,
    NotTaken,
    Outcome,
    Over,
    Refused,
    Settle,
    Taken,
    Unknown,
)
from shared.contracts.consent import ConsentChangedV1
from shared.contracts.outreach_gateway import OutreachDecidedV1
from shared.contracts.signup import NoticeRequestedV1, NoticeRequestedV2, OutreachOutcomeReportedV1

NO_GRANT = "no grant to write to this person when the mail was to leave"
SLOT_OVER = "the slot was over when the mail could leave"
NOT_IN_THE_VAULT = "this person is not in the pool any more"

_FIRST_PAUSE = timedelta(seconds=1)
_LONGEST_PAUSE = timedelta(minutes=1)


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


def kept_of(event: ConsentChangedV1) -> Consent:
    """The part of a consent that the courier needs."""
    return Consent(
        candidate=event.candidate,
        version=event.version,
        purposes=event.purposes,
        blocked_employers=event.blocked_employers,
        paused_until=event.paused_until,
        ends_at=event.ends_at,
        time_zone=event.time_zone,
    )


def contact_is_granted(consent: Consent, mail: Mail, at: datetime) -> bool:
    """The person switched `contact` on."""
    return "contact" in consent.purposes


def employer_is_not_blocked(consent: Consent, mail: Mail, at: datetime) -> bool:
    """The person did not block this employer."""
    return mail.employer not in consent.blocked_employers


def nothing_is_paused(consent: Consent, mail: Mail, at: datetime) -> bool:
    """The person takes no break now."""
    return consent.paused_until is None or consent.paused_until <= at


def grant_has_not_ended(consent: Consent, mail: Mail, at: datetime) -> bool:
    """The time for which the person agreed is not over."""
    return consent.ends_at is None or at < consent.ends_at


RULES: tuple[Callable[[Consent, Mail, datetime], bool], ...] = (
    contact_is_granted,
    employer_is_not_blocked,
    nothing_is_paused,
    grant_has_not_ended,
)


def has_grant(consent: Consent | None, mail: Mail, *, at: datetime) -> bool:
    """Whether the person lets this employer write to them now."""
    return consent is not None and all(rule(consent, mail, at) for rule in RULES)


def stopped(mail: Mail, consent: Consent | None, *, at: datetime) -> Settle | None:
    """Why a mail that was claimed does not leave any more, or None when it may."""
    if mail.good_until is None or at > mail.good_until:
        return Settle("returned", SLOT_OVER)
    if mail.kind == "outreach" and not has_grant(consent, mail, at=at):
        return Settle("withheld", NO_GRANT)
    return None


def after_attempt(mail: Mail, handed: Handed, *, at: datetime) -> Again | Over:
    """What an attempt at the relay makes of the mail."""
    match handed:
        case Taken():
            return Over(mail, "delivered")
        case Refused(detail):
            return Over(mail, "bounced", detail)
        case Unknown(reason):
            return Over(mail, "doubtful", reason)
        case NotTaken():
            return Again(mail, again_at(mail.attempts + 1, at=at), mail.attempts + 1)
        case CalledOff():
            return Again(mail, at, mail.attempts)
        case _:
            assert_never(handed)


def again_at(attempt: int, *, at: datetime) -> datetime:
    """When to try again after so many attempts: 1, 2, 4 seconds and so on, up to a minute."""
    return at + min(_FIRST_PAUSE * (1 << min(attempt - 1, 16)), _LONGEST_PAUSE)


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
    )
    return event, outcome_id(mail.id, mail.version, over.outcome)


def outcome_id(outreach: str, version: int, outcome: Outcome) -> str:
    """The id of the event that reports this outcome."""
    return f"{outreach}.{version}.{outcome}"
