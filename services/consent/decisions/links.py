"""What an unsubscribe link may do: its mail may have been forwarded, and whoever holds it is not always its person."""

from dataclasses import dataclass
from datetime import datetime

from services.consent.decisions.changes import Changed, Unchanged, block_employer, is_grant, stop_all
from services.consent.model import Choices, Present, Scope
from shared.contracts import grants
from shared.contracts.consent import CLOCKS_DIFFER, LinkStatement


@dataclass(frozen=True, slots=True)
class Stop:
    """What becomes of the choices, and who stops by it."""

    outcome: Changed | Unchanged
    all_stop: bool
    employer_stops: bool
    must_ask: bool
    """Whether the person is to be asked, in a mail of their own, whether everyone is to stop."""


def stop(present: Present, employer: str | None, scope: Scope, issued_at: datetime | None) -> Stop:
    """A link stops what it is asked to stop; one from before the last grant stops its own employer and asks for the rest.

    What it says does not depend on what is on: its holder learns nothing of that. Of somebody who is gone nothing is left to
    stop, and it says that it has stopped.
    """
    if present.is_closed:
        narrow = scope == "employer" and employer is not None
        return Stop(Unchanged(), all_stop=not narrow, employer_stops=narrow, must_ask=False)
    if scope == "employer" and employer is not None:
        return Stop(block_employer(present, employer), all_stop=False, employer_stops=True, must_ask=False)
    if not is_old(present, issued_at):
        return Stop(stop_all(present), all_stop=True, employer_stops=False, must_ask=False)
    outcome = block_employer(present, employer) if employer is not None else Unchanged()
    return Stop(outcome, all_stop=False, employer_stops=employer is not None, must_ask=True)


def refuse(present: Present, at: datetime) -> Changed | Unchanged:
    """A no to the invitation, said then: it stops all that was answered before it; what was allowed later is a later word."""
    if present.is_closed or (present.granted_at is not None and present.granted_at > at + CLOCKS_DIFFER):
        return Unchanged()
    return stop_all(present)


def is_old(present: Present, issued_at: datetime | None) -> bool:
    """Whether the link was made before the last grant; one that does not say when it was made is old."""
    if present.granted_at is None or present.is_closed:
        return False
    return issued_at is None or issued_at < present.granted_at.replace(microsecond=0)  # links know whole seconds


def is_too_old_for(
    present: Present, choices: Choices, statement: LinkStatement | None, at: datetime, *, signs: str | None = None
) -> bool:
    """Whether a change allows more than the link that it came by can: no reader would believe it.

    `statement`: signup's of that link, checked. Without one nothing is allowed anew, and no purpose goes on by a link from
    before one went off. `signs`: the agreement that is answered; what was allowed under another is allowed anew by it.
    """
    is_signed_anew = bool(choices.purposes) and present.agreement is not None and signs not in (None, present.agreement)
    if is_signed_anew and not can_switch_on(present, statement):
        return True
    if not is_grant(present.choices, choices, at):
        return False
    return statement is None or grants.is_replayed(
        present.choices.purposes, choices.purposes, statement.issued_at + CLOCKS_DIFFER, present.stopped_at
    )


def can_switch_on(present: Present, statement: LinkStatement | None) -> bool:
    """Whether what is off now can go on by the link with this statement."""
    if statement is None:
        return False
    return present.stopped_at is None or statement.issued_at + CLOCKS_DIFFER >= present.stopped_at
