"""`GET,POST /erase/{token}` and `/me/erase`, `POST /v1/me/erase`, `GET /erased/{opening}`: a person erases themself, and reads what became of it."""

import re
import secrets
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Security
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel
from starlette.datastructures import Headers
from starlette.responses import RedirectResponse, Response
from starlette.types import Scope

from services.signup.api import bad_links, certificate_keys
from services.signup.api.person_links import PersonLinks
from services.signup.decisions.certificates import GOES, KIND, STAYS, certificate
from services.signup.model.erasures import Erased, ErasureRecord
from services.signup.ports.erasing import Erasing
from services.signup.ports.pages import Sessions
from shared import wording
from shared.contracts.base import Instant
from shared.contracts.signup import SweptStore
from shared.i18n import gettext, marked
from shared.security import encoding
from shared.security.documents import DocumentSigner
from shared.security.links import BadLink, Link
from shared.web import forms, gates, holders, problems
from shared.web.holders import Holder, Holders
from shared.web.pages import Pages
from shared.web.problems import Problem, kind
from shared.web.routes import shows_pages
from shared.web.types import Form, RequestModel

PAGES = Pages("services.signup")
_OPENING = re.compile(r"[A-Za-z0-9_-]{43}")
_WORDS = {"confirm": marked("Check the box if you want to be erased")}
_SERVICES = {
    "signup": marked("Who you are, and your profile"),
    "consent": marked("Your choices and receipts"),
    "courier": marked("Emails to you"),
    "outreach_gateway": marked("Employers’ messages"),
    "pool_matching": marked("Employers’ lists"),
}
"""For people, what each service has to do with them."""
_SCHEME = HTTPBearer(
    scheme_name="link",
    auto_error=False,
    description="The token of a confirm link, as it is in the email, or a session.",
)
_LINK_ANSWERS: dict[int | str, dict[str, Any]] = {
    404: {"description": "Not a link that opens a person's page; one that can only stop erases nothing"},
    410: {
        "description": "The link has expired, or is of before the person's email changed, or its person is no longer here"
    },
}

_ERASED: dict[int | str, dict[str, Any]] = {
    200: {"description": "Erased before; as many addresses of the certificate as there may be were shown by then"},
    202: {"description": "Asked for as JSON: erased, with the address of the certificate"},
    303: {"description": "Erased; leads to the certificate"},
}


class EraseIn(RequestModel):
    """That it is meant."""

    confirm: Literal["erase"]


class EraseForm(EraseIn):
    """The same as the page posts it; `opening` makes a second press of the button the same as the first."""

    opening: Annotated[str, Form(r"[A-Za-z0-9_-]{43}", "43 characters of base64url")] | None = None


class ErasedOut(BaseModel):
    """Done: nobody has anything of the person any more but who is named as outstanding in the certificate."""

    certificate: str | None
    """The address of the certificate. Keep it: there is no other way to it, and no email brings it. Null for whoever is erased already
    and asked for it 20 times: the addresses of before go on working."""
    erased_at: Instant


@dataclass(frozen=True, slots=True)
class ErasingEdge:
    """What `app.py` gives to the routes."""

    erasing: Erasing
    links: PersonLinks
    holders: Holders
    look: Callable[[], AbstractAsyncContextManager[Sessions]]
    """For reading who is signed in."""
    now: Callable[[], datetime]
    signer: DocumentSigner
    own: Sequence[SweptStore]
    """What signup itself sweeps."""
    keys: Sequence[bytes]
    """By which certificates are checked: signup's public halves, first that of `signer`."""
    signup_url: str
    consent_url: str

    async def link(self, token: str) -> Link | BadLink:
        """A confirm link; one that can only stop is none."""
        return await self.links.read(token, "confirm")

    async def may_erase(self, holder: Holder) -> None:
        """Raises a 401 where the session was ended. Whoever is erased has none any more; one that worked until then may press the
        button again, which gives the certificate of the one erasure.
        """
        async with self.look() as sessions:
            is_in = await sessions.is_signed_in(holder.candidate, holder.session)
        if is_in:
            return
        if await self.erasing.knows(holder.candidate):
            raise self.holders.session_over()
        if not await self.erasing.worked_then(holder.candidate, holder.session):
            raise self.holders.session_over()


