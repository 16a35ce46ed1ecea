"""What an employer is told of its outreach: everything that says it to an employer asks here, and nothing else does.

An employer is told only what it could know if no other employer and no act of the person existed. What is its own, it is told
exactly and at once: what it sent, what it took back, and that it wrote before. All else ends in one of two words, released at its
own tick: `sent` on a day, or `not_sent` when the message's own days are over. No reason, no hour, no plan.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Literal

from services.outreach_gateway.model import Outreach, PoolMessage, State
from shared.ticks import Ticks

FEWEST_DAYS, MOST_DAYS = 3, 14
"""How many days ahead a message's last day is at least, and at most."""
LOOK_COSTS = timedelta(days=14)
"""A message that was not sent, or was taken back, closes its person to the employer for so long from its submission."""
HEARD_WITHIN = timedelta(minutes=30)
"""Nothing is handed on so shortly before its last day is over, and no day is told so shortly after its end: what became of a
message is heard before that."""
_DAY = timedelta(days=1)


class Told(StrEnum):
    """The states that an employer knows of."""

    WAITING = "waiting"
    SENT = "sent"
    NOT_SENT = "not_sent"
    CANCELLED = "cancelled"


WENT_OUT = frozenset({State.DELIVERED, State.BOUNCED, State.DOUBTFUL})
"""It was handed to a relay: whatever the mailbox did with it, it was sent."""


@dataclass(frozen=True, slots=True)
class Course:
    """What became of a message so far, as its row says it."""

    state: State
    submitted_at: datetime
    last_day: date
    """Nothing is sent after it; UTC."""
    sent_at: datetime | None = None
    """When it was handed to a relay; of what went out alone."""
    heard_at: datetime | None = None
    """When the gateway wrote that; of what went out alone."""
    taken_back_at: datetime | None = None
    """When its employer took it back, whether or not it had gone out by then."""


@dataclass(frozen=True, slots=True)
class Untold:
    """A message of which its employer is to be told something, and what it was told last."""

    outreach: str
    employer: str
    course: Course
    told: Told


@dataclass(frozen=True, slots=True)
class News:
    """What an employer is told of a message: a row of its feed."""

    outreach: str
    state: Told
    sent_on: date | None
    at: datetime
    """The tick, or the moment at which the employer itself took it back."""

    def said(self) -> str:
        """Its row in the feed, as JSON."""
        day = self.sent_on.isoformat() if self.sent_on else None
        return json.dumps(
            {"outreach": self.outreach, "state": self.state.value, "sent_on": day, "at": self.at.isoformat()}
        )

    @classmethod
    def of(cls, said: str) -> "News":
        """What such a row says."""
        row = json.loads(said)
        day = date.fromisoformat(row["sent_on"]) if row["sent_on"] else None
        return cls(row["outreach"], Told(row["state"]), day, datetime.fromisoformat(row["at"]))


AT_LEAST_SO_MANY = 5
"""Numbers of people are told in steps of so many."""


@dataclass(frozen=True, slots=True)
class PoolNews:
    """What an employer is told of a message to a pool that it does not see: a row of its feed."""

    outreach: str
    state: Literal["ended", "cancelled"]
    sent: int | None
    """To how many it was sent, rounded down; once it has ended."""
    at: datetime
    """The tick, or the moment at which the employer itself took it back."""

    def said(self) -> str:
        """Its row in the feed, as JSON."""
        return json.dumps(
            {"outreach": self.outreach, "state": self.state, "sent": self.sent, "at": self.at.isoformat()}
        )


def news_of(said: str) -> News | PoolNews:
    """What a row of the feed says."""
    row = json.loads(said)
    if "sent" not in row:
        return News.of(said)
    return PoolNews(row["outreach"], row["state"], row["sent"], datetime.fromisoformat(row["at"]))


def rounded(number: int) -> int:
    """As it is told: down to fives, so that no one person moves it but at a step."""
    return number - number % AT_LEAST_SO_MANY


def went_out(states: Mapping[State, int]) -> int:
    """How many of the messages that one to a pool has become were handed on."""
    return sum(number for state, number in states.items() if state in WENT_OUT)


def pool_opens(last: PoolMessage) -> date | None:
    """The first day on which the employer may write to the pool again after this message; None: not while it goes on."""
    return None if last.sent is None and last.taken_back_at is None else pool_soonest(last)


def pool_soonest(last: PoolMessage) -> date:
    """The first day on which it may do so, if this message is over by then."""
    return (last.submitted_at + LOOK_COSTS).astimezone(UTC).date() + _DAY


def pool_in_words(message: PoolMessage) -> str:
    """What is told of a message to a pool, for people to read."""
    if message.sent is not None:
        many = f"at least {message.sent} people" if message.sent else "fewer than 5 people, or nobody"
        return f"It has ended. It was sent to {many}: numbers are rounded down to fives."
    if message.taken_back_at is not None:
        return f"You took it back. On {message.tell_at:%B} {message.tell_at.day} you hear to how many it had gone out before that."
    return (
        f"It goes to whoever is in {message.pool}, if that is a pool of yours, once there is room in their week; on {message.tell_at:%B} {message.tell_at.day} you "
        "hear to how many it was sent, rounded down to fives."
    )


