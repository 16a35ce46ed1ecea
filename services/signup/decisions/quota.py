"""How much is kept of records that nobody knows yet, for one vendor or employer: enough for its worst day, and no more."""

from services.signup.model.people import Change

MOST_KEPT = 10_000
"""Reports of one tenant. Of deletions twice as many are: a person's end is the last thing to be turned away."""
_KEPT_FIRST: frozenset[Change] = frozenset({"deleted"})
_KEPT_LAST: frozenset[Change] = frozenset({"changed", "hired", "merged"})


def full(kept: int, most: int = MOST_KEPT) -> frozenset[Change]:
    """The changes of which no more is taken, where so many reports are kept; a creation makes a record known, and never waits."""
    if kept < most:
        return frozenset()
    return _KEPT_LAST if kept < 2 * most else _KEPT_LAST | _KEPT_FIRST


def is_kept(change: Change, kept: int, most: int) -> bool:
    """Whether one more is kept; at the end not even a creation whose mailbox is being erased at that moment."""
    return change not in full(kept, most) and kept < 2 * most
