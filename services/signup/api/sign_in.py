"""`GET,POST /sign-in`: mails a link to the preference centre."""

import time
from datetime import timedelta

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from starlette.responses import Response

from services.signup.api.cloudevents import Mail
from services.signup.api.join import PAGES, check_your_mail, wait_since
from services.signup.ports import PageRequests
from services.signup.vault.addresses import blind_index
from shared.web import forms
from shared.web.types import RequestModel

_WORDS = {"mail": "Enter your mail address, such as name@example.org"}
ANSWER_AFTER = timedelta(milliseconds=250)
"""Longer than the work takes: a known address is answered no later than an unknown one."""


class SignInIn(RequestModel):
    """Who wants the link."""

    mail: Mail


def router(requests: PageRequests, *, blind_index_key: bytes, answer_after: timedelta = ANSWER_AFTER) -> APIRouter:
    """The sign-in page."""
    routes = APIRouter(tags=["candidates"])

    @routes.get("/sign-in", response_class=HTMLResponse, summary="The page to ask for a link to one's preferences")
    async def show_sign_in() -> HTMLResponse:
        return PAGES.render("sign_in.html", given={}, errors={})

    @routes.post(
        "/sign-in",
        status_code=202,
        response_class=HTMLResponse,
        summary="Mail a link to one's preferences (form or JSON)",
    )
    async def sign_in(request: Request) -> Response:
        began = time.monotonic()
        posted = await forms.read(request, SignInIn, words=_WORDS)
        if posted.value is None:
            return PAGES.render("sign_in.html", status=422, given=posted.given, errors=dict(posted.errors))
        await requests.sign_in(blind_index(posted.value.mail, blind_index_key))
        await wait_since(began, answer_after)
        return check_your_mail("check_your_mail_for_a_link.html", is_json=posted.is_json)

    return routes
