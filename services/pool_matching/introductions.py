"""Whom an employer brought along itself: they are listed, and don't count toward the fewest that it must be shown.

Whoever introduces four invented people, by itself or by the vendor of its seat, would else see the fifth alone. Who was introduced
after they had confirmed was there already, and goes on to count: else a vendor could tell of anybody and see a listing close.
"""

from datetime import datetime, timedelta

REMEMBERED = timedelta(days=731)
"""For two years after it gave up an employer's seat, whom a vendor introduced does not count for that employer."""


IN_STEPS_OF = 5
"""How many an employer introduced is told rounded down to these: it is no count of one person's acts."""


def in_steps(people: int) -> int:
    """As an employer is told of it: 0, 5, 10 and so on."""
    return people // IN_STEPS_OF * IN_STEPS_OF


def remembered_since(at: datetime) -> datetime:
    """A vendor that held the seat later than this is still its employer's own."""
    return at - REMEMBERED
