"""`/me/export`, `/v1/me/export`: a person takes along what is kept of them, as one zip that is gone after a day."""

import math
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from pydantic import BaseModel, Field
from starlette.responses import Response

from services.signup.api import bad_links
from services.signup.api.profile_views import PAGES
from services.signup.decisions.exports import Enough, Start, UnderWay, ask
from services.signup.model.exports import MOST_A_DAY, Export
from services.signup.ports.exports import Exports
from shared import wording
from shared.contracts.base import Instant
from shared.i18n import gettext, marked
from shared.web import holders
from shared.web.holders import Holder
from shared.web.person import Navigation
from shared.web.problems import Problem, kind
from shared.web.routes import shows_pages

_ZIP = "application/zip"
_WAITS_FOR = marked(
    "It is waiting for the part of Fairpool that keeps what you allow. That usually takes seconds; if that "
    "part is down, the file is made once it is back."
)
_GONE: dict[int | str, dict[str, Any]] = {410: {"description": "The person is no longer in the pool: nothing is kept"}}
_NONE: dict[int | str, dict[str, Any]] = {
    404: {"description": "None was asked for, or it is gone by now: POST /v1/me/export starts one"}
}
_ENOUGH: dict[int | str, dict[str, Any]] = {
    429: {"description": f"{MOST_A_DAY} were asked for within 24 hours; `Retry-After` says when there is room"}
}


class ExportOut(BaseModel):
    """An export that is being made, or can be fetched."""

    id: str
    state: Literal["waiting", "ready"]
    asked_at: Instant
    ready_at: Instant | None = None
    ends_at: Instant = Field(description="Waiting: nobody waits for it longer. Ready: it is gone then.")
    bytes: int | None = None
    detail: str = Field(description="The state in plain words.")


@dataclass(frozen=True, slots=True)
class ExportEdge:
    """What `app.py` gives to the routes."""

    change: Callable[[], AbstractAsyncContextManager[Exports]]
    """A transaction whose events are on their way when it ends."""
    look: Callable[[], AbstractAsyncContextManager[Exports]]
    """For reading."""
    signed_in: Callable[..., Awaitable[Holder]]
    navigation: Navigation


def api(edge: ExportEdge) -> APIRouter:
    """For programs."""
    routes = APIRouter(tags=["candidates"])

    @routes.post(
        "/v1/me/export",
        status_code=202,
        summary="Start an export of all that is kept of you, or hear of the one under way",
        responses={**holders.ANSWERS, **_GONE, **_ENOUGH},
        response_model=ExportOut,
    )
    async def start(request: Request, holder: Annotated[Holder, Depends(edge.signed_in)]) -> Response:
        export = await _start(edge, holder)
        if export is None:
            return bad_links.gone(request)
        return _state(export)

    @routes.get(
        "/v1/me/export",
        summary="The zip, or how it stands while it is made",
        response_class=Response,
        responses=_fetched_answers(),
    )
    async def fetch(holder: Annotated[Holder, Depends(edge.signed_in)]) -> Response:
        return await _fetched(edge, holder)

    return routes


def pages(edge: ExportEdge) -> APIRouter:
    """For people."""
    routes = APIRouter(tags=["candidates"], default_response_class=HTMLResponse)

    @routes.get("/me/export", summary="Take along what is kept of you", responses=holders.ANSWERS)
    async def show(holder: Annotated[Holder, Depends(edge.signed_in)]) -> Response:
        async with edge.look() as exports:
            latest = await exports.latest(holder.candidate)
        return PAGES.render(
            "export.html",
            navigation=edge.navigation.at("export"),
            export=latest,
            waits_for=gettext(_WAITS_FOR),
            size=_size(latest.size or 0) if latest else "",
            until=wording.moment(latest.ends_at, holder.time_zone) if latest else "",
            most=MOST_A_DAY,
        )

    @routes.post(
        "/me/export",
        status_code=303,
        response_class=RedirectResponse,
        summary="Start one, or hear of the one under way",
        responses={**holders.ANSWERS, **_GONE, **_ENOUGH},
    )
    async def start(request: Request, holder: Annotated[Holder, Depends(edge.signed_in)]) -> Response:
        if await _start(edge, holder) is None:
            return bad_links.gone(request)
        return RedirectResponse("/me/export", 303)

    @routes.get(
        "/me/export/zip",
        summary="The zip",
        response_class=Response,
        responses={**_fetched_answers(), 303: {"description": "It is not there yet: the page says how it stands"}},
    )
    async def fetch(holder: Annotated[Holder, Depends(edge.signed_in)], request: Request) -> Response:
        answer = await _fetched(edge, holder)
        is_made = answer.status_code == 200 or not shows_pages(request.scope)
        return answer if is_made else RedirectResponse("/me/export", 303)

    return routes


def _fetched_answers() -> dict[int | str, dict[str, Any]]:
    return {
        **holders.ANSWERS,
        **_NONE,
        200: {"description": "The zip", "content": {_ZIP: {}}},
        202: {"description": "It is being made", "model": ExportOut},
    }


async def _start(edge: ExportEdge, holder: Holder) -> Export | None:
    """The one that is made now; None of whoever is erased, and a 429 where there were enough."""
    async with edge.change() as exports:
        present = await exports.hold(holder.candidate)
        if present is None:
            return None
        match ask(present, at=exports.at):
            case Start(export):
                await exports.start(holder.candidate, export)
                return export
            case UnderWay(export):
                return export
            case Enough(until):
                raise _enough(math.ceil((until - exports.at).total_seconds()), wording.moment(until, holder.time_zone))


async def _fetched(edge: ExportEdge, holder: Holder) -> Response:
    async with edge.look() as exports:
        latest = await exports.latest(holder.candidate)
        if latest is not None and latest.state == "waiting":
            return _state(latest)
        found = await exports.fetch(holder.candidate)
    if found is None:
        raise _none()
    export, zipped = found
    day = f"{export.ready_at or export.asked_at:%Y-%m-%d}"
    headers = {"Content-Disposition": f'attachment; filename="fairpool-{day}.zip"', "Cache-Control": "no-store"}
    return Response(zipped, media_type=_ZIP, headers=headers)


def _state(export: Export) -> JSONResponse:
    is_ready = export.state == "ready"
    out = ExportOut(
        id=export.name,
        state="ready" if is_ready else "waiting",
        asked_at=export.asked_at,
        ready_at=export.ready_at,
        ends_at=export.ends_at,
        bytes=export.size,
        detail="GET /v1/me/export is the zip." if is_ready else _WAITS_FOR,
    )
    return JSONResponse(out.model_dump(mode="json"), 202, headers={"Cache-Control": "no-store"})


def _none() -> Problem:
    detail = "There is nothing to fetch: none was asked for, or it is gone by now."
    return Problem(
        404,
        marked("No export"),
        f"{detail} POST /v1/me/export starts one.",
        type=kind("no-export"),
        leads_to=(marked("Take it along"), "/me/export"),
        to_people=marked("There is nothing to fetch: none was asked for, or it is gone by now. Ask for a new one."),
    )


def _enough(seconds: int, until: str) -> Problem:
    detail = gettext(
        "You asked for %(most)s within a day. There is room for another on %(until)s.", most=MOST_A_DAY, until=until
    )
    return Problem(
        429,
        marked("Enough for a day"),
        detail,
        type=kind("enough-exports"),
        headers={"Retry-After": str(seconds)},
        leads_to=(marked("Back to what you asked for"), "/me/export"),
    )


def _size(size: int) -> str:
    return f"{max(1, round(size / 1000)):,} KB"
