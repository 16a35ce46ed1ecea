"""`/me/messages`: what employers wrote to a person, why each waits or was not sent, and how full their week is. Never the words."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel, Field
from starlette.responses import Response

from services.consent.api import message_words as words
from services.consent.api import views
from services.consent.api.edge import Edge
from services.consent.decisions.messages import Standing, last_word, planned_for, reason, standing
from services.consent.decisions.windows import Room, room, slots_of
from services.consent.model import SLOTS_COUNT_FOR, Decided, Message, Present
from shared.contracts.base import Instant
from shared.facts import shown
from shared.security import encoding
from shared.web.holders import ANSWERS, Holder
from shared.web.problems import Problem, kind

_PAGE = 25
_MOST_AHEAD = timedelta(days=15)
"""Longer than a message waits for its slot: of what began before, no slot counts any more."""
_MOST_SLOTS = 1000
_LOOK = "/me/messages shows what waits."
_EPOCH, _STEP = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
_ANSWERS = {**ANSWERS, 410: {"description": "The person was erased"}}
After = Annotated[str, Query(max_length=300, description="`next` of the last answer.")]


Outreach = Annotated[str, Path(max_length=128)]
_TO_ACT = {
    **_ANSWERS,
    404: {"description": "No such message to you"},
    409: {"description": "It does not wait: there is nothing to let through"},
}


class EmployerOut(BaseModel):
    """Who wrote."""

    id: str
    name: str | None


class MessageOut(BaseModel):
    """One message to you; its words are in your inbox alone, and of what waits the job is shown."""

    id: str
    employer: EmployerOut
    asked_at: Instant = Field(description="When the employer asked for it to be sent.")
    state: Standing
    detail: str = Field(description="The state, and why, in plain words.")
    rule: str | None = Field(description="The rule by which it waits or was refused, as the policy calls it.")
    policy: str | None = Field(description="The version of the network's rules by which it was decided.")
    at: Instant = Field(description="When that came to be so.")
    planned_for: Instant | None = Field(description="Of what waits: not before then, as things stand.")
    ends_at: Instant | None = Field(description="It is never sent later.")
    wished_at: Instant | None = Field(description="When you asked last for it to come next.")
    job_page: str | None = Field(
        description="Of what waits: the page, or JSON for `Accept: application/json`, that shows its job to whoever is signed in as you."
    )


class CapOut(BaseModel):
    """One limit of first messages, from all employers together."""

    at_most: int
    days: float
    came: int
    planned: int = Field(description="So many more have their time, within as many days from now.")


class RoomOut(BaseModel):
    """How full your windows are; each is applied ten minutes longer than it says, so that it holds for what arrives."""

    policy: str
    caps: list[CapOut]
    gap_hours: float
    next_at: Instant | None = Field(
        description="No first message of another employer comes sooner; null: not within the time that is planned ahead."
    )


class MessagesOut(BaseModel):
    """Some of what was written to you, the latest first."""

    items: list[MessageOut]
    next: str | None
    room: RoomOut | None = Field(
        description="null: nobody may write to you now, or no message of yours counts any more."
    )
    detail: str = Field(description="How full your windows are, in plain words.")


@dataclass(frozen=True, slots=True)
class _Found:
    """What is read for one page."""

    present: Present
    messages: Sequence[Message]
    next: str | None
    policy: str | None
    room: Room | None


def pages(edge: Edge) -> APIRouter:
    """For people."""
    routes = APIRouter(tags=["candidates"], default_response_class=HTMLResponse, responses=_ANSWERS)

    @routes.get("/me/messages", summary="What employers wrote to you, and how full your week is")
    async def show(
        holder: Annotated[Holder, Depends(edge.holders.holder)],
        after: After = "",
        done: Annotated[str, Query(include_in_schema=False)] = "",
    ) -> HTMLResponse:
        found = await _read(edge, holder, after)
        choices, at = found.present.choices, edge.now()
        return edge.pages.render(
            "messages.html",
            navigation=edge.navigation.at("messages"),
            week=words.week(found.room, choices, at),
            messages=[
                words.entry(one, edge.directory.name, choices.time_zone, edge.navigation.signup_url)
                for one in found.messages
            ],
            is_first=not after,
            is_done=done == "next",
            next=found.next,
        )

    @routes.post(
        "/me/messages/{outreach}/next",
        summary="Let this one through next",
        status_code=303,
        response_class=RedirectResponse,
        responses=_TO_ACT,
    )
    async def let_through(holder: Annotated[Holder, Depends(edge.holders.holder)], outreach: Outreach) -> Response:
        await _wish(edge, holder, outreach)
        return RedirectResponse("/me/messages?done=next", 303)

    return routes


def router(edge: Edge) -> APIRouter:
    """For programs of theirs."""
    routes = APIRouter(tags=["candidates"], responses=_ANSWERS)

    @routes.get("/v1/me/messages", summary="What employers wrote to you, as JSON")
    async def show(holder: Annotated[Holder, Depends(edge.holders.holder)], after: After = "") -> MessagesOut:
        found = await _read(edge, holder, after)
        return MessagesOut(
            items=[message_out(one, edge.directory.name, edge.navigation.signup_url) for one in found.messages],
            next=found.next,
            room=_room(found),
            detail=" ".join(words.week(found.room, found.present.choices, edge.now())),
        )

    @routes.post(
        "/v1/me/messages/{outreach}/next",
        summary="Let this one through next",
        status_code=202,
        responses=_TO_ACT,
    )
    async def let_through(holder: Annotated[Holder, Depends(edge.holders.holder)], outreach: Outreach) -> MessageOut:
        """Of what waits for you it is planned first from now on; no limit is passed by it, and others may move back."""
        return message_out(await _wish(edge, holder, outreach), edge.directory.name, edge.navigation.signup_url)

    return routes


async def _wish(edge: Edge, holder: Holder, outreach: str) -> Message:
    async with edge.look() as consents:
        edge.alive(await consents.read(holder.candidate, holder.session))
    async with edge.change_messages() as messages:
        message = shown(await messages.lock(holder.candidate, outreach), None)
        if message is None:
            raise Problem(
                404, "No such message", f"There is no such message to you. {_LOOK}", type=kind("no-such-message")
            )
        if standing(message) != "waiting":
            detail = f"This message does not wait any more: {words.STANDS[standing(message)]} {_LOOK}"
            raise Problem(409, "It does not wait", detail, type=kind("does-not-wait"))
        await messages.wish(message)
        return replace(message, wished_at=messages.at)


async def _read(edge: Edge, holder: Holder, after: str) -> _Found:
    place, at, who = _place(after), edge.now(), holder.candidate
    async with edge.look() as consents:
        present = edge.alive(await consents.read(who, holder.session))
    async with edge.messages() as messages:
        found = await messages.page(who, _PAGE + 1, place)
        recent = await messages.since(who, at - SLOTS_COUNT_FOR - _MOST_AHEAD, _MOST_SLOTS)
        policy = _policy(recent)
        numbers = shown(await messages.numbers(policy), None) if policy else None
    page = found[:_PAGE]
    return _Found(
        present=present,
        messages=page,
        next=_cursor(page[-1]) if len(found) > _PAGE else None,
        policy=policy,
        room=room(numbers, present.choices, slots_of(recent), at=at)
        if numbers is not None and words.may_be_written_to(present.choices, at)
        else None,
    )


def _policy(recent: Sequence[Message]) -> str | None:
    """By which the last was decided that got a place, or waits for one: the one in force, as far as is known here."""
    placed = [one.decided for one in recent if one.decided and one.decided.outcome in ("admitted", "delayed")]
    return max(placed, key=lambda decided: decided.at).policy if placed else None


def message_out(message: Message, name: views.Names, signup_url: str | None = None) -> MessageOut:
    """A message, for programs; with no address of signup, as in a file that is taken along, its job is not led to."""
    last, decided = last_word(message), message.decided
    return MessageOut(
        id=message.outreach,
        employer=EmployerOut(id=message.employer, name=shown(name(message.employer), None)),
        asked_at=message.began_at,
        state=standing(message),
        detail=" ".join(filter(None, (words.STANDS[standing(message)], reason(message)))),
        rule=last.rule if isinstance(last, Decided) else None,
        policy=decided.policy if decided else None,
        at=last.at,
        planned_for=planned_for(message),
        ends_at=message.ends_at,
        wished_at=message.wished_at,
        job_page=words.job_page(message, signup_url) if signup_url else None,
    )


def _room(found: _Found) -> RoomOut | None:
    if found.room is None or found.policy is None:
        return None
    day, hour = timedelta(days=1), timedelta(hours=1)
    return RoomOut(
        policy=found.policy,
        caps=[
            CapOut(at_most=one.cap, days=one.length / day, came=one.came, planned=one.planned)
            for one in found.room.windows
        ],
        gap_hours=found.room.gap / hour,
        next_at=found.room.next_at,
    )


def _cursor(message: Message) -> str:
    return encoding.encode(f"{(message.began_at - _EPOCH) // _STEP} {message.outreach}".encode())


def _place(after: str) -> tuple[datetime, str] | None:
    """Where the page before ended; a person's own, so nothing is sealed."""
    if not after:
        return None
    try:
        began, _, outreach = encoding.decode(after).decode().partition(" ")
        if not outreach or "\x00" in outreach:
            raise ValueError("not a place")
        return _EPOCH + int(began) * _STEP, outreach
    except (ValueError, OverflowError):
        detail = "`after` is not one that an answer gave as `next`. Leave it out to begin with the latest message."
        raise Problem(422, "Invalid request", detail, type=kind("invalid")) from None
