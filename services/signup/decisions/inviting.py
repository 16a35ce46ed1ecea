"""May this mailbox be invited once more?"""

from services.signup.model import PastInvitations

MOST_INVITATIONS = 2
"""Ever, unless the person comes by the join page."""


def may_invite(past: PastInvitations, *, by_join: bool) -> bool:
    """Whether a confirmation mail may go out: the person asks for it, or was asked less than twice and did not say no."""
    return by_join or (past.count < MOST_INVITATIONS and not past.refused)
