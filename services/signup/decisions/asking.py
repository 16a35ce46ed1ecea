"""Who asks a page to email an address: nobody's requests spend another's."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.signup.decisions.notices import SIGN_IN_KEPT

STILL_GOOD = timedelta(minutes=10)
"""A link that works for less is not sent again: its person has to have time to open it."""
SAME_LINK_AGAIN = timedelta(minutes=5)
"""Between two emails with the same link, if one who has asked already asks for it."""
MAILS_AN_HOUR = 10
RESERVED = 5
"""Of these, for who has not asked within the hour."""
LINKS_A_DAY = 6
"""To one who asks."""
JOINS_A_DAY = 6
JOINS_RESERVED = 3
"""Of these, for who has not asked within the day; it is also what one who asks has at most."""
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Asked:
    """An earlier request."""

    by_the_same: bool
    """It came from where the present one does."""
    at: datetime
    link_until: datetime | None
    """How long the link works that it brought; None where it brought none, such as before its person had joined."""
    is_new_link: bool = True


@dataclass(frozen=True, slots=True)
class Mail:
    """An email is due, with a link that works until then."""

    link_until: datetime
    is_new_link: bool


def sign_in(before: Sequence[Asked], *, at: datetime) -> Mail | None:
    """What a request for a link brings: the same link as long as it is good, and else a new one.

    So whoever asks finds a link in their mailbox that works, whatever others have asked for before: a link that is good
    is there already, and a new one is not counted by what others did.
    """
    today = [one for one in before if one.link_until is not None and one.at > at - DAY]
    good = max((one.link_until for one in today if one.link_until and one.link_until >= at + STILL_GOOD), default=None)
    mine = [one for one in today if one.by_the_same]
    if good is None:
        is_few = sum(one.is_new_link for one in mine) < LINKS_A_DAY
        return Mail(at + SIGN_IN_KEPT, is_new_link=True) if is_few else None
    hour = [one for one in today if one.at > at - HOUR]
    if not any(one.at > at - HOUR for one in mine):
        return Mail(good, is_new_link=False) if len(hour) < MAILS_AN_HOUR else None
    is_soon = any(one.at > at - SAME_LINK_AGAIN for one in today)
    return None if is_soon or len(hour) >= MAILS_AN_HOUR - RESERVED else Mail(good, is_new_link=False)


def may_join(before: Sequence[Asked], *, at: datetime) -> bool:
    """Whether one more joining with this address is taken: a few a day, some of them for who has not tried today."""
    today = [one for one in before if one.at > at - DAY]
    mine = sum(one.by_the_same for one in today)
    most = JOINS_A_DAY - JOINS_RESERVED if mine else JOINS_A_DAY
    return len(today) < most
