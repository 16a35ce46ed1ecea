"""May this mailbox be invited once more?"""

from datetime import datetime, timedelta

from services.signup.model.invitations import PastInvitations

MOST_INVITATIONS = 2
"""Ever, unless the person comes by the join page."""
AFTER_A_NO = timedelta(days=90)
"""Whoever fills in the join page may be a stranger: a mailbox that said no is asked at most once in that time."""


def may_invite(past: PastInvitations, *, by_join: bool, at: datetime) -> bool:
    """Whether a confirmation mail may go out: the person asks for it, or was asked less than twice and did not say no.

    After a no that is not so sure any more: the join page counts for one mail, and for the next when 90 days are over.
    """
    if not by_join:
        return past.count < MOST_INVITATIONS and not past.refused
    if past.said_no_at is None or past.last_at is None or past.last_at <= past.said_no_at:
        return True
    return past.last_at <= at - AFTER_A_NO


def may_register(past: PastInvitations, *, by_join: bool, reported_at: datetime) -> bool:
    """Whether somebody unknown is registered at all: not one who erased themself, or said "never again", but by the join page,
    and later than that. What was told before, and comes again from wherever, brings nobody back.
    """
    if not past.refused:
        return True
    return by_join and past.said_no_at is not None and reported_at > past.said_no_at
