"""What the page of messages says, in plain words."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from services.consent.api import views
from services.consent.decisions.messages import Standing, last_word, planned_for, reason, standing
from services.consent.decisions.windows import Fullness, Room
from services.consent.model import Choices, Message
from shared import wording
from shared.contracts import grants
from shared.facts import shown

STANDS: Mapping[Standing, str] = MappingProxyType(
    {
        "waiting": "It waits.",
        "leaving": "It may be sent, and is on its way.",
        "sent": "It was sent. The message is in your inbox.",
        "bounced": "It was sent, and did not arrive.",
        "uncertain": "It may or may not have arrived.",
        "not_sent": "It was not sent, and will not be.",
        "taken_back": "It was not sent, and will not be.",
    }
)
_HEADS: Mapping[Standing, str] = MappingProxyType(
    {
        "waiting": "Waits",
        "leaving": "On its way",
        "sent": "Sent",
        "bounced": "Did not arrive",
        "uncertain": "May have arrived",
        "not_sent": "Not sent",
        "taken_back": "Taken back",
    }
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One message on the page."""

    employer: str
    head: str
    sentences: tuple[str, ...]
    rows: tuple[tuple[str, str], ...]
    next: str | None
    """Where its person asks for it to come next; None: it does not wait."""


def entry(message: Message, name: views.Names, zone: str | None) -> Entry:
    """One message: who wrote, what became of it and why, and when."""
    stands, last = standing(message), last_word(message)
    rows = [("Employer asked", wording.moment(message.began_at, zone))]
    if stands == "waiting":
        planned = planned_for(message)
        rows.append(("Not before", wording.moment(planned, zone) if planned else "No time is free before it ends, as things stand"))  # fmt: skip
        if message.wished_at is not None:
            rows.append(("You asked for it next", wording.moment(message.wished_at, zone)))
        if message.ends_at is not None:
            rows.append(("Never later than", wording.moment(message.ends_at, zone)))
    elif stands != "leaving":
        rows.append(("Since" if stands != "sent" else "Sent", wording.moment(last.at, zone)))
    if message.decided is not None:
        rule = message.decided.rule
        policy = message.decided.policy
        rows.append(("Rule", f"{rule.replace('_', ' ')}, policy {policy}" if rule else f"policy {policy}"))
    sentences = tuple(filter(None, (STANDS[stands], reason(message))))
    let_through = f"/me/messages/{message.outreach}/next" if stands == "waiting" else None
    return Entry(shown(name(message.employer), views.NAMELESS), _HEADS[stands], sentences, tuple(rows), let_through)


def may_be_written_to(choices: Choices, at: datetime) -> bool:
    """Whether any employer may write first now."""
    on = set(choices.purposes)
    return {"match", "contact"} <= on and grants.is_in_force(choices, at=at)


def week(found: Room | None, choices: Choices, at: datetime) -> tuple[str, ...]:
    """How full it is, one sentence for each window, and from when on the next may come."""
    if not may_be_written_to(choices, at):
        return ("Nobody may write to you first now: what you allow does not let them.",)
    if found is None:
        return (f"No message counts toward your limits now. They are: {views.times(choices)}.",)
    return (*(_window(one) for one in found.windows), _next(found, choices, at))


def _window(one: Fullness) -> str:
    planned = f" {one.planned} more {'is' if one.planned == 1 else 'are'} planned." if one.planned else ""
    first = "first message" if one.cap == 1 else "first messages"
    return f"{one.came} of {one.cap} {first} in {_length(one.length)}.{planned}"


def _next(found: Room, choices: Choices, at: datetime) -> str:
    if found.next_at is None:
        return "No other employer’s first message has room in the next two weeks."
    if found.next_at <= at:
        return "One more, of an employer that has not written to you, could come now."
    return f"The next, of an employer that has not written to you, comes not before {_moment(found.next_at, choices)}."


def _moment(when: datetime, choices: Choices) -> str:
    here = when.astimezone(wording.zone_of(choices.time_zone))
    return f"{here:%A}, {wording.moment(when, choices.time_zone)}"


def _length(length: timedelta) -> str:
    days = length / timedelta(days=1)
    return f"{days:g} day{'' if days == 1 else 's'}"
