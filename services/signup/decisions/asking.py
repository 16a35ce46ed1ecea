"""Who asks a page to email an address: a mailbox is not flooded, and nobody is kept out for long."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from services.signup.decisions.notices import SIGN_IN_KEPT

Page = Literal["join", "sign_in", "email"]
"""`email`: a change of somebody's email wrote to it."""
STILL_GOOD = timedelta(minutes=5)
"""A link that works for less is not sent again: its person has to have time to open it."""
SAME_LINK_AGAIN = timedelta(minutes=5)
"""Between two emails with the same link, if one who has asked already asks for it."""
MAILS_A_DAY = 8
"""To one mailbox, by all who ask both pages for it; a link that is sent again is one, too."""
RESERVED = 3
"""Of these, for who has not had one sent within the day."""
NAMED_A_DAY = 3
"""Of these, for changes of other people's emails that name the mailbox: none of them has a link by which its owner signs in."""
NEVER_LONGER = timedelta(hours=4)
"""However many ask: when nothing was mailed for so long, one more is, unless one alone had all that is not kept for others."""
JOINS_A_DAY = 3
"""From one who joins: what they write is taken, also while no email is due."""
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Asked:
    """An earlier request."""

    by_the_same: bool
    """It came from where the present one does."""
    at: datetime
    link_until: datetime | None
    """How long the link works that it brought; None where it brought none, such as before its person had joined."""
    page: Page = "sign_in"


@dataclass(frozen=True, slots=True)
class Mail:
    """An email is due, with a link that works until then."""

    link_until: datetime
    is_new_link: bool


@dataclass(frozen=True, slots=True)
class Joining:
    """What one more joining brings."""

    is_taken: bool
    """What was written is told on, as a proposal."""
    is_mailed: bool


def sign_in(
    before: Sequence[Asked], *, at: datetime, no_at: datetime | None = None, used_at: datetime | None = None
) -> Mail | None:
    """What a request for a link brings: the same link as long as it is good, and else a new one.

    A link that is good is in the mailbox already, whoever asked for it. One from before the person switched something off, at
    `no_at`, is none: it can switch nothing on. Nor is one from before `used_at`, when they last signed in (each works once,
    and that may have been the one) or a "not me" voided all. Sessions begin in whole seconds, so that one asked for in the second of it is none either.
    """
    if not may_mail(before, at=at):
        return None
    sent = [
        one
        for one in _mailed(before, at=at)
        if one.page == "sign_in" and (used_at is None or _second(one.at) > used_at)
    ]
    works = [one.link_until for one in sent if one.link_until is not None and one.link_until >= at + STILL_GOOD]
    good = max((until for until in works if no_at is None or until - SIGN_IN_KEPT > no_at), default=None)
    if good is None:
        return Mail(at + SIGN_IN_KEPT, is_new_link=True)
    is_soon = any(one.by_the_same for one in sent) and any(one.at > at - SAME_LINK_AGAIN for one in sent)
    return None if is_soon else Mail(good, is_new_link=False)


def _second(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


def join(before: Sequence[Asked], *, at: datetime) -> Joining:
    """A few a day are taken of each who joins, whatever others did; only their emails are shared."""
    mine = sum(one.by_the_same and one.page == "join" and one.at > at - DAY for one in before)
    is_taken = mine < JOINS_A_DAY
    return Joining(is_taken, is_taken and may_mail(before, at=at))


def may_name(before: Sequence[Asked], *, at: datetime) -> bool:
    """Whether a change of somebody's email may write to a mailbox that it names: rarely, or who knows it could use up its emails
    of the day, and its owner could not sign in.
    """
    return sum(one.page == "email" for one in _mailed(before, at=at)) < NAMED_A_DAY and may_mail(before, at=at)


def may_mail(before: Sequence[Asked], *, at: datetime) -> bool:
    """Whether a page may have one more email sent to this mailbox today."""
    sent = _mailed(before, at=at)
    mine, of_one = sum(one.by_the_same for one in sent), MAILS_A_DAY - RESERVED
    if mine < of_one and all(one.at <= at - NEVER_LONGER for one in sent):
        return True
    return len(sent) < (of_one if mine else MAILS_A_DAY)


def _mailed(before: Sequence[Asked], *, at: datetime) -> list[Asked]:
    return [one for one in before if one.link_until is not None and one.at > at - DAY]
