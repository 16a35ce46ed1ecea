"""What employers send, and what they are answered. A first message names a real job, its place and its pay."""

from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field, model_validator

from shared.contracts.base import Instant
from shared.web.types import Form, PublicUrl, ReadableLine, ReadableText, RequestModel


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty")
    return value


def _money(value: float) -> float:
    if round(value, 2) != value:
        raise ValueError("must be an amount of money, with two decimals at most")
    return value


Amount = Annotated[float, Field(strict=True, ge=1, le=100_000_000), AfterValidator(_money)]


class PayRequest(RequestModel):
    """A range, as the job's own notice would state it."""

    min: Amount
    max: Amount
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    per: Literal["hour", "day", "week", "month", "year"]

    @model_validator(mode="after")
    def _is_a_range(self) -> "PayRequest":
        if self.max < self.min:
            raise ValueError("max must not be below min")
        return self


class JobRequest(RequestModel):
    """The job (after schema.org JobPosting)."""

    title: ReadableLine
    occupation: Annotated[str, Field(pattern=r"^[0-9]{2}-[0-9]{4}$")]
    organization: ReadableLine
    location: ReadableLine
    remote: bool
    pay: PayRequest
    url: PublicUrl
    valid_through: date = Field(description="The last day of the offer: nothing is sent after it, where the person is.")


class OutreachRequest(RequestModel):
    """One message from an employer to one member of its pools."""

    member_ref: Annotated[
        str,
        Form(r"m_[A-Za-z0-9_-]{20,100}", "a member_ref as a pool's members or updates give it: m_ and what follows"),
    ]
    subject: ReadableLine
    body: Annotated[ReadableText, Field(min_length=1), AfterValidator(_not_blank)]
    expires_at: Instant | None = None
    job: JobRequest


StateOut = Literal["submitted", "delayed", "admitted", "dropped", "cancelled", "delivered", "bounced", "doubtful"]


class SubmittedOut(BaseModel):
    """Taken in; the decision comes within seconds."""

    id: str
    state: Literal["submitted"] = "submitted"


class DecisionOut(BaseModel):
    """Why: the receipt of a decision."""

    outcome: Literal["admit", "delay", "drop", "cancel"]
    rule: str | None = Field(
        description="What stood against sending at once: person_is_full, employer_limit, outside_hours, not_granted, "
        "sender_suspended, expired or cancelled_by_sender. The operator's key sees the rule's own name."
    )
    policy: str = Field(description="The version of the rules; see /v1/policy.")
    at: Instant = Field(description="To the hour, or `submitted_at` where that is later; exact for the operator's key.")
    until: Instant | None = Field(
        description="Delayed: planned for this hour, when it is decided again. The plan can change until then, to a later hour or "
        "an earlier one. Null: no hour before the message's own end is free as things stand; it waits for one until then. "
        "Exact for the operator's key."
    )
    detail: str = Field(description="The rule in plain words.")


class OutreachOut(BaseModel):
    """One outreach. `doubtful`: handed over when the courier died; never sent again."""

    id: str
    state: StateOut
    member_ref: str
    submitted_at: Instant
    expires_at: Instant
    decision: DecisionOut | None
    employer: str | None = Field(default=None, description="For the operator's key only.")


class ChangeOut(BaseModel):
    """One change of state."""

    id: str
    outreach: str
    state: StateOut
    rule: str | None
    at: Instant
    employer: str | None = Field(None, description="For the operator alone.")


class ChangesOut(BaseModel):
    """A part of the feed."""

    items: list[ChangeOut]
    next: str | None = Field(description="Pass it as `after` to go on, also when `items` is empty.")
