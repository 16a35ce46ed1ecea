"""`/me/profile`, `GET,PATCH /v1/me/profile`: a person's profile once they are signed in."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from starlette.responses import Response

from services.signup.api import bad_links, join_file, profile_done, profile_file, profile_forms, profile_page
from services.signup.api.profile import answered, wants_json
from services.signup.api.profile_file import ProfileRead
from services.signup.api.profile_forms import MERGE_PATCH, AnswerIn, SetIn
from services.signup.api.profile_page import ProfileEdge, Way
from services.signup.api.resume_files import UnreadableError, too_large
from shared.web import forms, gates, holders
from shared.web.holders import Holder
from shared.web.openapi import REF
from shared.web.problems import Problem
from shared.web.routes import shows_pages

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

    @routes.get(f"{_PATH}/file", response_class=RedirectResponse, include_in_schema=False)
    async def show_form() -> Response:
        """Whoever opens the address of the filled form again, such as for the other language, sees the form."""
        return RedirectResponse(_PATH, 303)

    @routes.post(
        f"{_PATH}/file",
        summary="Fill the form from a file: nothing is saved (a form, JSON Resume, or a zip)",
        responses={
            **_ANSWERS,
            200: {
                "description": "As JSON: `set`, what a PATCH of the profile takes, and `passed_over`, what was not read and why",
                "content": {forms.JSON: {}},
            },
        },
        openapi_extra=join_file.described(),
        dependencies=[gates.takes_up_to(join_file.BODY_LIMIT)],
    )
    async def fill(request: Request, holder: SignedIn) -> Response:
        way = _way(edge, holder)
        try:
            sent = await join_file.sent(request)
        except Problem as problem:
            if problem.status != 413 or not shows_pages(request.scope):
                raise
            return await _wrong(request, edge, way, too_large(), status=413, headers=problem.headers)
        if not sent.is_json and not sent.raw:
            return await _wrong(request, edge, way, join_file.CHOOSE)
        try:
            found = profile_file.filled_from(sent.raw, edge.occupations_of, edge.now().date())
        except UnreadableError as error:
            if sent.is_json:
                raise join_file.problem_of(error) from None
            return await _wrong(request, edge, way, str(error), status=join_file.problem_of(error).status)
        return JSONResponse(found.as_json()) if sent.is_json else await _shown(request, edge, way, filled=found)

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


async def _shown(request: Request, edge: ProfileEdge, way: Way, *, filled: ProfileRead | None = None) -> Response:
    async with edge.look() as store:
        seen = await profile_page.read(edge, store, way)
    if seen is None:
        return bad_links.gone(request)
    if filled is None and wants_json(request):
        return profile_page.as_json(edge, seen)
    done = profile_done.done_of(request.query_params, consent_url=edge.consent_url)
    return profile_page.page(edge, way, seen, filled=filled, done=done)


async def _wrong(
    request: Request,
    edge: ProfileEdge,
    way: Way,
    why: str,
    *,
    status: int = 422,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The form as it was, and why the file can't be read."""
    async with edge.look() as store:
        seen = await profile_page.read(edge, store, way)
    if seen is None:
        return bad_links.gone(request)
    return profile_page.page(edge, way, seen, errors={"file": why}, status=status, headers=headers)


def _way(edge: ProfileEdge, holder: Holder) -> Way:
    where = edge.navigation
    return Way(holder.candidate, _PATH, where.url("choices"), "/me/erase", where.at("profile"))
