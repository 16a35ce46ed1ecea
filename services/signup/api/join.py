"""`GET,POST /join`: the page by which a person comes of their own accord."""

import asyncio
import hashlib
import re
import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta
from typing import Annotated

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo
from starlette.responses import Response

from services.signup.api.cloudevents import Dollars, Mail, PostalCode, State, Years, Zone
from services.signup.api.emails import ENTER_EMAIL, EmailModel, with_why
from services.signup.api.profile_forms import WORDS, Skill
from services.signup.api.profile_views import KINDS, steps
from services.signup.decisions.place_names import state_of_zip
from services.signup.decisions.places import state_code
from services.signup.model.people import Person, RawProfile, Told
from services.signup.model.reports import Report
from services.signup.ports import Intake, PageRequests
from services.signup.vault.addresses import origin_index
from services.signup.vault.index import BlindIndex
from shared.clock import Clock
from shared.contracts.codes import STATES
from shared.contracts.signup import JOIN, EmploymentType
from shared.ids import new_id
from shared.web import forms
from shared.web.pages import Pages
from shared.web.problems import Problem, kind
from shared.web.types import Line

PAGES = Pages("services.signup")
ANSWER_AFTER = timedelta(seconds=1)
"""Longer than the work takes: an address that joined too often is answered as late as one that is emailed."""
_ADDRESS = re.compile(r"://|www\.|@", re.IGNORECASE)
_LINK = re.compile(r"://|www\.|[/@]", re.IGNORECASE)
_DIGITS = re.compile(r"[0-9]{1,9}")
_ZIP = re.compile(r"[0-9]{5}(-[0-9]{4})?")
_WORDS = {
    "name": "Enter your name, on one line of at most 100 characters and without a link",
    "email": ENTER_EMAIL,
    "work": "Enter the work you do or look for in words, such as Registered nurse, without a link",
    **{name: WORDS[name] for name in ("skills", "years", "employment_types", "pay_floor", "available_from")},
    "state": "Choose a state from the list",
    "postal_code": "Enter a ZIP code of five digits, such as 80202, in the 50 states or the District of Columbia",
}


def _name(value: str) -> str:
    if _LINK.search(value):
        raise ValueError("must be a name, without a link or an email")
    return value


def _work(value: str) -> str:
    if _ADDRESS.search(value):
        raise ValueError("must be work in words, without a link or an email")
    return value


def _words(value: object) -> object:
    """Each text may hold several skills, as somebody types them."""
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list | tuple) or not all(isinstance(one, str) for one in listed):
        return value
    return [word.strip() for one in listed for word in re.split(r"[,;\n]", one) if word.strip()]


def _number(value: object) -> object:
    return int(value) if isinstance(value, str) and _DIGITS.fullmatch(value) else value


def _in_the_state(value: str | None, info: ValidationInfo) -> str | None:
    """What is typed is taken or said to be wrong: a ZIP code that contradicts the state would be dropped later."""
    if value is None:
        return None
    there, state = state_of_zip(value[:5]), info.data.get("state")
    if there is None:
        raise ValueError("must be a ZIP code of the 50 states or the District of Columbia")
    if state is not None and state != there:
        raise ValueError(f"must be a ZIP code of {STATES[state]}, or the state another one")
    return value


class JoinIn(EmailModel):
    """What the join page asks for."""

    name: Annotated[Line, Field(max_length=100), AfterValidator(_name)]
    email: Mail
    work: Annotated[Line, Field(max_length=100), AfterValidator(_work)] | None = None
    skills: Annotated[tuple[Skill, ...], Field(max_length=50), BeforeValidator(_words)] = ()
    years: Annotated[Years, BeforeValidator(_number)] | None = None
    remote: bool = False
    employment_types: Annotated[tuple[EmploymentType, ...], Field(max_length=5)] = ()
    pay_floor: Annotated[Dollars, BeforeValidator(_number)] | None = Field(None, description="US dollars a year.")
    available_from: date | None = None
    state: State | None = None
    postal_code: Annotated[PostalCode | None, AfterValidator(_in_the_state)] = None
    time_zone: Zone | None = Field(None, description="Taken, and not kept: the time zone is one of a person's choices.")


