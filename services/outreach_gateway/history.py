"""What became of messages in months that are long over: what a sender may expect, whoever the people are."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from services.outreach_gateway.answers import MOST_DAYS
from shared.contracts.codes import STATES

FEWEST_MESSAGES, FEWEST_EMPLOYERS = 100, 5
"""No figure of fewer, whichever employer is left out; numbers of messages are told in hundreds."""
MAJORS = tuple(f"{number}-" for number in range(11, 56, 2))
"""What the codes of the major groups of the 2018 SOC begin with."""
_ENDED_AFTER = timedelta(days=MOST_DAYS + 2)


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one kind of work in one month."""

    month: date
    """Its first day."""
    messages: int
    """In hundreds, rounded down."""
    sent_percent: int
    """In steps of five."""
    days_median: int | None
    """From the day of submission to that of sending, of those that were sent; None: none was."""
    days_nine_of_ten: int | None


def last_month(at: datetime) -> date:
    """The first day of the last month of which every message has ended by then."""
    over = (at - _ENDED_AFTER).date().replace(day=1)
    return (over - timedelta(days=1)).replace(day=1)


def month_after(month: date) -> date:
    """The first day of the next."""
    return (month + timedelta(days=31)).replace(day=1)


def state_of(location: str) -> str | None:
    """The state that a job's location ends with, as in `Denver, CO`; None where it names none so."""
    words = location.replace(",", " ").split()
    while words and words[-1][:1].isdigit():
        words.pop()
    return words[-1] if words and words[-1] in STATES else None
