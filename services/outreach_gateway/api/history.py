"""`GET /v1/history`: what a sender may expect of a kind of work, from months that are over."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

from services.outreach_gateway.api.edge import Edge
from services.outreach_gateway.api.job_bodies import there_is
from services.outreach_gateway.history import FEWEST_EMPLOYERS, FEWEST_MESSAGES, Figures
from shared.contracts.codes import STATES
from shared.web.types import Form, soc_of_onet

_CODE = "a code of the 2018 SOC: of an occupation, such as 29-1141, or of its major group, such as 29-0000"
_STATE = "the two capital letters of one of the 50 states or of the District of Columbia, such as CO"


def _is_a_state(value: str) -> str:
    if value not in STATES:
        raise ValueError(f"must be {_STATE}")
    return value


Occupation = Annotated[
    str,
    Query(description="A code of the 2018 SOC: of an occupation as jobs name it, or of its major group (`29-0000`)."),
    Form(r"[0-9]{2}-[0-9]{4}", _CODE),
    there_is(_CODE),
    BeforeValidator(soc_of_onet),
]
State = Annotated[
    str,
    Query(description="Where the jobs are, as their location ends: `CO`. Left out: everywhere."),
    Form(r"[A-Z]{2}", _STATE),
    AfterValidator(_is_a_state),
]
_TOO_FEW = f"There are fewer than {FEWEST_MESSAGES} messages in a month, or too few employers behind them once any one is left out, to say anything."


class HistoryOut(BaseModel):
    """What became of all employers' first messages of one month; null where there are too few."""

    occupation: str
    state: str | None
    month: str | None = Field(description="Such as 2026-10: the last that is over for every message, or one before it.")
    messages: int | None = Field(description="In hundreds, rounded down.")
    sent_percent: int | None = Field(description="How many of them were sent, in steps of five.")
    days_median: int | None = Field(description="From the day of submission to the day of sending, of those sent.")
    days_nine_of_ten: int | None
    detail: str = Field(description="The same in plain words.")


def add_routes(routes: APIRouter, edge: Edge) -> None:
    """For employers."""

    @routes.get(
        "/v1/history",
        tags=["policy"],
        summary="How many messages about such work were sent, and within how many days",
        dependencies=[Depends(edge.tenants.require("employer"))],
    )
    async def history(occupation: Occupation, state: State | None = None) -> HistoryOut:
        """From the network's own past alone, never from the present state of people: a month is counted once, when all of its
        messages have ended. Messages to a pool are not among them."""
        async with edge.history() as store:
            found = await store.figures(occupation, state)
        return shown(occupation, state, found)


def _ask_for(occupation: str, state: str | None) -> str:
    major = f"{occupation[:2]}-0000"
    wider = [
        *([f"for the major group ({major})"] if occupation != major else []),
        *(["without the state"] if state else []),
    ]
    return f" Ask {', or '.join(wider)}." if wider else ""


def shown(occupation: str, state: str | None, found: Figures | None) -> HistoryOut:
    """As an employer reads it."""
    if found is None:
        return HistoryOut(
            occupation=occupation, state=state, month=None, messages=None, sent_percent=None, days_median=None,
            days_nine_of_ten=None, detail=f"{_TOO_FEW}{_ask_for(occupation, state)}",
        )  # fmt: skip
    within = "" if found.days_median is None else (
        f"; half of those within {found.days_median} days, nine of ten within {found.days_nine_of_ten}"
    )  # fmt: skip
    return HistoryOut(
        occupation=occupation,
        state=state,
        month=f"{found.month:%Y-%m}",
        messages=found.messages,
        sent_percent=found.sent_percent,
        days_median=found.days_median,
        days_nine_of_ten=found.days_nine_of_ten,
        detail=f"Of {found.messages} or more messages about {found.sent_percent} % were sent{within}. Without "
        f"any one employer they are {FEWEST_MESSAGES} or more still, of {FEWEST_EMPLOYERS} others.",
    )
