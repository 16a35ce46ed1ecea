"""`GET,POST /join`: the page by which a person comes of their own accord; `POST /join/file` fills it from a file."""

import asyncio
import hashlib
import re
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo
from starlette.responses import RedirectResponse, Response

from services.signup.api import join_file
from services.signup.api.cloudevents import Dollars, Mail, Occupation, State, Years, Zone
from services.signup.api.emails import ENTER_EMAIL, EmailModel, with_why
from services.signup.api.join_file import FileRead
from services.signup.api.profile_forms import WORDS, Area, Skill, skills_in, why_not_skills
from services.signup.api.profile_views import KINDS, SKILLS, steps, words_of
from services.signup.api.resume_files import UnreadableError, too_large
from services.signup.decisions import keeping
from services.signup.decisions.keeping import MOST_OCCUPATIONS, OccupationsOf
from services.signup.decisions.place_names import AREAS, TERRITORIES, state_of_zip
from services.signup.decisions.places import state_code
from services.signup.model.people import Person, RawProfile, Told
from services.signup.model.reports import Report
from services.signup.ports.intake import Intake
from services.signup.ports.pages import PageRequests
from services.signup.vault.addresses import origin_index
from services.signup.vault.index import BlindIndex
from shared import i18n
from shared.clock import Clock
from shared.contracts.codes import STATES, occupation_titles
from shared.contracts.signup import JOIN, EmploymentType
from shared.i18n import Locale, gettext, marked
from shared.ids import new_id
from shared.web import forms, gates
from shared.web.pages import Pages
from shared.web.problems import Problem, kind
from shared.web.routes import shows_pages
from shared.web.types import Line

