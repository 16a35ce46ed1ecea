"""What employers send, and what they are answered. A first message names a real job, its place and its pay."""

from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field

from services.outreach_gateway.answers import Told
from services.outreach_gateway.api.job_bodies import NamedJob
from services.outreach_gateway.model import State
from shared.contracts.base import Instant
from shared.web.types import Day, Form, ReadableLine, ReadableText, RequestModel


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty")
    return value


class WordsRequest(RequestModel):
    """What is said, and of which job."""

    subject: ReadableLine = Field(description="Without the network's own name: people would take it for our word.")
    body: Annotated[ReadableText, Field(min_length=1), AfterValidator(_not_blank)]
    job: NamedJob


class OutreachRequest(WordsRequest):
    """One message from an employer to one member of its pools."""

    member_ref: Annotated[
        str,
        Form(r"m_[A-Za-z0-9_-]{20,100}", "a member_ref as a pool's members or updates give it: m_ and what follows"),
    ]
    expires_at: Day | None = Field(
        default=None,
        description="The message's last day, UTC: 3 to 14 days ahead, and 14 where it is left out; no later than the offer's last.",
    )


class PoolOutreachRequest(WordsRequest):
    """One message from an employer to whoever is in one of its pools, unseen."""

    pool: Annotated[str, Form(r"p_[A-Za-z0-9_-]{1,100}", "the id of one of your pools: p_ and what follows")]
    expires_at: Day | None = Field(
        default=None, description="As of a message to a member. On the day after you hear to how many it was sent."
    )


class PoolSubmittedOut(BaseModel):
    """Taken in, whoever is in the pool."""

    id: str
    state: Literal["taken"] = "taken"
    known_by: date = Field(description="The day, UTC, on which you hear to how many it was sent.")


class PoolOutreachOut(BaseModel):
    """One message to a pool, as its employer is told of it: `taken`, and in the end `ended`; `cancelled` by the employer itself
    until then."""

    id: str
    state: Literal["taken", "ended", "cancelled"]
    pool: str
    submitted_at: Instant
    expires_at: date = Field(description="Its last day, UTC.")
    known_by: date = Field(description="The day, UTC, on which you hear to how many it was sent.")
    sent: int | None = Field(description="To how many it was sent, rounded down to fives; once it has ended.")
    policy: str = Field(description="The version of the rules in force; see /v1/policy.")
    detail: str = Field(description="The state in plain words.")


class OperatorPoolOutreachOut(BaseModel):
    """One message to a pool as it is, and what its employer is told of it."""

    id: str
    employer: str
    pool: str
    told: Literal["taken", "ended", "cancelled"] = Field(description="What its employer is told of it by now.")
    sent: int | None = Field(description="What its employer is told: rounded down to fives; once it has ended.")
    submitted_at: Instant
    expires_at: date
    taken_back_at: Instant | None
    messages: dict[State, int] = Field(
        description="How many messages to one person each it has become, by state; none of a pool that is nobody's, or another's."
    )


class PoolChangeOut(BaseModel):
    """What is told of a message to a pool."""

    id: str
    outreach: str
    state: Literal["ended", "cancelled"]
    sent: int | None = Field(description="To how many it was sent, rounded down to fives; once it has ended.")
    at: Instant


class SubmittedOut(BaseModel):
    """Taken in. Accepted is not sent: it waits, and is sent on one of the days until its last, or not."""

    id: str
    state: Told
    known_by: date = Field(description="The day, UTC, on which you hear at the latest what became of it.")


class OutreachOut(BaseModel):
    """One message, as its employer is told of it: `waiting`, and in the end `sent` or `not_sent`; `cancelled` by the employer itself."""

    id: str
    state: Told = Field(
        description="Released once a day, at a time of your own. A message that you took back becomes `sent` where it had gone "
        "out before that."
    )
    member_ref: str
    submitted_at: Instant
    expires_at: date = Field(description="Its last day, UTC.")
    sent_on: date | None = Field(description="The day, UTC; of what was sent alone.")
    known_by: date = Field(description="The day, UTC, on which you hear at the latest what became of it.")
    policy: str = Field(description="The version of the rules in force; see /v1/policy.")
    detail: str = Field(description="The state in plain words.")


class ChangeOut(BaseModel):
    """One change of state, as its employer is told of it."""

    id: str
    outreach: str
    state: Told
    sent_on: date | None
    at: Instant = Field(description="When it was told: the time of the day that is yours, or when you took it back.")


class ChangesOut(BaseModel):
    """A part of the feed."""

    items: list[ChangeOut | PoolChangeOut]
    next: str | None = Field(description="Pass it as `after` to go on, also when `items` is empty.")


class DecisionOut(BaseModel):
    """Why: the receipt of a decision, for the operator alone."""

    outcome: Literal["admit", "delay", "drop", "cancel"]
    rule: str | None
    policy: str
    at: Instant
    until: Instant | None = Field(
        description="The slot of what is delayed; null: no place before its own end as things stand."
    )
    detail: str


class OperatorOutreachOut(BaseModel):
    """One message as it is. `doubtful`: handed over when the courier died; never sent again."""

    id: str
    employer: str
    state: State
    told: Told = Field(description="What its employer is told of it by now.")
    member_ref: str
    submitted_at: Instant
    expires_at: Instant
    sent_at: Instant | None
    taken_back_at: Instant | None
    decision: DecisionOut | None


class OperatorChangeOut(BaseModel):
    """One change of state as it was."""

    id: str
    outreach: str
    employer: str
    state: State
    rule: str | None
    at: Instant


class OperatorChangesOut(BaseModel):
    """A part of the operator's feed."""

    items: list[OperatorChangeOut]
    next: str | None = Field(description="Pass it as `after` to go on, also when `items` is empty.")
