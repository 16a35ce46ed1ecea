"""`/me/profile`, `GET,PATCH /v1/me/profile`: a person's profile once they are signed in."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse
from starlette.responses import Response

from services.signup.api import bad_links, profile_forms, profile_page
from services.signup.api.profile import answered, wants_json
from services.signup.api.profile_forms import MERGE_PATCH, AnswerIn, SetIn
from services.signup.api.profile_page import ProfileEdge, Way
from shared.web import forms, gates, holders
from shared.web.holders import Holder
from shared.web.openapi import REF

_ANSWERS: dict[int | str, dict[str, Any]] = {
    **profile_page.ANSWERS,
    **holders.ANSWERS,
    410: {"description": "The person is no longer in the pool"},
}
_PATH = "/me/profile"


def pages(edge: ProfileEdge) -> APIRouter:
    """For people."""
    routes = APIRouter(tags=["candidates"], default_response_class=HTMLResponse)
    SignedIn = Annotated[Holder, Depends(edge.signed_in)]  # noqa: N806 - names a type

    @routes.get(_PATH, summary="What employers may see of you, and what waits for you", responses=_ANSWERS)
    async def show(request: Request, holder: SignedIn) -> Response:
        return await _shown(request, edge, _way(edge, holder))

    @routes.post(
        _PATH,
        summary="Keep, set or leave out: exactly this is shown (form or JSON)",
        responses=_ANSWERS,
        openapi_extra=profile_forms.described(),
        dependencies=[gates.takes_up_to(128 * 1024)],
    )
    async def save(request: Request, holder: SignedIn) -> Response:
        posted = await profile_forms.read_wish(request)
        return await profile_page.save(edge, _way(edge, holder), posted) or bad_links.gone(request)

    @routes.post(
        f"{_PATH}/proposals/{{proposal}}",
        summary="Use what a hiring system told, pass over it, or say that it is not you (form or JSON)",
        responses=_ANSWERS,
        openapi_extra=forms.described(AnswerIn),
    )
    async def answer(request: Request, proposal: str, holder: SignedIn) -> Response:
        return await answered(request, edge, _way(edge, holder), proposal)

    return routes


def api(edge: ProfileEdge) -> APIRouter:
    """For programs."""
    routes = APIRouter(tags=["candidates"])
    SignedIn = Annotated[Holder, Depends(edge.signed_in)]  # noqa: N806 - names a type

    @routes.get("/v1/me/profile", summary="What is kept, from whom, and what waits", responses=_ANSWERS)
    async def read(request: Request, holder: SignedIn) -> Response:
        way = _way(edge, holder)
        async with edge.look() as store:
            seen = await profile_page.read(edge, store, way)
        return bad_links.gone(request) if seen is None else profile_page.as_json(edge, seen)

    @routes.patch(
        "/v1/me/profile",
        summary="Change some fields; null, or an empty list, takes one away (JSON Merge Patch)",
        responses=_ANSWERS,
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {
                    name: {"schema": SetIn.model_json_schema(ref_template=REF)} for name in (forms.JSON, MERGE_PATCH)
                },
            }
        },
    )
    async def change(request: Request, holder: SignedIn) -> Response:
        said = await profile_forms.read_change(request)
        return await profile_page.change(edge, _way(edge, holder), said) or bad_links.gone(request)

    @routes.post(
        "/v1/me/profile/proposals/{proposal}",
        summary="Use what a hiring system told, pass over it, or say that it is not you",
        responses=_ANSWERS,
    )
    async def answer(request: Request, proposal: str, given: AnswerIn, holder: SignedIn) -> Response:
        meant = given.as_answer(is_json=True)
        answer = await profile_page.answer(edge, _way(edge, holder), proposal, meant, is_json=True)
        return answer or bad_links.gone(request)

    return routes


async def _shown(request: Request, edge: ProfileEdge, way: Way) -> Response:
    async with edge.look() as store:
        seen = await profile_page.read(edge, store, way)
    if seen is None:
        return bad_links.gone(request)
    return profile_page.as_json(edge, seen) if wants_json(request) else profile_page.page(edge, way, seen)


def _way(edge: ProfileEdge, holder: Holder) -> Way:
    where = edge.navigation
    return Way(holder.candidate, _PATH, where.url("choices"), "/me/erase", where.at("profile"))
