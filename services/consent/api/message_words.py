"""What the page of messages says, in plain words."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from urllib.parse import urlencode

from services.consent.api import views
from services.consent.decisions.messages import Standing, last_word, planned_for, reason, standing
from services.consent.decisions.windows import Fullness, Room
from services.consent.model import Choices, Message
from shared import wording
from shared.contracts import grants
from shared.facts import shown
from shared.i18n import gettext, marked, ngettext

STANDS: Mapping[Standing, str] = MappingProxyType(
    {
        "waiting": marked("It waits."),
        "leaving": marked("It may be sent, and is on its way."),
        "sent": marked("It was sent. The message is in your inbox."),
        "bounced": marked("It was sent, and did not arrive."),
        "uncertain": marked("It may or may not have arrived."),
        "not_sent": marked("It was not sent, and will not be."),
        "taken_back": marked("It was not sent, and will not be."),
    }
)
_HEADS: Mapping[Standing, str] = MappingProxyType(
    {
        "waiting": marked("Waits"),
        "leaving": marked("On its way"),
        "sent": marked("Sent"),
        "bounced": marked("Did not arrive"),
        "uncertain": marked("May have arrived"),
        "not_sent": marked("Not sent"),
        "taken_back": marked("Taken back"),
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
    job: str | None
    """Where its person sees its job; None: it does not wait, or came from a version that did not tell."""


def job_page(message: Message, signup_url: str) -> str | None:
    """Where signup, which alone can open it, shows the job of what waits."""
    if message.sealed_job is None or standing(message) != "waiting":
        return None
    return f"{signup_url}/me/job?{urlencode({'outreach': message.outreach, 'sealed': message.sealed_job})}"


def entry(message: Message, name: views.Names, zone: str | None, signup_url: str) -> Entry:
    """One message: who wrote, what became of it and why, and when."""
    stands, last = standing(message), last_word(message)
    rows = [(gettext("Employer asked"), wording.moment(message.began_at, zone))]
    if stands == "waiting":
        planned = planned_for(message)
        when = wording.moment(planned, zone) if planned else gettext("No time is free before it ends, as things stand")
        rows.append((gettext("Not before"), when))
        if message.wished_at is not None:
            rows.append((gettext("You asked for it next"), wording.moment(message.wished_at, zone)))
        if message.ends_at is not None:
            rows.append((gettext("Never later than"), wording.moment(message.ends_at, zone)))
    elif stands != "leaving":
        rows.append((gettext("Since") if stands != "sent" else gettext("Sent"), wording.moment(last.at, zone)))
    if message.decided is not None:
        rule = message.decided.rule
        policy = message.decided.policy
        if rule:
            named = gettext("Mention rule “%(rule)s” of policy %(policy)s", rule=rule.replace("_", " "), policy=policy)
        else:
            named = gettext("Mention policy %(policy)s", policy=policy)
        rows.append((gettext("If you ask about this"), named))
    sentences = tuple(gettext(one) for one in (STANDS[stands], reason(message)) if one)
    let_through = f"/me/messages/{message.outreach}/next" if stands == "waiting" else None
    return Entry(
        shown(name(message.employer), gettext(views.NAMELESS)),
        gettext(_HEADS[stands]),
        sentences,
        tuple(rows),
        let_through,
        job_page(message, signup_url),
    )


def may_be_written_to(choices: Choices, at: datetime) -> bool:
    """Whether any employer may write first now."""
    on = set(choices.purposes)
    return {"match", "contact"} <= on and grants.is_in_force(choices, at=at)


def week(found: Room | None, choices: Choices, at: datetime) -> tuple[str, ...]:
    """How full it is, one sentence for each window, and from when on the next may come."""
    if not may_be_written_to(choices, at):
        return (gettext("Nobody may write to you first now: what you allow does not let them."),)
    if found is None:
        return (gettext("No message counts toward your limits now. They are: %(times)s.", times=views.times(choices)),)
    return (*(_window(one) for one in found.windows), _next(found, choices, at))


def _window(one: Fullness) -> str:
    came = ngettext(
        "%(came)s of %(num)s first message in %(length)s.",
        "%(came)s of %(num)s first messages in %(length)s.",
        one.cap,
        came=one.came,
        length=_length(one.length),
    )
    if not one.planned:
        return came
    planned = ngettext("%(num)s more is planned.", "%(num)s more are planned.", one.planned)
    return f"{came} {planned}"


def _next(found: Room, choices: Choices, at: datetime) -> str:
    if found.next_at is None:
        return gettext("There is no room for another employer’s first message in the next two weeks.")
    if found.next_at <= at:
        return gettext("One more, from an employer that has not written to you, could come now.")
    return gettext(
        "The next one from an employer that has not written to you can come on %(moment)s at the earliest.",
        moment=_moment(found.next_at, choices),
    )


def _moment(when: datetime, choices: Choices) -> str:
    here = when.astimezone(wording.zone_of(choices.time_zone))
    return f"{wording.weekday(here)}, {wording.moment(when, choices.time_zone)}"


def _length(length: timedelta) -> str:
    days = length / timedelta(days=1)
    return gettext("1 day") if days == 1 else gettext("%(days)s days", days=f"{days:g}")