def erased_out(erased: Erased, signup_url: str) -> ErasedOut:
    """For whoever asked."""
    address = None if erased.opening is None else f"{signup_url}/erased/{erased.opening}"
    return ErasedOut(certificate=address, erased_at=erased.erased_at)


def router(edge: ErasingEdge) -> APIRouter:
    """For programs."""
    routes = APIRouter(tags=["candidates"])

    def admitted(scope: Scope) -> Link | Holder:
        """By a confirm link's token or a session; what is neither is judged as a session."""
        scheme, _, token = Headers(scope=scope).get("authorization", "").strip().partition(" ")
        link = edge.links.signed(token.strip(), "confirm") if scheme.lower() == "bearer" else BadLink("forged")
        if isinstance(link, Link):
            return link
        if link.reason != "forged":
            raise bad_links.problem_of(link)
        return edge.holders.of(scope)

    async def person(
        request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Security(_SCHEME)]
    ) -> Link | Holder:
        who = admitted(request.scope)
        if isinstance(who, Holder):
            return who
        link = await edge.link(request.headers["authorization"].strip().partition(" ")[2].strip())
        if isinstance(link, BadLink):
            raise bad_links.problem_of(link)
        return link

    gates.guard(person, admitted)

    @routes.post(
        "/v1/me/erase",
        status_code=202,
        summary="Erase everything of the person of this session or confirm link, now and for good",
        responses={**holders.ANSWERS, **_LINK_ANSWERS},
    )
    async def erase(given: EraseIn, who: Annotated[Link | Holder, Depends(person)]) -> ErasedOut:
        session = None
        if isinstance(who, Holder):
            await edge.may_erase(who)
            session = who.session
        erased = await edge.erasing.erase(who.candidate, session=session)
        if erased is None:
            raise bad_links.no_longer_here()
        return erased_out(erased, edge.signup_url)

    return routes


def pages(edge: ErasingEdge) -> APIRouter:
    """For people: what goes and what stays, then whether they are sure, then the certificate."""
    routes = APIRouter(tags=["candidates"], default_response_class=HTMLResponse)

    @routes.get(
        "/erase/{token}", summary="What an erasure takes and what stays; changes nothing", responses=_LINK_ANSWERS
    )
    async def show(request: Request, token: str, step: Annotated[Literal["", "sure"], Query()] = "") -> Response:
        link = await edge.link(token)
        if isinstance(link, BadLink):
            return bad_links.bad_link(request, link)
        if not await edge.erasing.knows(link.candidate):
            return bad_links.gone(request)
        return _asked(_by_link(edge, token), is_second=step == "sure")

    @routes.post(
        "/erase/{token}",
        summary="Erase the person of this link, now and for good (form or JSON)",
        responses={**_ERASED, **_LINK_ANSWERS},
        openapi_extra=forms.described(EraseForm),
    )
    async def erase(request: Request, token: str) -> Response:
        link = await edge.link(token)
        if isinstance(link, BadLink):
            return bad_links.bad_link(request, link)
        return await _erase(edge, request, link.candidate, _by_link(edge, token))

    @routes.get("/me/erase", summary="The same, for whoever is signed in", responses=holders.ANSWERS)
    async def show_mine(
        request: Request,
        holder: Annotated[Holder, Depends(edge.holders.holder)],
        step: Annotated[Literal["", "sure"], Query()] = "",
    ) -> Response:
        await edge.may_erase(holder)
        if not await edge.erasing.knows(holder.candidate):
            return bad_links.gone(request)
        return _asked(_by_session(edge), is_second=step == "sure")

    @routes.post(
        "/me/erase",
        summary="Erase the person who is signed in, now and for good (form or JSON)",
        responses={**_ERASED, **holders.ANSWERS},
        openapi_extra=forms.described(EraseForm),
    )
    async def erase_mine(request: Request, holder: Annotated[Holder, Depends(edge.holders.holder)]) -> Response:
        await edge.may_erase(holder)
        answer = await _erase(edge, request, holder.candidate, _by_session(edge), session=holder.session)
        if answer.status_code in (202, 303):
            holders.drop_cookie(answer, edge.signup_url)
        return answer

    routes.include_router(certificate_keys.pages(edge.keys, edge.signup_url))

    @routes.get(
        "/erased/{opening}",
        summary="The certificate of an erasure: what was swept when, and what is outstanding (page or JSON)",
        responses={
            200: {
                "description": "With `signed` once it is complete: a JWS by signup's key",
                "content": {forms.JSON: {}},
            },
            404: {"description": "No certificate is at this address, or it was readable for 100 days"},
        },
    )
    async def read(request: Request, opening: str, format: Annotated[str, Query(max_length=20)] = "") -> Response:  # noqa: A002 - the query's own name
        record = await edge.erasing.record(opening) if _OPENING.fullmatch(opening) else None
        if record is None:
            return _no_certificate(request)
        said = _said(edge, record)
        if shows_pages(request.scope) and format != "json":
            return PAGES.render("erased.html", **_page(edge, record, said, opening))
        name = {"Content-Disposition": 'attachment; filename="erasure-certificate.json"'} if format == "json" else {}
        return JSONResponse(said, headers=name)

    return routes


