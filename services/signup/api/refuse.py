"""`GET,POST /refuse/{token}`: "this was not me" and "never write to me again", the ways out that every invitation has.

Once it is answered, "never again" stops all that was allowed: as little as the link to the page of choices in the same email could do.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal, assert_never

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.responses import Response

from services.signup.model.invitations import Refusal
from services.signup.ports.pages import Refusals
from shared.security.links import BadLink, LinkReader
from shared.web import any_body, problems
from shared.web.pages import Pages
from shared.web.problems import Problem, kind
from shared.web.routes import shows_pages
from shared.web.types import RequestModel

PAGES = Pages("services.signup")
_ONE_CLICK = "List-Unsubscribe"

Choice = Literal["not_me", "never_again"]


class RefuseBody(RequestModel):
    """What the person says; nothing said is `not_me`."""

    choice: Choice = "not_me"


_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "`refused` or `never_again`, also if it was said before; `stopped`, where the person had answered and says never"
        " again: all that they allow is switched off; looked at: also `invited`, or `answered`",
        "content": {"application/json": {}},
    },
    404: {"description": "Not a link of an invitation"},
    409: {
        "description": "`not_me` after the person has answered, or `never_again` by a link that a change of their email has voided; nothing was"
        " changed, and the answer says how to stop"
    },
    410: {"description": "The link has expired, or nobody is known by it any more"},
}
_BODY: dict[str, Any] = {
    "requestBody": {"content": {media: {"schema": RefuseBody.model_json_schema()} for media in any_body.MEDIA_TYPES}}
}
_ANSWERED = 'This invitation was answered. {"choice": "never_again"} switches off all that the person allows. /sign-in mails a link to the page where everything can be looked at and stopped.'  # fmt: skip
_MOVED = "This invitation was answered, and its links are void since the person's email changed or its mailbox said that a change was not theirs. /sign-in mails a link to the page where everything can be stopped."  # fmt: skip
_GONE = "What was known of you by this link is deleted already. /join is the way in."


def router(refusals: Refusals, links: LinkReader, now: Callable[[], datetime]) -> APIRouter:
    """The way out of an invitation."""
    routes = APIRouter(tags=["candidates"], default_response_class=HTMLResponse)

    @routes.get("/refuse/{token}", summary="What the link offers; changes nothing", responses=_ANSWERS)
    async def show(request: Request, token: str) -> Response:
        link = links.read(token, "refuse", at=now())
        if isinstance(link, BadLink):
            return _bad_link(request, link)
        return _answer(request, token, await refusals.standing(link.candidate, link.issued_at), is_inert=True)

    @routes.post("/refuse/{token}", summary="Refuse the invitation", responses=_ANSWERS, openapi_extra=_BODY)
    async def refuse(request: Request, token: str) -> Response:
        link = links.read(token, "refuse", at=now())
        if isinstance(link, BadLink):
            return _bad_link(request, link)
        never_again = await _choice(request) == "never_again"
        return _answer(
            request,
            token,
            await refusals.refuse(
                link.candidate, never_again=never_again, until=link.expires_at, issued_at=link.issued_at
            ),
        )

    return routes


def _answer(request: Request, token: str, standing: Refusal, *, is_inert: bool = False) -> Response:
    """`is_inert`: the link was only looked at, so that an answer given before is no conflict."""
    match standing:
        case "invited" | "refused" | "never_again":
            if not shows_pages(request.scope):
                return JSONResponse({"status": standing})
            return PAGES.render("refuse.html", standing=standing, address=f"/refuse/{token}")
        case "stopped":
            if not shows_pages(request.scope):
                return JSONResponse({"status": standing})
            return PAGES.render("refuse_stopped.html")
        case "answered" | "answered_and_moved":
            return _answered(request, token, is_moved=standing == "answered_and_moved", is_inert=is_inert)
        case "gone":
            return _no(request, Problem(410, "No longer here", _GONE, type=kind("no-longer-here")))
        case _:
            assert_never(standing)


def _answered(request: Request, token: str, *, is_moved: bool, is_inert: bool) -> Response:
    detail = _MOVED if is_moved else _ANSWERED
    if not shows_pages(request.scope):
        if is_inert:
            return JSONResponse({"status": "answered", "detail": detail})
        problem = Problem(409, "This invitation was answered", detail, type=kind("answered"))
        return problems.response(request.scope, problem)
    address = None if is_moved else f"/refuse/{token}"
    return PAGES.render("refuse_answered.html", status=200 if is_inert else 409, address=address, tried=not is_inert)


def _bad_link(request: Request, bad: BadLink) -> Response:
    if bad.reason == "expired":
        detail = "This link was good once and has expired: whoever did not answer by then is forgotten."
        return _no(request, Problem(410, "Link expired", detail, type=kind("link-expired")))
    detail = "This is not a whole link of an invitation. Copy all of it from the email."
    return _no(request, Problem(404, "No such link", detail, type=kind("no-such-link")))


def _no(request: Request, problem: Problem) -> Response:
    if shows_pages(request.scope):
        return PAGES.render("refuse_not.html", status=problem.status, kind=problem.type.rpartition(":")[2])
    return problems.response(request.scope, problem)


async def _choice(request: Request) -> Choice:
    """What the body says, if it can be read. The button of a mail program (RFC 8058) wants no more emails."""
    given = await any_body.given(request)
    return "never_again" if "never_again" in given.get("choice", ()) or _ONE_CLICK in given else "not_me"