def router(
    intake: Intake,
    limits: PageRequests,
    clock: Clock,
    *,
    index: BlindIndex,
    titles: Iterable[str],
    answer_after: timedelta = ANSWER_AFTER,
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
            steps=steps(clock.now()),
            kinds=list(KINDS.items()),
        )

    @routes.get("/join", response_class=HTMLResponse, summary="The page to join by")
    async def show_join() -> HTMLResponse:
        return page()

    @routes.post(
        "/join",
        status_code=202,
        response_class=HTMLResponse,
        summary="Join: a confirmation link is emailed (form or JSON)",
        responses={429: {"description": "Too many joined from this network within the hour."}},
        openapi_extra=forms.described(JoinIn),
    )
    async def join(request: Request) -> Response:
        began = time.monotonic()
        posted = await forms.read(request, JoinIn, words=_WORDS)
        if posted.value is None:
            return page(_with_state(with_why(posted)))
        origin = origin_of(request, index.key)
        if not await limits.may_join_from(origin):
            raise _too_many()
        joining = await limits.join(index.of(posted.value.email), origin)
        if joining.is_taken:
            await intake.take([_report(posted.value, clock, is_mailed=joining.is_mailed)])
        await wait_since(began, answer_after)
        return check_your_email("check_your_email.html", posted.value.email, is_json=posted.is_json)

    return routes


def _with_state(posted: forms.Posted[JoinIn]) -> forms.Posted[JoinIn]:
    """The same with the state that a ZIP code is not in, where that is what is wrong with it."""
    typed = str(posted.given.get("postal_code", ""))
    state = state_code(str(posted.given.get("state", "")))
    there = state_of_zip(typed[:5]) if _ZIP.fullmatch(typed) else None
    if "postal_code" not in posted.errors or state not in STATES or there not in STATES or there == state:
        return posted
    words = f"This ZIP code is not in {STATES[state]}. Correct the ZIP code or the state"
    return replace(posted, errors={**posted.errors, "postal_code": words})


def origin_of(request: Request, key: bytes) -> bytes:
    """Where a request comes from, as it is counted: never the address of a network itself."""
    return origin_index(request.client.host if request.client else "", key)


async def wait_since(began: float, span: timedelta) -> None:
    """Until so long after a moment of `time.monotonic`."""
    await asyncio.sleep(max(span.total_seconds() - (time.monotonic() - began), 0))


def check_your_email(page: str, email: str, *, is_json: bool) -> Response:
    """The same answer whoever asked, known or not; `page` is what a browser gets, with the email that was typed."""
    if is_json:
        return JSONResponse({"status": "check_your_email"}, status_code=202)
    return PAGES.render(page, status=202, email=email)


def _too_many() -> Problem:
    detail = "Too many people joined from your network within the hour. Try again in an hour, or from another network."
    return Problem(429, "Try again in an hour", detail, type=kind("too-many-joins"), headers={"Retry-After": "3600"})


def _report(given: JoinIn, clock: Clock, *, is_mailed: bool) -> Report:
    record = new_id("j")
    profile = RawProfile(
        titles=(given.work,) if given.work else (),
        skills=given.skills,
        years=given.years,
        state=given.state,
        postal_code=given.postal_code,
        remote=given.remote,
        employment_types=given.employment_types,
        pay_floor=given.pay_floor,
        available_from=given.available_from,
    )
    return Report(
        mark=hashlib.sha256(f"{JOIN}\n{record}".encode()).digest(),
        vendor=JOIN,
        record=record,
        employer=None,
        change="signed_up",
        at=clock.now(),
        told=Told(
            person=Person(mail=given.email, given_name=given.name),
            profile=profile,
            without_email=None if is_mailed else True,
        ),
        proof="page",
    )
