"""`GET,POST /profile/{token}`: what others told of a person, and what of it employers may see; GET changes nothing."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from starlette.responses import Response

from services.signup.api import bad_links, profile_done, profile_forms, profile_page
from services.signup.api.profile_forms import AnswerIn
from services.signup.api.profile_page import ProfileEdge, Way
from shared.security.links import BadLink
from shared.web import forms, gates

_ANSWERS: dict[int | str, dict[str, Any]] = {
    **profile_page.ANSWERS,
    404: {"description": "Not a link of this page"},
    410: {
        "description": "The link has expired, or is of before the person's email changed, or its person is no longer in the pool"
    },
}


def router(edge: ProfileEdge) -> APIRouter:
    """The page on which a person says what is shown of them, by the link of an email."""
    routes = APIRouter(tags=["candidates"], default_response_class=HTMLResponse)

    @routes.get("/profile/{token}", summary="What is proposed, and what is kept (page or JSON)", responses=_ANSWERS)
    async def show(request: Request, token: str) -> Response:
        way = await _way(edge, token)
        if isinstance(way, BadLink):
            return bad_links.bad_link(request, way)
        async with edge.look() as store:
            seen = await profile_page.read(edge, store, way)
        if seen is None:
            return bad_links.gone(request)
        if wants_json(request):
            return profile_page.as_json(edge, seen)
        done = profile_done.done_of(request.query_params, consent_url=edge.consent_url, token=token)
        return profile_page.page(edge, way, seen, done=done)

    @routes.post(
        "/profile/{token}",
        summary="Keep, set or leave out: exactly this is shown (form or JSON)",
        responses=_ANSWERS,
        openapi_extra=profile_forms.described(),
        dependencies=[gates.takes_up_to(128 * 1024)],
    )
    async def save(request: Request, token: str) -> Response:
        way = await _way(edge, token)
        if isinstance(way, BadLink):
            return bad_links.bad_link(request, way)
        posted = await profile_forms.read_wish(request)
        return await profile_page.save(edge, way, posted) or bad_links.gone(request)

    @routes.post(
        "/profile/{token}/proposals/{proposal}",
        summary="Use what a hiring system told, pass over it, or say that it is not you (form or JSON)",
        responses=_ANSWERS,
        openapi_extra=forms.described(AnswerIn),
    )
    async def answer(request: Request, token: str, proposal: str) -> Response:
        way = await _way(edge, token)
        if isinstance(way, BadLink):
            return bad_links.bad_link(request, way)
        return await answered(request, edge, way, proposal)

    return routes


async def answered(request: Request, edge: ProfileEdge, way: Way, proposal: str) -> Response:
    """What follows from an answer in a form or in JSON."""
    posted = await forms.read(request, AnswerIn)
    if posted.value is None:
        async with edge.change() as store:
            seen = await profile_page.read(edge, store, way, locked=True)
        return (
            profile_page.page(edge, way, seen, errors={"": "Press one of the buttons"})
            if seen
            else bad_links.gone(request)
        )
    given = posted.value.as_answer(is_json=posted.is_json)
    return await profile_page.answer(edge, way, proposal, given, is_json=posted.is_json) or bad_links.gone(request)


def wants_json(request: Request) -> bool:
    """Whether a program asks, and no browser."""
    accept = request.headers.get("accept", "")
    return forms.JSON in accept and "text/html" not in accept


async def _way(edge: ProfileEdge, token: str) -> Way | BadLink:
    link = await edge.links.read(token, "confirm")
    if isinstance(link, BadLink):
        return link
    choices = f"{edge.consent_url}/confirm/{token}"
    return Way(link.candidate, f"/profile/{token}", choices, f"/erase/{token}")
