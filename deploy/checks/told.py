"""What employers were told, and whether it is only what they may know and true: a word and a day, at their own ticks."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal

FEWEST = 5
"""No list names fewer people."""
_DAY = timedelta(days=1)
_A_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_AN_HOUR = re.compile(r"\d:\d\d|T\d\d")
_WORDS = frozenset({"waiting", "sent", "not_sent", "cancelled"})
_ENDS = _WORDS - {"waiting"}
_WAS_SENT_AROUND = timedelta(minutes=15)
"""A mail arrives a little before it is written down that it went out."""

Kind = Literal["submission", "outreach", "feed"]
_FIELDS: Mapping[Kind, frozenset[str]] = {
    "submission": frozenset({"id", "state", "known_by"}),
    "outreach": frozenset(
        {"id", "state", "member_ref", "submitted_at", "expires_at", "sent_on", "known_by", "policy", "detail"}
    ),
    "feed": frozenset({"id", "outreach", "state", "sent_on", "at"}),
}
_DAYS = ("expires_at", "sent_on", "known_by")


@dataclass(frozen=True, slots=True)
class Answer:
    """One JSON object that an employer got of its outreach, as it was."""

    kind: Kind
    employer: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Told:
    """One row of an employer's feed."""

    employer: str
    outreach: str
    state: str
    sent_on: date | None
    at: datetime

    @classmethod
    def of(cls, employer: str, row: Mapping[str, Any]) -> "Told":
        """As the feed has it."""
        day = row["sent_on"]
        return cls(
            employer,
            str(row["outreach"]),
            str(row["state"]),
            None if day is None else date.fromisoformat(day),
            datetime.fromisoformat(row["at"]),
        )


def what_is_wrong_with(answer: Answer) -> Iterator[str]:
    """A field too many, another word, or an hour where a day belongs."""
    body = answer.body
    if more := body.keys() - _FIELDS[answer.kind]:
        yield f"a {answer.kind} answer has {', '.join(sorted(more))}"
    if body.get("state") not in _WORDS:
        yield f"a {answer.kind} answer says {body.get('state')!r}"
    for name in _DAYS:
        if (value := body.get(name)) is not None and not _A_DAY.fullmatch(str(value)):
            yield f"`{name}` of a {answer.kind} answer is no day: {value!r}"
    if _AN_HOUR.search(str(body.get("detail", ""))):
        yield f"the words of a {answer.kind} answer name an hour: {body['detail']!r}"


def off_the_ticks(rows: Iterable[Told], every: timedelta) -> Iterator[Told]:
    """What was told between an employer's ticks, though it was not the employer's own act."""
    first: dict[str, datetime] = {}
    for row in rows:
        if row.state != "cancelled" and (row.at - first.setdefault(row.employer, row.at)) % every:
            yield row


def last_of(rows: Iterable[Told]) -> Mapping[str, Told]:
    """Outreach id to what was told of it last."""
    return {row.outreach: row for row in rows}


def twice_told(rows: Iterable[Told]) -> Iterator[str]:
    """Outreach that ended twice; only what was taken back may turn out to have been sent."""
    states: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        states[row.outreach].append(row.state)
    for outreach, told in states.items():
        if told not in ([told[0]], ["cancelled", "sent"]):
            yield f"{outreach}: {', then '.join(told)}"


def is_end(state: str) -> bool:
    """Whether nothing more is told."""
    return state in _ENDS


def is_over(day: date, at: datetime) -> bool:
    """Whether the day is over in UTC."""
    return at >= datetime.combine(day + _DAY, time(), UTC)


def days_around(moment: datetime) -> frozenset[date]:
    """The days on which something that arrived then may have been sent."""
    return frozenset((moment + around).astimezone(UTC).date() for around in (-_WAS_SENT_AROUND, _WAS_SENT_AROUND))