PAGES = Pages("services.signup")
ANSWER_AFTER = timedelta(seconds=1)
"""Longer than the work takes: an address that joined too often is answered as late as one that is emailed."""
_ADDRESS = re.compile(r"://|www\.|@", re.IGNORECASE)
_LINK = re.compile(r"://|www\.|[/@]", re.IGNORECASE)
_DIGITS = re.compile(r"[0-9]{1,9}")
_MONTH = re.compile(r"[0-9]{4}-[0-9]{2}-01")
_ZIP = re.compile(r"[0-9]{5}(-[0-9]{4})?")
_NO_SUCH_WORK = marked(
    "Use other words for your work, such as Registered nurse, or leave it empty: we do not know these. You can say it later on your page"
)
_WORDS = {
    "name": marked("Enter your name, on one line of at most 100 characters and without a link"),
    "email": ENTER_EMAIL,
    "work": marked("Enter the work you do or look for in words, such as Registered nurse, without a link"),
    **{
        name: WORDS[name]
        for name in ("occupations", "skills", "years", "employment_types", "pay_floor", "available_from")
    },
    "state": marked("Choose a state from the list"),
    "postal_code": marked(
        "Enter a ZIP code of five digits, such as 80202, in the 50 states or the District of Columbia"
    ),
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
    return [word for one in listed for word in skills_in(one)]


def _number(value: object) -> object:
    return int(value) if isinstance(value, str) and _DIGITS.fullmatch(value) else value


def _in_the_state(value: str | None, info: ValidationInfo) -> str | None:
    """What is typed is taken or said to be wrong: a ZIP code that contradicts the state would be dropped later."""
    if value is None:
        return None
    if len(value) == 3:  # of a profile that was taken along: it has no more, and says of itself what it says of a state
        if AREAS.get(value, "PR") in TERRITORIES:
            raise ValueError("must be of the 50 states or the District of Columbia")
        return value
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
    occupations: Annotated[tuple[Occupation, ...], Field(max_length=MOST_OCCUPATIONS)] = ()
    skills: Annotated[tuple[Skill, ...], Field(max_length=50), BeforeValidator(_words)] = ()
    years: Annotated[Years, BeforeValidator(_number)] | None = None
    remote: bool = False
    employment_types: Annotated[tuple[EmploymentType, ...], Field(max_length=5)] = ()
    pay_floor: Annotated[Dollars, BeforeValidator(_number)] | None = Field(None, description="US dollars a year.")
    available_from: date | None = None
    state: State | None = None
    postal_code: Annotated[Area | None, AfterValidator(_in_the_state)] = Field(
        None, description="A ZIP code; of a profile that was taken along its first three digits."
    )
    time_zone: Zone | None = Field(None, description="Taken, and not kept: the time zone is one of a person's choices.")


JOIN_BLANK = {"name": "Somebody", "email": "somebody@example.org"}
"""What nobody can join without, for holding the rest of a file to the form."""


def router(
    intake: Intake,
    limits: PageRequests,
    clock: Clock,
    *,
    index: BlindIndex,
    titles: Iterable[str],
    occupations_of: OccupationsOf,
    answer_after: timedelta = ANSWER_AFTER,
) -> APIRouter:
    """The join page."""
    routes = APIRouter(tags=["candidates"])
    known_work = tuple(titles)

    def page(
        given: Mapping[str, Any],
        errors: Mapping[str, str],
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        read: FileRead | None = None,
    ) -> HTMLResponse:
        return PAGES.render(
            "join.html",
            status=status,
            headers=headers,
            given=given,
            errors=errors,
            titles=known_work,
            occupations=[(code, occupation_titles()[code]) for code in _codes(given)],
            steps=_steps(clock, given),
            kinds=[(value, gettext(label)) for value, label in KINDS.items()],
            read=read,
            known_skills=SKILLS,
        )

    @routes.get("/join", response_class=HTMLResponse, summary="The page to join by")
    async def show_join() -> HTMLResponse:
        return page({}, {})

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
            posted = _with_skills(_with_state(with_why(posted)))
        posted = _with_work(posted, occupations_of)
        if posted.value is None or posted.errors:
            return page(posted.given, posted.errors, status=422)
        origin = origin_of(request, index.key)
        if not await limits.may_join_from(origin):
            raise _too_many()
        joining = await limits.join(index.of(posted.value.email), origin)
        if joining.is_taken:
            reads = None if posted.is_json else i18n.present().locale
            await intake.take([_report(posted.value, clock, is_mailed=joining.is_mailed, locale=reads)])
        await wait_since(began, answer_after)
        return check_your_email("check_your_email.html", posted.value.email, is_json=posted.is_json)

    @routes.get("/join/file", response_class=RedirectResponse, include_in_schema=False)
    async def back() -> Response:
        return RedirectResponse("/join", 303)

    @routes.post(
        "/join/file",
        response_class=HTMLResponse,
        summary="Fill the form from a file: nothing is kept, nobody joins (a form, JSON Resume, or a zip)",
        responses={
            200: {"description": "As JSON: `form`, what the form takes, and `passed_over`, what was not read and why."}
        },
        openapi_extra=join_file.described(),
        dependencies=[gates.takes_up_to(join_file.BODY_LIMIT)],
    )
    async def fill(request: Request) -> Response:
        try:
            sent = await join_file.sent(request)
        except Problem as problem:
            if problem.status != 413 or not shows_pages(request.scope):
                raise
            return page({}, {"file": too_large()}, status=413, headers=problem.headers)
        if not sent.is_json and not sent.raw:
            return page({}, {"file": gettext(join_file.CHOOSE)}, status=422)
        try:
            found = join_file.filled_from(sent.raw, JoinIn, JOIN_BLANK, occupations_of, clock.now().date())
        except UnreadableError as error:
            if sent.is_json:
                raise join_file.problem_of(error) from None
            return page({}, {"file": str(error)}, status=join_file.problem_of(error).status)
        return JSONResponse(found.as_json()) if sent.is_json else page(found.as_form(), {}, read=found)

    return routes


def _codes(given: Mapping[str, Any]) -> list[str]:
    """The occupations that were found, or sent back, for the page to show again; others are wrong and go."""
    return [code for code in given.get("occupations", ()) if code in occupation_titles()]


def _steps(clock: Clock, given: Mapping[str, Any]) -> Mapping[keeping.Field, list[tuple[str, str]]]:
    """The answers that are listed, and those of a file that are not: a pay beyond them, or a month that is over."""
    listed = dict(steps(clock.now()))
    pay, month = str(given.get("pay_floor", "")), str(given.get("available_from", ""))
    if _DIGITS.fullmatch(pay) and pay not in dict(listed["pay_floor"]):
        listed["pay_floor"] = [*listed["pay_floor"], (pay, words_of("pay_floor", int(pay)))]
    if _MONTH.fullmatch(month) and month not in dict(listed["available_from"]):
        with suppress(ValueError):
            first = (month, words_of("available_from", date.fromisoformat(month)))
            listed["available_from"] = [first, *listed["available_from"]]
    return listed


def _with_state(posted: forms.Posted[JoinIn]) -> forms.Posted[JoinIn]:
    """The same with the state that a ZIP code is not in, where that is what is wrong with it."""
    typed = str(posted.given.get("postal_code", ""))
    state = state_code(str(posted.given.get("state", "")))
    there = state_of_zip(typed[:5]) if _ZIP.fullmatch(typed) else None
    if "postal_code" not in posted.errors or state not in STATES or there not in STATES or there == state:
        return posted
    words = gettext("This ZIP code is not in %(state)s. Correct the ZIP code or the state", state=STATES[state])
    return replace(posted, errors={**posted.errors, "postal_code": words})


def _with_work(posted: forms.Posted[JoinIn], occupations_of: OccupationsOf) -> forms.Posted[JoinIn]:
    """The same with work that no occupation is found for: on a page it can be corrected at once. A program's words are taken, and
    the person is asked on their profile's page."""
    typed = str(posted.given.get("work", "")).strip()
    if posted.is_json or not typed or "work" in posted.errors or occupations_of(typed):
        return posted
    wrong = {**posted.errors, "work": gettext(_NO_SUCH_WORK)}
    in_order = dict.fromkeys([*JoinIn.model_fields, *wrong])  # a field that the form does not have comes last
    return replace(posted, errors={name: wrong[name] for name in in_order if name in wrong})


def _with_skills(posted: forms.Posted[JoinIn]) -> forms.Posted[JoinIn]:
    """The same with the words that are on no list of ours, by their names."""
    typed = _words(posted.given.get("skills", ()))
    if "skills" not in posted.errors or not isinstance(typed, list):
        return posted
    return replace(posted, errors={**posted.errors, "skills": why_not_skills(typed)})


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
    detail = marked(
        "Too many people joined from your network within the hour. Try again in an hour, or from another network."
    )
    return Problem(
        429, marked("Try again in an hour"), detail, type=kind("too-many-joins"), headers={"Retry-After": "3600"}
    )


def _report(given: JoinIn, clock: Clock, *, is_mailed: bool, locale: Locale | None) -> Report:
    record = new_id("j")
    profile = RawProfile(
        occupations=given.occupations,
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
            locale=locale,
        ),
        proof="page",
    )
