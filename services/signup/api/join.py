"""`GET,POST /join`: the page by which a person comes of their own accord."""

import hashlib
from collections.abc import Iterable
from typing import Annotated

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import Field
from starlette.responses import Response

from services.signup.api.cloudevents import Mail, PostalCode, State, Zone
from services.signup.model import Person, RawProfile, Report, Told
from services.signup.ports import Intake, PageRequests
from services.signup.vault.addresses import blind_index
from shared.clock import Clock
from shared.contracts.codes import STATES
from shared.contracts.signup import JOIN
from shared.ids import new_id
from shared.web import forms
from shared.web.pages import Pages
from shared.web.types import Line, RequestModel

PAGES = Pages("services.signup")
_ZONES = (
    ("", "I would rather not say"),
    ("America/New_York", "Eastern"),
    ("America/Chicago", "Central"),
    ("America/Denver", "Mountain"),
    ("America/Phoenix", "Arizona"),
    ("America/Los_Angeles", "Pacific"),
    ("America/Anchorage", "Alaska"),
    ("Pacific/Honolulu", "Hawaii"),
    ("America/Puerto_Rico", "Puerto Rico"),
)
_WORDS = {
    "name": "Enter your name, on one line",
    "mail": "Enter your mail address, such as name@example.org",
    "work": "Enter the work you do or look for, such as Registered nurse",
    "state": "Choose a state from the list",
    "postal_code": "Enter a ZIP code of five digits, such as 80202",
    "time_zone": "Choose a time zone from the list",
}


class JoinIn(RequestModel):
    """What the join page asks for."""

    name: Line
    mail: Mail
    work: Annotated[Line, Field(max_length=100)]
    state: State | None = None
    postal_code: PostalCode | None = None
    time_zone: Zone | None = None


def router(
    intake: Intake, limits: PageRequests, clock: Clock, *, blind_index_key: bytes, titles: Iterable[str]
) -> APIRouter:
    """The join page."""
    routes = APIRouter(tags=["candidates"])
    known_work = tuple(titles)

    def page(posted: forms.Posted[JoinIn] | None = None) -> HTMLResponse:
        errors = dict(posted.errors) if posted else {}
        return PAGES.render(
            "join.html",
            status=422 if errors else 200,
            given=posted.given if posted else {},
            errors=errors,
            titles=known_work,
            states=[("", "Choose a state"), *STATES.items()],
            zones=_ZONES,
        )

    @routes.get("/join", response_class=HTMLResponse, summary="The page to join by")
    async def show_join() -> HTMLResponse:
        return page()

    @routes.post(
        "/join",
        status_code=202,
        response_class=HTMLResponse,
        summary="Join: a confirmation link is mailed (form or JSON)",
    )
    async def join(request: Request) -> Response:
        posted = await forms.read(request, JoinIn, words=_WORDS)
        if posted.value is None:
            return page(posted)
        if await limits.may_join(blind_index(posted.value.mail, blind_index_key)):
            await intake.take([_report(posted.value, clock)])
        return check_your_mail("check_your_mail.html", is_json=posted.is_json)

    return routes


def check_your_mail(page: str, *, is_json: bool) -> Response:
    """The same answer whoever asked, known or not; `page` is what a browser gets."""
    if is_json:
        return JSONResponse({"status": "check_your_mail"}, status_code=202)
    return PAGES.render(page, status=202)


def _report(given: JoinIn, clock: Clock) -> Report:
    record = new_id("j")
    profile = RawProfile(
        titles=(given.work,), state=given.state, postal_code=given.postal_code, time_zone=given.time_zone
    )
    return Report(
        digest=hashlib.sha256(f"{JOIN}\n{record}".encode()).digest(),
        vendor=JOIN,
        record=record,
        employer=None,
        change="signed_up",
        at=clock.now(),
        told=Told(person=Person(mail=given.mail, given_name=given.name), profile=profile),
    )
