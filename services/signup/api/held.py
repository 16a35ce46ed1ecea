"""`GET /me/data`, `GET /v1/me/data`: all that signup holds of a person, from whom, why, and for how long."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.responses import Response

from services.signup.api import bad_links
from services.signup.api.held_out import whole
from services.signup.api.held_views import sections
from services.signup.api.profile_views import PAGES, Names
from services.signup.ports.exports import HeldStore
from shared.web import holders
from shared.web.holders import Holder
from shared.web.person import Navigation

_ANSWERS: dict[int | str, dict[str, Any]] = {
    **holders.ANSWERS,
    410: {"description": "The person is no longer in the pool: nothing is held"},
}


@dataclass(frozen=True, slots=True)
class HeldEdge:
    """What `app.py` gives to the routes."""

    store: HeldStore
    signed_in: Callable[..., Awaitable[Holder]]
    names: Names
    now: Callable[[], datetime]
    navigation: Navigation


def api(edge: HeldEdge) -> APIRouter:
    """For programs."""
    routes = APIRouter(tags=["candidates"])

    @routes.get(
        "/v1/me/data",
        summary="All that is held of you, from whom, why and how long (of each list the newest 200)",
        responses=_ANSWERS,
    )
    async def show(request: Request, holder: Annotated[Holder, Depends(edge.signed_in)]) -> Response:
        held = await edge.store.held(holder.candidate)
        if held is None:
            return bad_links.gone(request)
        return JSONResponse(whole(held, edge.names, at=edge.now()), headers={"Cache-Control": "no-store"})

    return routes


def pages(edge: HeldEdge) -> APIRouter:
    """For people."""
    routes = APIRouter(tags=["candidates"], default_response_class=HTMLResponse)

    @routes.get("/me/data", summary="All that is held of you, from whom, why and how long", responses=_ANSWERS)
    async def show(request: Request, holder: Annotated[Holder, Depends(edge.signed_in)]) -> Response:
        held = await edge.store.held(holder.candidate)
        if held is None:
            return bad_links.gone(request)
        return PAGES.render("data.html", navigation=edge.navigation.at("data"), sections=sections(held, edge.names))

    return routes
