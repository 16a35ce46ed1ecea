"""Where a message to a person stands, and why, in words for that person."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Literal, assert_never

from services.consent.model import Decided, Message, Reported
from shared.contracts.rules import Rule
from shared.i18n import gettext, marked

Standing = Literal["waiting", "leaving", "sent", "bounced", "uncertain", "not_sent", "taken_back"]

_WHY: Mapping[Rule, str] = MappingProxyType(
    {
        Rule.NETWORK_WINDOW: marked(
            "As many first messages as the rules or your own limits allow had come, or were planned, already."
        ),
        Rule.NETWORK_GAP: marked("It would have come too soon before or after another first message."),
        Rule.SAME_EMPLOYER: marked("This employer wrote to you already, and may not again so soon."),
        Rule.HOURS: marked(
            "Nobody may write at that hour: it is outside the network’s hours where you are, or in your quiet hours."
        ),
        Rule.CONTACT_NOT_GRANTED: marked(
            "You did not allow messages then: they were off, paused, or your answer had ended."
        ),
        Rule.EMPLOYER_BLOCKED: marked("You blocked this employer."),
        Rule.NOT_A_MEMBER: marked("You were not in the list that this employer wrote from."),
        Rule.KEY_MISSING: marked(
            "Your key was not there when it came, so its words were locked for good, and nobody can read them."
        ),
        Rule.MAILBOX_GONE: marked("Your mail provider says that your mailbox no longer exists."),
        Rule.SENDER_SUSPENDED: marked("Fairpool does not let this employer write to anybody now."),
        Rule.EXPIRED: marked("Its last day, or the last day of the job’s offer, came before it could be sent."),
        Rule.CANCELLED_BY_SENDER: marked("The employer took it back."),
    }
)
"""Each rule that a decision can name: of all that is refused or waits, that is the reason."""


def why(rule: str | None) -> str | None:
    """The rule as its person reads it; None: nothing stood against it."""
    if rule is None:
        return None
    known = {one.value: words for one, words in _WHY.items()}.get(rule)
    return known or gettext("A rule of the network, “%(rule)s”, did not allow it.", rule=rule)


def last_word(message: Message) -> Decided | Reported:
    """The newer of the two: what was decided, or what became of that."""
    decided, reported = message.decided, message.reported
    if reported is not None and (decided is None or reported.version >= decided.version):
        return reported
    if decided is None:
        raise ValueError("a message of which neither half has come")
    return decided


def standing(message: Message) -> Standing:
    """Where it stands by its last word."""
    last = last_word(message)
    return _before(last) if isinstance(last, Decided) else _after(last)


def reason(message: Message) -> str | None:
    """Why it waits, or was not sent, as its person reads it; None where there is nothing to say."""
    last = last_word(message)
    return why(last.rule) if isinstance(last, Decided) else _of_report(last)


def planned_for(message: Message) -> datetime | None:
    """Of what waits: not before then, as things stand; None: it waits for room, at most until its own end."""
    last = last_word(message)
    return last.slot_at if isinstance(last, Decided) and last.outcome == "delayed" else None


def _of_report(reported: Reported) -> str | None:
    match reported.outcome:
        case "withheld":
            suspended = _WHY[Rule.SENDER_SUSPENDED]
            return suspended if reported.sender_suspended else marked("It was held back when it was about to leave.")
        case "returned":
            return marked("It could not be sent at its time, and gets another.")
        case "bounced":
            return marked("Your mail provider did not take it.")
        case "doubtful":
            return marked("It was on its way when something broke. It may have arrived; it is not sent again.")
        case "delivered":
            return None
        case _:
            assert_never(reported.outcome)


def _before(decided: Decided) -> Standing:
    match decided.outcome:
        case "delayed":
            return "waiting"
        case "admitted":
            return "leaving"
        case "dropped":
            return "not_sent"
        case "cancelled":
            return "taken_back" if decided.rule == Rule.CANCELLED_BY_SENDER else "not_sent"
        case _:
            assert_never(decided.outcome)


def _after(reported: Reported) -> Standing:
    match reported.outcome:
        case "delivered":
            return "sent"
        case "bounced":
            return "bounced"
        case "doubtful":
            return "uncertain"
        case "returned":
            return "waiting"
        case "withheld":
            return "not_sent"
        case _:
            assert_never(reported.outcome)
