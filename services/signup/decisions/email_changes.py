"""What follows where one of the two mailboxes answers, or the time of a change is over.

No address becomes a person's that its mailbox did not say yes for, and none without a yes of the old mailbox or its silence of
72 hours. A "not me" of the old one always wins within these.
"""

from dataclasses import replace
from datetime import datetime
from typing import assert_never

from services.signup.model.email_changes import (
    LOOKED_AT_AGAIN,
    WAY_BACK,
    Act,
    Asked,
    Changed,
    Changes,
    Ends,
    Noted,
    Nothing,
    Outcome,
    PutsBack,
    Recovering,
    Standing,
    Stops,
    Waiting,
)


def answered(standing: Standing | None, act: Act, *, at: datetime) -> Outcome:
    """What an answer of one of the mailboxes brings."""
    match standing:
        case None:
            return Nothing("over")
        case Asked():
            return _asked(standing, act, at=at)
        case Recovering() if act == "not_me":
            return Stops()
        case Recovering():
            if act != "new_yes":
                return Nothing("already")
            return Noted(Waiting(at + WAY_BACK)) if at < standing.until else Nothing("over")
        case Waiting():
            return Stops() if act == "not_me" else Nothing("already")
        case Changed():
            if act != "not_me":
                return Nothing("already")
            return PutsBack() if at < standing.until else Nothing("over")
        case _:
            assert_never(standing)


def _asked(standing: Asked, act: Act, *, at: datetime) -> Outcome:
    if act == "not_me":
        return Stops()
    if standing.is_agreed:
        return Nothing("already")
    if at >= standing.until:
        return Nothing("over")
    after = replace(standing, new_said=True) if act == "new_yes" else replace(standing, old_said=True)
    if after == standing:
        return Nothing("already")
    return Changes(Changed(at + WAY_BACK)) if after.is_agreed else Noted(after)


def due(standing: Standing, *, at: datetime) -> Outcome:
    """What the clock brings."""
    if at < standing.until:
        return Nothing("already")
    match standing:
        case Asked() if standing.is_agreed:
            return Changes(Changed(at + WAY_BACK))
        case Asked() | Recovering():
            return Ends(gives_up=False)
        case Waiting():
            return Changes(None)
        case Changed():
            return Ends(gives_up=True)
        case _:
            assert_never(standing)


def may_begin(standing: Standing | None) -> bool:
    """Another one takes the place of one that nobody has answered in full; not of one that counts or soon will, nor, for whoever has
    a session alone, of one that was begun by the code.
    """
    return standing is None or (isinstance(standing, Asked) and not standing.is_agreed)


def may_recover(standing: Standing | None) -> bool:
    """The code weighs the same each time: what waits by it gives way too, or one slip in the new address, to which a stranger says yes,
    would give the person away. What both mailboxes changed does not: the old one may want it back.
    """
    return not isinstance(standing, Changed)


def later(standing: Standing, *, at: datetime) -> Asked | Waiting:
    """A change that both mailboxes, or one and the clock, have agreed to, while an invitation to the new one is being closed: consent alone
    knows whether an answer to it is on its way, and whoever answered keeps the mailbox. A "not me" goes on to count.
    """
    until = at + LOOKED_AT_AGAIN
    return Waiting(until) if isinstance(standing, Waiting) else Asked(until, new_said=True, old_said=True)


def is_same(present: str, new: str) -> bool:
    """Whether they are one address, letter by letter: the case of a domain is no letter (RFC 5321, section 2.4). Another spelling
    of the same mailbox is not the same.
    """
    (local, _, domain), (new_local, _, new_domain) = present.rpartition("@"), new.rpartition("@")
    return (local, domain.casefold()) == (new_local, new_domain.casefold())


def concerns(*, is_same: bool, act: Act, issued_at: datetime | None, old_since: datetime) -> bool:
    """Whether an answer by a link counts for the change that there is now.

    A yes counts for its own change alone. A "not me" also by a link of an earlier one, if it went to the mailbox that this change
    is to take away: who asks twice is not to be faster than whoever reads the first email.
    """
    return is_same or (act == "not_me" and issued_at is not None and issued_at > old_since)
