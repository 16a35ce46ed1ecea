"""`/email/{token}`: what each of the two mailboxes says to a change. `/recovery/{token}`: the first recovery code."""

from typing import Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.responses import Response

from services.signup.api import bad_links
from services.signup.api.email_changes import EmailEdge
from services.signup.model.email_changes import (
    Act,
    Asked,
    CannotPutBack,
    Changed,
    Changes,
    Noted,
    Nothing,
    Outcome,
    PutsBack,
    Standing,
    Stops,
    Waiting,
)
from shared import wording
from shared.security.links import BadLink, Link
from shared.web import forms, holders
from shared.web.pages import Pages
from shared.web.routes import shows_pages
from shared.web.types import RequestModel

PAGES = Pages("services.signup")
Said = Literal["noted", "agreed", "changed", "waiting", "stopped", "put_back", "not_back", "over", "already", "taken"]
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Looked at: nothing is changed. Answered: what follows, also if it was said before",
        "content": {forms.JSON: {}},
    },
    403: {"description": "Sent from another site's page: nothing was done"},
    404: {"description": "Not a link of such an email"},
    410: {"description": "The link has expired"},
}
_CODE_ANSWERS: dict[int | str, dict[str, Any]] = {
    403: {"description": "Sent from another site's page: nothing was done"},
    404: {"description": "Not a link of an invitation"},
    409: {
        "description": "The first code was made before, or the invitation is not answered yet; a new one is made at /me/email"
    },
    410: {"description": "The link has expired, or is of before the person's email changed"},
}


class AnswerIn(RequestModel):
    """What the mailbox says; the new one can only say yes."""

    answer: Literal["yes", "not_me"]


def pages(edge: EmailEdge) -> APIRouter:
    """The pages behind the links."""
    routes = APIRouter(tags=["candidates"], default_response_class=HTMLResponse)

    @routes.get("/email/{token}", summary="What is asked of this mailbox; changes nothing", responses=_ANSWERS)
    async def show(request: Request, token: str) -> Response:
        link = await edge.links.read(token, "email_new", "email_old")
        if isinstance(link, BadLink):
            return bad_links.bad_link(request, link)
        standing = await edge.changes.standing(link.candidate, link.change or "")
        return _asked(request, token, link, standing)

    @routes.post(
        "/email/{token}",
        summary="Yes, or: this was not me (form or JSON)",
        responses=_ANSWERS,
        openapi_extra=forms.described(AnswerIn),
    )
    async def answer(request: Request, token: str) -> Response:
        if not edge.origins.may_have_sent(request.headers):
            raise holders.from_elsewhere()
        link = await edge.links.read(token, "email_new", "email_old")
        if isinstance(link, BadLink):
            return bad_links.bad_link(request, link)
        posted = await forms.read(request, AnswerIn)
        if posted.value is None:
            standing = await edge.changes.standing(link.candidate, link.change or "")
            return _asked(request, token, link, standing, status=422)
        act: Act = "new_yes" if link.purpose == "email_new" else "old_yes"
        if posted.value.answer == "not_me" and link.purpose == "email_old":
            act = "not_me"
        elif posted.value.answer == "not_me":
            return _answered(request, Nothing("over"), is_json=posted.is_json)
        outcome = await edge.changes.answer(link.candidate, link.change or "", act, link.issued_at)
        return _answered(request, outcome, is_json=posted.is_json)

    @routes.get("/recovery/{token}", summary="A code against a lost mailbox; changes nothing", responses=_CODE_ANSWERS)
    async def show_code(request: Request, token: str) -> Response:
        link = await edge.links.read(token, "confirm")
        if isinstance(link, BadLink):
            return bad_links.bad_link(request, link)
        return PAGES.render("recovery_first.html", address=f"/recovery/{token}")

    @routes.post(
        "/recovery/{token}", summary="The first recovery code, shown once (page or JSON)", responses=_CODE_ANSWERS
    )
    async def make_code(request: Request, token: str) -> Response:
        if not edge.origins.may_have_sent(request.headers):
            raise holders.from_elsewhere()
        link = await edge.links.read(token, "confirm")
        if isinstance(link, BadLink):
            return bad_links.bad_link(request, link)
        code = await edge.changes.make_code(link.candidate, first_alone=True, issued_at=link.issued_at)
        is_page = shows_pages(request.scope)
        if code is None:
            status = {"status": "no_code", "detail": "The first code was made before, or the invitation is not answered yet. POST /v1/me/recovery-code makes a new one once you are signed in."}  # fmt: skip
            return PAGES.render("recovery_not.html", status=409) if is_page else JSONResponse(status, 409)
        if not is_page:
            return JSONResponse({"recovery_code": code}, 201)
        return PAGES.render(
            "recovery_code.html", code=code, recover=edge.recover_url, navigation=None, back=f"/profile/{token}"
        )

    return routes


def _asked(request: Request, token: str, link: Link, standing: Standing | None, *, status: int = 200) -> Response:
    end = "new" if link.purpose == "email_new" else "old"
    stands = None if standing is None else type(standing).__name__.lower()
    if isinstance(standing, Asked) and standing.is_agreed:
        stands = "agreed"
    if not shows_pages(request.scope):
        return JSONResponse({"mailbox": end, "change": stands}, status)
    until = None if standing is None else wording.moment(standing.until)
    return PAGES.render(
        "email_link.html", status=status, end=end, stands=stands, until=until, address=f"/email/{token}"
    )


def _answered(request: Request, outcome: Outcome, *, is_json: bool) -> Response:
    said, until = _said(outcome)
    if is_json or not shows_pages(request.scope):
        return JSONResponse({"status": said})
    return PAGES.render("email_answered.html", said=said, until=until and wording.moment(until))


def _said(outcome: Outcome) -> tuple[Said, Any]:
    match outcome:
        case Nothing(why):
            return why, None
        case Noted(Asked() as standing) if standing.is_agreed:
            return "agreed", None
        case Noted(Waiting(until)):
            return "waiting", until
        case Changes(Changed(until)):
            return "changed", until
        case Stops():
            return "stopped", None
        case PutsBack():
            return "put_back", None
        case CannotPutBack():
            return "not_back", None
        case _:
            return "noted", None