def _said(edge: ErasingEdge, record: ErasureRecord) -> dict[str, Any]:
    """What is signed is final: nothing is, while a service owes its word."""
    said = certificate(record, edge.own)
    signed = None if record.outstanding else edge.signer.sign(KIND, said)
    return {**said, "signed": signed, "key": encoding.encode(edge.signer.public)}


@dataclass(frozen=True, slots=True)
class _Way:
    """Where the pages of an erasure are, and the person's choices."""

    address: str
    choices: str


def _by_link(edge: ErasingEdge, token: str) -> _Way:
    return _Way(f"/erase/{token}", f"{edge.consent_url}/confirm/{token}")


def _by_session(edge: ErasingEdge) -> _Way:
    return _Way("/me/erase", f"{edge.consent_url}/me")


async def _erase(
    edge: ErasingEdge, request: Request, candidate: str, way: _Way, *, session: str | None = None
) -> Response:
    posted = await forms.read(request, EraseForm, words=_WORDS)
    if posted.value is None:
        return _asked(way, is_second=True, errors=dict(posted.errors))
    erased = await edge.erasing.erase(candidate, posted.value.opening, session=session)
    if erased is None:
        return bad_links.gone(request)
    out = erased_out(erased, edge.signup_url)
    if posted.is_json:
        return JSONResponse(out.model_dump(mode="json"), 202)
    if out.certificate is None:
        return PAGES.render("erased_before.html", erased_at=wording.moment(erased.erased_at))
    return RedirectResponse(out.certificate, 303)


def _asked(way: _Way, *, is_second: bool, errors: dict[str, str] | None = None) -> HTMLResponse:
    return PAGES.render(
        "erase_sure.html" if is_second else "erase.html",
        status=422 if errors else 200,
        goes=[gettext(one) for one in GOES],
        stays=[gettext(one) for one in STAYS],
        address=way.address,
        choices=way.choices,
        opening=secrets.token_urlsafe(32) if is_second else "",
        errors=errors or {},
    )


def _page(edge: ErasingEdge, record: ErasureRecord, said: dict[str, Any], opening: str) -> dict[str, Any]:
    confirmed = {sweep.service: wording.moment(sweep.at) for sweep in record.sweeps}
    confirmed["signup"] = wording.moment(record.erased_at)
    services = [
        (gettext(name), confirmed.get(service, gettext("Not confirmed yet"))) for service, name in _SERVICES.items()
    ]
    return {
        "is_complete": not record.outstanding,
        "erased_at": wording.moment(record.erased_at),
        "until": wording.day(record.readable_until),
        "services": services,
        "stores": said["stores"],
        "topics": said["topics"],
        "stays": [gettext(one) for one in STAYS],
        "address": f"{edge.signup_url}/erased/{opening}",
        "download": f"/erased/{opening}?format=json",
    }


def _no_certificate(request: Request) -> Response:
    if shows_pages(request.scope):
        return PAGES.render("erased_not.html", status=404)
    detail = "No certificate is at this address, or it is older than 100 days. Check the address: all of it is needed."
    return problems.response(
        request.scope, Problem(404, "No such certificate", detail, type=kind("no-such-certificate"))
    )
