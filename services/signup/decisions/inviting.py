"""May this address be invited once more?"""

MOST_INVITATIONS = 2
"""Ever, unless the person comes by the join page."""


def may_invite(before: int, *, by_join: bool) -> bool:
    """Whether a confirmation mail may go out after so many: the person asks for it, or was asked less than twice."""
    return by_join or before < MOST_INVITATIONS