def course_of(row: Outreach) -> Course:
    """Of this row."""
    return Course(row.state, row.submitted_at, row.last_day, row.sent_at, row.heard_at, row.taken_back_at)


def last_day(asked: date | None, valid_through: date, *, today: date) -> date:
    """The message's last day: the day that was asked for or else the latest, and no day after the offer's last."""
    return min(asked or today + MOST_DAYS * _DAY, valid_through, today + MOST_DAYS * _DAY)


def end(last: date) -> datetime:
    """When this day is over."""
    return datetime.combine(last + _DAY, time(), UTC)


def handed_on_until(last: date) -> datetime:
    """When a message of this last day is too late to be handed on."""
    return end(last) - HEARD_WITHIN


def known_at(course: Course, ticks: Ticks, employer: str) -> datetime:
    """When its employer knows at the latest what became of it; this depends on nothing that anybody else does."""
    return ticks.first(employer, end(course.last_day) + HEARD_WITHIN)


def told(course: Course, ticks: Ticks, employer: str, *, at: datetime) -> Told:
    """What the employer is told at this time, by what had happened until its last tick and by what it did itself.

    What is with the courier at its end, or was heard of since that tick, is `waiting` still.
    """
    tick = ticks.last(employer, at)
    comes_at = told_at(course, ticks, employer)
    if _is_sent(course) and comes_at is not None and comes_at <= tick:
        return Told.SENT
    if course.taken_back_at is not None:
        return Told.CANCELLED
    is_on_its_way = course.state is State.ADMITTED or _is_sent(course)
    has_ended = known_at(course, ticks, employer) <= tick
    return Told.NOT_SENT if has_ended and not is_on_its_way else Told.WAITING


def told_at(course: Course, ticks: Ticks, employer: str) -> datetime | None:
    """When what is known of it by now comes to be told, beside what the employer itself did; None: nothing does any more.

    What was sent is told at the first tick after the day on which it was sent, so that the tick says no more than the day does;
    where the gateway heard of it later than that, at the first tick from then on.
    """
    if course.sent_at is not None and _is_sent(course):
        return ticks.first(
            employer, max(end(_day_of(course.sent_at, course)) + HEARD_WITHIN, course.heard_at or course.sent_at)
        )
    return None if course.taken_back_at is not None else known_at(course, ticks, employer)


def at_tick(row: Untold, ticks: Ticks, tick: datetime) -> tuple[Told, datetime | None]:
    """What the employer is told of it at this tick of its own, and when there is to be looked again; None: nothing comes any more."""
    what, comes_at = told(row.course, ticks, row.employer, at=tick), told_at(row.course, ticks, row.employer)
    is_to_come = comes_at is not None and comes_at > tick
    if what is Told.WAITING and not is_to_come:
        return what, ticks.next(row.employer, tick)
    return what, comes_at if is_to_come else None


def _is_sent(course: Course) -> bool:
    return course.state in WENT_OUT and course.sent_at is not None


def _day_of(sent_at: datetime, course: Course) -> date:
    return min(sent_at.astimezone(UTC).date(), course.last_day)


def sent_on(course: Course) -> date | None:
    """The day on which it was sent, UTC; never after its last."""
    return _day_of(course.sent_at, course) if course.sent_at is not None and _is_sent(course) else None


def closed_until(what: Told, course: Course, *, same_employer: timedelta) -> date | None:
    """The first day on which the employer may write to the same member ref again, by what it was told of its last message;
    None: not while that waits. `same_employer` is the policy's."""
    match what:
        case Told.WAITING:
            return None
        case Told.SENT:
            return (sent_on(course) or course.last_day) + same_employer + _DAY
        case Told.NOT_SENT | Told.CANCELLED:
            return (course.submitted_at + LOOK_COSTS).astimezone(UTC).date() + _DAY


def closes(earlier: Iterable[Outreach], row: Outreach, *, same_employer: timedelta, at: datetime) -> bool:
    """Whether what the employer wrote to the person before this message closes them to it, under whichever ref: by what really
    became of that, of which the employer is told no more than that this message is not sent."""
    return any(
        other.id != row.id
        and (
            (_is_before(other, row) and row.submitted_at - other.submitted_at < LOOK_COSTS)
            or ((sent := sent_on(course_of(other))) is not None and at < end(sent) + same_employer)
        )
        for other in earlier
    )


def _is_before(other: Outreach, row: Outreach) -> bool:
    return (other.submitted_at, other.id) < (row.submitted_at, row.id)


def in_words(what: Told, course: Course, ticks: Ticks, employer: str) -> str:
    """The same for people to read."""
    match what:
        case Told.WAITING:
            known = known_at(course, ticks, employer).date()
            return f"It waits for a place in this person's week; you will hear by {known:%B} {known.day} at the latest."
        case Told.SENT:
            return "It was sent."
        case Told.NOT_SENT:
            return "It was not sent, and will not be. Senders are not told why: that is the person's own."
        case Told.CANCELLED:
            return "You took it back. If it had gone out before that, this becomes `sent` when the day of its sending is told."
