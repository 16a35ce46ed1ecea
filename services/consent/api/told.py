"""`/me/told`: which pools a person is in and why, and who could read what of them, from when until when."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field

from services.consent.api import told_words, views
from services.consent.api.edge import Edge
from services.consent.decisions.told import Standing, standings
from services.consent.model import BEGINNING, Disclosed, Present, TellingPlace
from shared import wording
from shared.contracts.base import Instant
from shared.contracts.pool_matching import Criteria
from shared.facts import shown
from shared.i18n import gettext, marked
from shared.web.holders import ANSWERS, Holder
from shared.web.problems import Problem, kind

_PAGE = 50
_NAMELESS = marked("An employer that is not known here")
_ANSWERS = {**ANSWERS, 410: {"description": "Nobody is behind this session any more"}}
_After = Annotated[str, Query(max_length=400, description="`next` of the page before; empty: from the latest on")]


class EmployerOut(BaseModel):
    """An employer of the network."""

    id: str
    name: str


class PoolOut(BaseModel):
    """A pool that the person is in."""

    employer: EmployerOut
    since: Instant = Field(description="To the hour.")
    looks_for: list[str] = Field(description="Whom it looks for, as ends of a sentence; empty where that is not known.")
    shown_since: date | None = Field(
        description="The day (UTC) from which on the employer can read of them there; null: they fit, and nobody is shown them."
    )
    fields: list[str] = Field(description="What can be read of their profile there, by name.")


class ToldOut(BaseModel):
    """From `at` on an employer could read what it could not read before."""

    employer: EmployerOut
    at: date = Field(description="The day (UTC); the hour would tell when the employer is told of its lists.")
    until: date | None = Field(
        description="From that day on they are not shown there any more; null: they still are. What was read before, the employer knows."
    )
    looks_for: list[str] = Field(description="That the person fits this could be read; empty where it is not known.")
    fields: list[str] = Field(
        description="Of the profile, by name; no name, email, phone or address is ever among them."
    )
    way: str = Field(description="`list`: the list of a pool, and all that is read from it.")


class AllToldOut(BaseModel):
    """The pools of now, and a page of what could be read, the latest first."""

    pools: list[PoolOut]
    items: list[ToldOut]
    next: str | None


@dataclass(frozen=True, slots=True)
class _Told:
    present: Present
    pools: tuple[Standing, ...]
    items: Sequence[Disclosed]
    asked: Mapping[str, Criteria]
    next: str | None


def pages(edge: Edge) -> APIRouter:
    """The page."""
    routes = APIRouter(tags=["candidates"], default_response_class=HTMLResponse)

    @routes.get("/me/told", summary="Who could read what about you", responses=_ANSWERS)
    async def show(holder: Annotated[Holder, Depends(edge.holders.holder)], after: _After = "") -> HTMLResponse:
        told = await _read(edge, holder, after)
        return edge.pages.render(
            "told.html",
            navigation=edge.navigation.at("told"),
            choices=edge.navigation.url("choices"),
            is_first=not after,
            pools=[_pool(edge, one, told) for one in told.pools],
            items=[_item(edge, one, told) for one in told.items],
            older=told.next,
        )

    return routes


def router(edge: Edge) -> APIRouter:
    """The same for programs."""
    routes = APIRouter(tags=["candidates"])

    @routes.get("/v1/me/told", summary="Who could read what of the person", responses=_ANSWERS)
    async def read(holder: Annotated[Holder, Depends(edge.holders.holder)], after: _After = "") -> AllToldOut:
        told = await _read(edge, holder, after)
        return AllToldOut(
            pools=[pool_out(one, told.asked, edge.directory.name) for one in told.pools],
            items=[told_out(one, told.asked, edge.directory.name) for one in told.items],
            next=told.next,
        )

    return routes


def pool_out(one: Standing, asked: Mapping[str, Criteria], name: views.Names) -> PoolOut:
    """A pool, for programs."""
    return PoolOut(
        employer=_employer(one.employer, name),
        since=one.since,
        looks_for=told_words.looks_for(asked.get(one.pool)),
        shown_since=_day(one.shown_since),
        fields=list(one.fields),
    )


def told_out(one: Disclosed, asked: Mapping[str, Criteria], name: views.Names) -> ToldOut:
    """What could be read, for programs."""
    return ToldOut(
        employer=_employer(one.employer, name),
        at=one.at.astimezone(UTC).date(),
        until=_day(one.ended_at),
        looks_for=told_words.looks_for(asked.get(one.pool)),
        fields=list(one.fields),
        way=one.way,
    )


def _employer(id_: str, name: views.Names) -> EmployerOut:
    return EmployerOut(id=id_, name=shown(name(id_), views.NAMELESS))


async def _read(edge: Edge, holder: Holder, after: str) -> _Told:
    before = _place(edge, holder.candidate, after)
    async with edge.look() as consents:
        present = edge.alive(await consents.read(holder.candidate, holder.session))
    async with edge.tellings() as tellings:
        memberships = await tellings.memberships(holder.candidate)
        pools = standings(memberships, await tellings.in_force(holder.candidate))
        items = await tellings.disclosures(holder.candidate, _PAGE + 1, before=before)
        asked = await tellings.asked({one.pool for one in pools} | {one.pool for one in items})
    page = items[:_PAGE]
    next_ = _next(edge, holder.candidate, page[-1]) if len(items) > _PAGE else None
    return _Told(present, pools, page, asked, next_)


def _day(moment: datetime | None) -> date | None:
    return None if moment is None else moment.astimezone(UTC).date()


def _next(edge: Edge, candidate: str, last: Disclosed) -> str:
    """Sealed, since it holds the very moment, and for its person alone."""
    return edge.seals.seal(json.dumps([last.at.isoformat(), last.pool]), context=_context(candidate))


def _context(candidate: str) -> str:
    return f"fairpool place among what was told v1:{candidate}"


def _place(edge: Edge, candidate: str, after: str) -> TellingPlace:
    if not after:
        return BEGINNING
    try:
        at, pool = json.loads(edge.seals.open(after, context=_context(candidate)))
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None or "\x00" in pool:
            raise ValueError
        return TellingPlace(moment.astimezone(UTC), pool)
    except (ValueError, OverflowError):
        raise Problem(
            422,
            "Invalid request",
            "`after` has to be the `next` of an answer of this list. Leave it out to begin with the latest.",
            type=kind("invalid"),
        ) from None


def _pool(edge: Edge, one: Standing, told: _Told) -> dict[str, Any]:
    zone = told.present.choices.time_zone
    return {
        "employer": shown(edge.directory.name(one.employer), gettext(_NAMELESS)),
        "since": wording.day(one.since, zone),
        "looks_for": told_words.looks_for(told.asked.get(one.pool)),
        "shown_since": wording.day(one.shown_since, zone) if one.shown_since else None,
        "fields": told_words.fields(one.fields),
    }


def _item(edge: Edge, one: Disclosed, told: _Told) -> dict[str, Any]:
    zone = told.present.choices.time_zone
    return {
        "employer": shown(edge.directory.name(one.employer), gettext(_NAMELESS)),
        "at": wording.day(one.at, zone),
        "until": wording.day(one.ended_at, zone) if one.ended_at else None,
        "looks_for": told_words.looks_for(told.asked.get(one.pool)),
        "fields": told_words.fields(one.fields),
    }
