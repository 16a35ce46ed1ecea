"""`GET,POST /sign-in/{token}`, `GET,POST /me/sessions`, `/v1/me/sessions`: a link from an email is spent for a session; sessions end."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from pydantic import BaseModel
from starlette.responses import Response

from services.signup.api import bad_links
from services.signup.api.person_links import PersonLinks
from services.signup.decisions.browsers import browser_of, in_words
from services.signup.model.sessions import Spent
from services.signup.ports.pages import Sessions
from shared import i18n, wording
from shared.contracts.base import Instant
from shared.security.links import BadLink, Link
from shared.security.sessions import SessionSigner
from shared.security.statements import StatementReader
from shared.web import forms, holders
from shared.web.holders import Holder, Holders
from shared.web.middleware import content_security_policy
from shared.web.pages import Pages
from shared.web.person import Navigation
from shared.web.problems import Problem, kind
from shared.web.routes import shows_pages
from shared.web.types import Line, RequestModel

PAGES = Pages("services.signup")
_LINK_ANSWERS: dict[int | str, dict[str, Any]] = {
    404: {"description": "Not a link by which one signs in"},
    410: {
        "description": "The link has expired, was used, or is of before the person's email changed, or its person is no longer here"
    },
}


class SessionOut(BaseModel):
    """A session: to be sent as `Authorization: Bearer` to every route below /me and /v1/me, and to be kept secret."""

    session: str
    expires_at: Instant


class SessionsForm(RequestModel):
    """What is to end: one session, all but this one, or this one."""

    action: Literal["end", "end_others", "sign_out"]
    session: Line | None = None
    """For `end`: its name."""


class SessionItem(BaseModel):
    """A session that works."""

    id: str
    since: Instant
    expires_at: Instant
    browser: str
    is_this: bool


class SessionItems(BaseModel):
    """All sessions that work, the newest first."""

    items: list[SessionItem]
    next: None = None


@dataclass(frozen=True, slots=True)
class SessionsEdge:
    """What `app.py` gives to the routes."""

    change: Callable[[], AbstractAsyncContextManager[Sessions]]
    """A transaction whose events are on their way when it ends."""
    look: Callable[[], AbstractAsyncContextManager[Sessions]]
    """For reading."""
    links: PersonLinks
    statements: StatementReader
    """Tells which links signup has stated."""
    signer: SessionSigner
    holders: Holders
    signed_in: Callable[..., Awaitable[Holder]]
    now: Callable[[], datetime]
    navigation: Navigation


def router(edge: SessionsEdge) -> APIRouter:
    """The page behind the link in an email, and the list of sessions."""
    routes = APIRouter(tags=["candidates"], default_response_class=HTMLResponse)

    @routes.get("/sign-in/{token}", summary="One button; nothing is changed", responses=_LINK_ANSWERS)
    async def show(request: Request, token: str) -> Response:
        link = await edge.links.read(token, "me")
        if isinstance(link, BadLink):
            return bad_links.bad_link(request, link)
        async with edge.look() as sessions:
            state = await sessions.state_of(_spent(link))
        if state == "gone":
            return bad_links.gone(request)
        if state == "spent":
            return _used(request)
        policy = content_security_policy(f"{edge.navigation.consent_url}/")  # where the answer leads to
        return PAGES.render(
            "sign_in_link.html", headers={"Content-Security-Policy": policy}, address=f"/sign-in/{token}"
        )

    @routes.post(
        "/sign-in/{token}",
        summary="Spend the link for a session: a cookie and a way to /me for a browser, a token for a program",
        responses={
            201: {
                "description": "Asked for by a program: the session",
                "content": {forms.JSON: {"schema": SessionOut.model_json_schema()}},
            },
            303: {"description": "A browser is signed in; leads to /me"},
            403: {"description": "Sent from another site's page: nothing was done"},
            **_LINK_ANSWERS,
        },
    )
    async def sign_in(request: Request, token: str) -> Response:
        if not edge.holders.origins.may_have_sent(request.headers):
            raise holders.from_elsewhere()
        link = await edge.links.read(token, "me")
        if isinstance(link, BadLink):
            return bad_links.bad_link(request, link)
        is_stated = link.statement is not None and edge.statements.holds(link.candidate, link.statement)
        started = edge.signer.start(link.candidate, at=edge.now(), said_by=link.issued_at if is_stated else None)
        async with edge.change() as sessions:
            browser = browser_of(request.headers.get("user-agent", ""))
            language = i18n.present() if shows_pages(request.scope) else None
            state = await sessions.start(started.session, _spent(link), browser, language=language)
        if state == "gone":
            return bad_links.gone(request)
        if state == "spent":
            return await _used_again(edge, request, link)
        if not shows_pages(request.scope):
            out = SessionOut(session=started.token, expires_at=started.session.expires_at)
            return JSONResponse(out.model_dump(mode="json"), 201)
        leads_on = RedirectResponse(edge.navigation.url("choices"), 303)
        holders.set_cookie(leads_on, edge.navigation.signup_url, started.token, started.session)
        return leads_on

    @routes.get("/me/sessions", summary="Where one is signed in", responses=holders.ANSWERS)
    async def show_sessions(holder: Annotated[Holder, Depends(edge.signed_in)]) -> Response:
        return await _list(edge, holder)

    @routes.post(
        "/me/sessions",
        summary="End a session, all others, or this one (form or JSON)",
        responses={
            200: {"description": "Posted as JSON: how many `ended` (or a page)", "content": {forms.JSON: {}}},
            **holders.ANSWERS,
        },
        openapi_extra=forms.described(SessionsForm),
    )
    async def end(request: Request, holder: Annotated[Holder, Depends(edge.signed_in)]) -> Response:
        posted = await forms.read(request, SessionsForm)
        wish = posted.value
        if wish is None or (wish.action == "end" and wish.session is None):
            raise Problem(422, "Invalid request", "Say which session is to end: use the buttons of the page.", type=kind("invalid"))  # fmt: skip
        async with edge.change() as sessions:
            if wish.action == "end_others":
                count = await sessions.end_others(holder.candidate, holder.session)
            else:
                name = holder.session if wish.session is None or wish.action == "sign_out" else wish.session
                count = int(await sessions.end(holder.candidate, name))
        is_out = wish.action == "sign_out" or (wish.action == "end" and wish.session == holder.session)
        answer: Response
        if posted.is_json:
            answer = JSONResponse({"ended": count})
        elif is_out:
            answer = PAGES.render("signed_out.html")
        else:
            answer = await _list(edge, holder, ended=count)
        if is_out:
            holders.drop_cookie(answer, edge.navigation.signup_url)
        return answer

    return routes


def api(edge: SessionsEdge) -> APIRouter:
    """For programs."""
    routes = APIRouter(tags=["candidates"])

    @routes.get("/v1/me/sessions", summary="The sessions that work", responses=holders.ANSWERS)
    async def listed(holder: Annotated[Holder, Depends(edge.signed_in)]) -> SessionItems:
        async with edge.look() as sessions:
            found = await sessions.of(holder.candidate)
        return SessionItems(
            items=[
                SessionItem(
                    id=one.name,
                    since=one.since,
                    expires_at=one.until,
                    browser=one.browser,
                    is_this=one.name == holder.session,
                )
                for one in found
            ]
        )

    @routes.delete(
        "/v1/me/sessions/{session}",
        status_code=204,
        summary="End a session",
        responses={**holders.ANSWERS, 404: {"description": "No such session of this person works"}},
    )
    async def end(session: str, holder: Annotated[Holder, Depends(edge.signed_in)]) -> None:
        async with edge.change() as sessions:
            if not await sessions.end(holder.candidate, session):
                raise Problem(
                    404, "Not found", "No session of yours with this id works. GET /v1/me/sessions lists them."
                )

    return routes


def _spent(link: Link) -> Spent:
    """By what the link says, not by how its token is written: base64url writes some bytes in several ways."""
    said = (link.candidate, link.purpose, str(link.issued_at), str(link.expires_at))
    return Spent(link.candidate, sha256("\x00".join(said).encode()).digest(), link.expires_at, link.issued_at)


async def _used_again(edge: SessionsEdge, request: Request, link: Link) -> Response:
    """A second press of the same button leads on where the first one signed this browser in."""
    try:
        holder = edge.holders.of(request.scope)
    except Problem:
        return _used(request)
    async with edge.look() as sessions:
        is_in = holder.candidate == link.candidate and await sessions.is_signed_in(holder.candidate, holder.session)
    if is_in and shows_pages(request.scope):
        return RedirectResponse(edge.navigation.url("choices"), 303)
    return _used(request)


def _used(request: Request) -> Response:
    if shows_pages(request.scope):
        return PAGES.render("sign_in_used.html", status=410)
    detail = "This link was used before, and each works once. POST /sign-in emails a new one."
    raise Problem(410, "Link used", detail, type=kind("link-used"))


async def _list(edge: SessionsEdge, holder: Holder, ended: int | None = None) -> HTMLResponse:
    async with edge.look() as sessions:
        found = await sessions.of(holder.candidate)
    return PAGES.render(
        "sessions.html",
        navigation=edge.navigation.at("sessions"),
        sessions=[
            (one, in_words(one.browser), wording.moment(one.since, holder.time_zone), one.name == holder.session)
            for one in found
        ],
        until=wording.moment(holder.expires_at, holder.time_zone),
        ended=ended,
    )
