"""What has just been done, for the top of the profile page: said by the address that a form leads on to."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from services.signup.decisions.answering import Answer, Ignore, NotMe
from shared.i18n import gettext, marked

_SAVED: Mapping[str, str] = {
    "match,contact": marked(
        "You allowed employers whose jobs fit to see your profile, and to write to you. What they see is what you save below, and nothing else."
    ),
    "match": marked(
        "You allowed employers whose jobs fit to see your profile. Nobody may write to you. What they see is what you save below, and nothing else."
    ),
    "contact": marked(
        "You allowed messages, but not that employers see your profile: so nobody can find you, and nobody can "
        "write. To be found, go back to your choices and check that, too."
    ),
}
"""By the purposes, in their order."""
_RECEIPT = re.compile(r"r_[A-Za-z0-9_-]{1,80}")


@dataclass(frozen=True, slots=True)
class Done:
    """A few words, and the person's receipt where there is one."""

    title: str
    text: str
    receipt: str = ""
    """Its address."""


def after(answer: Answer) -> str:
    """What the address of the page gets, so that it says what became of an answer; empty for what has a page of its own."""
    match answer:
        case Ignore():
            return "?done=ignored"
        case NotMe():
            return "?done=not_me"
        case _:
            return ""


def done_of(query: Mapping[str, str], *, consent_url: str, token: str = "") -> Done | None:
    """What the address says; None where it says nothing, or what no form of ours leads to.

    `saved` is consent's: the purposes that are on after a person's answer, and `receipt` theirs, which opens by their link. It is
    believed beside that link alone: whoever makes an address of `/me` for others to follow has no say in what they allowed.
    """
    match query.get("done"):
        case "ignored":
            return Done(
                gettext("Ignored"), gettext("None of it is used, and nobody sees it. You are not asked about it again.")
            )
        case "not_me":
            return Done(
                gettext("That record is not you"),
                gettext("What it alone told us is deleted, and you are never asked about it again."),
            )
    if not token or not (said := _SAVED.get(query.get("saved", ""))):
        return None
    receipt = query.get("receipt", "")
    address = f"{consent_url}/v1/receipts/{receipt}?token={token}" if _RECEIPT.fullmatch(receipt) else ""
    return Done(gettext("Your answer is saved"), gettext(said), address)
