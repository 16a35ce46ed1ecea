"""`GET,POST /sign-in`: emails a link to the preference center."""

import time
from datetime import timedelta

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from starlette.responses import Response

from services.signup.api.cloudevents import Mail
from services.signup.api.emails import ENTER_EMAIL, EmailModel, with_why
from services.signup.api.join import PAGES, check_your_email, origin_of, wait_since
from services.signup.ports.pages import PageRequests
from services.signup.vault.index import BlindIndex
from shared.i18n import marked
from shared.web import forms
from shared.web.problems import Problem, kind

_WORDS = {"email": ENTER_EMAIL}
ANSWER_AFTER = timedelta(milliseconds=250)
"""Longer than the work takes: a known address is answered no later than an unknown one."""


class SignInIn(EmailModel):
    """Who wants the link."""

    email: Mail


def router(requests: PageRequests, *, index: BlindIndex, answer_after: timedelta = ANSWER_AFTER) -> APIRouter:
    """The sign-in page."""
    routes = APIRouter(tags=["candidates"])

    @routes.get("/sign-in", response_class=HTMLResponse, summary="The page to ask for a link to one's choices")
    async def show_sign_in() -> HTMLResponse:
        return PAGES.render("sign_in.html", given={}, errors={})

    @routes.post(
        "/sign-in",
        status_code=202,
        response_class=HTMLResponse,
        summary="Email a link to one's choices (form or JSON)",
        responses={429: {"description": "Too many links were asked for from this network within the hour."}},
        openapi_extra=forms.described(SignInIn),
    )
    async def sign_in(request: Request) -> Response:
        began = time.monotonic()
        posted = await forms.read(request, SignInIn, words=_WORDS)
        if posted.value is None:
            posted = with_why(posted)
            return PAGES.render("sign_in.html", status=422, given=posted.given, errors=dict(posted.errors))
        origin = origin_of(request, index.key)
        if not await requests.may_sign_in_from(origin):
            raise _too_many()
        await requests.sign_in(index.of(posted.value.email), origin)
        await wait_since(began, answer_after)
        return check_your_email("check_your_email_for_a_link.html", posted.value.email, is_json=posted.is_json)

    return routes


def _too_many() -> Problem:
    detail = marked(
        "Too many links were asked for from your network within the hour. The last one may still work: look in your inbox. Or try again in an hour, or from another network."
    )
    return Problem(
        429, marked("Try again in an hour"), detail, type=kind("too-many-sign-ins"), headers={"Retry-After": "3600"}
    )
