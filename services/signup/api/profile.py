"""`GET,POST /profile/{token}`: what others told of a person, and what of it employers may see; GET changes nothing."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Annotated, Any, assert_never

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field, ValidationError, model_validator
from starlette.responses import Response

from services.signup.api.cloudevents import Dollars, Occupation, State, Years
from services.signup.api.profile_views import PAGES, Names, facts, form_of, items, refilled, why_not_shown
from services.signup.decisions import keeping, showing
from services.signup.decisions.coarsening import coarsen
from services.signup.decisions.keeping import FIELDS, Kept, OccupationsOf, Offer, Refused, Wish
from services.signup.decisions.places import is_outside_the_states
from services.signup.decisions.skills import known_skills
from services.signup.model import RawProfile, Showing
from services.signup.ports import Store
from shared.contracts.signup import EmploymentType
from shared.security.links import BadLink, Link, LinkReader
from shared.web import bodies, forms, gates, problems
from shared.web.problems import Problem, kind
from shared.web.routes import shows_pages
from shared.web.types import Form, Line, RequestModel, Text

_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "Asked for JSON: `proposed` and `kept`; posted as JSON: `profile` and `version` (or pages)"},
    202: {"description": "Kept; the network does not have it yet"},
    404: {"description": "Not a link of this page"},
    410: {"description": "The link has expired, or its person is no longer in the pool"},
}
_WORDS = {
    "occupations": "Choose occupations from the list",
    "titles": "Use other words for your work, such as Registered nurse: we do not know these",
    "skills": "Use words of our list of skills, such as triage or forklift, with commas between them",
    "years": "Choose your years of experience from the list",
    "state": "Choose a state from the list",
    "area": "Enter three digits, or a ZIP code of five, in the 50 states or the District of Columbia",
    "employment_types": "Choose kinds of employment from the list",
    "pay_floor": "Choose the pay from the list",
    "available_from": "Choose the month from the list",
}
_ON_THE_PAGE = {"titles": "work", "skills": "more_skills"}
_STALE = "This was changed after you opened this page. This is how it is now: change what you want and save"
_OTHER, _NONE = "other", "none"


def _area(value: str) -> str:
    if is_outside_the_states(None, value):
        raise ValueError("must be of the 50 states or the District of Columbia")
    return value


def _skill(value: str) -> str:
    folded = " ".join(value.lower().split())
    if folded not in known_skills():
        raise ValueError("must be a word of Fairpool's list of skills, such as triage")
    return folded


Area = Annotated[
    str, Form(r"[0-9]{3}|[0-9]{5}(-[0-9]{4})?", "three digits, or a ZIP code of five"), AfterValidator(_area)
]


class SetIn(RequestModel):
    """A profile in the person's own words; null and empty fields are absent ones."""

    occupations: Annotated[tuple[Occupation, ...], Field(max_length=20)] = ()
    titles: Annotated[tuple[Line, ...], Field(max_length=20)] = ()
    skills: Annotated[tuple[Annotated[Line, AfterValidator(_skill)], ...], Field(max_length=50)] = ()
    years: Years | None = None
    state: State | None = None
    area: Area | None = Field(
        None,
        validation_alias=AliasChoices("area", "postal_code"),
        description="The first three digits of a ZIP code, or all of it (also as postal_code).",
    )
    remote: Annotated[bool, Field(strict=True)] | None = None
    employment_types: Annotated[tuple[EmploymentType, ...], Field(max_length=5)] = ()
    pay_floor: Dollars | None = Field(None, description="US dollars a year.")
    available_from: date | None = None

    @model_validator(mode="before")
    @classmethod
    def _absent(cls, value: Any) -> Any:  # noqa: ANN401 - before validation it may be anything
        if not isinstance(value, dict):
            return value
        known = {*cls.model_fields, "postal_code"}
        return {name: given for name, given in value.items() if name not in known or given not in (None, "", [])}


def _or(empty: Any) -> BeforeValidator:  # noqa: ANN401 - whatever stands for nothing
    return BeforeValidator(lambda value: empty if value is None or value == "" else value)


class KeepIn(RequestModel):
    """What is to be shown, and nothing else."""

    keep: Annotated[tuple[Line, ...], Field(max_length=200), _or(())] = ()
    """Ids of what is proposed, or names of fields."""
    set: Annotated[SetIn, _or({})] = SetIn()


class ProfileForm(RequestModel):
    """The same as the page posts it; `x_other` counts where `x` is `other` or not said."""

    occupations: tuple[Line, ...] = ()
    seen: Line | None = None
    """Which profile the page showed."""
    work: Line | None = None
    skills: tuple[Line, ...] = ()
    more_skills: Annotated[Text, Field(max_length=2000)] | None = None
    remote: Line | None = None
    employment_types: tuple[Line, ...] = ()
    years: Line | None = None
    years_other: Line | None = None
    state: Line | None = None
    state_other: Line | None = None
    area: Line | None = None
    area_other: Line | None = None
    pay_floor: Line | None = None
    pay_floor_other: Line | None = None
    available_from: Line | None = None
    available_from_other: Line | None = None

    def as_set(self) -> dict[str, Any]:
        """What `SetIn` takes."""

        def one(name: str) -> str | None:
            value: str | None = getattr(self, name)
            other: str | None = getattr(self, f"{name}_other")
            return other if value in (None, _OTHER) else None if value == _NONE else value

        def number(name: str) -> int | str | None:
            text = one(name)
            return int(text) if text and re.fullmatch(r"[0-9]{1,9}", text) else text

        more = [word.strip() for word in re.split(r"[,;\n]", self.more_skills or "") if word.strip()]
        return {
            "occupations": list(self.occupations),
            "titles": [self.work] if self.work else [],
            "skills": [*self.skills, *more],
            "remote": True if self.remote else None,
            "employment_types": list(self.employment_types),
            "years": number("years"),
            "pay_floor": number("pay_floor"),
            **{name: one(name) for name in ("state", "area", "available_from")},
        }


@dataclass(frozen=True, slots=True)
class ProfileEdge:
    """What `app.py` gives to the routes."""

    change: Callable[[], AbstractAsyncContextManager[Store]]
    """A transaction whose events are on their way when it ends."""
    look: Callable[[], AbstractAsyncContextManager[Store]]
    """For reading."""
    has_published: Callable[[Sequence[int]], Awaitable[bool]]
    """Whether Kafka has these outbox rows within the time that a person can be asked to wait."""
    now: Callable[[], datetime]
    links: LinkReader
    names: Names
    occupations_of: OccupationsOf
    titles: Sequence[str]
    consent_url: str
    notices: Callable[[], Sequence[str]] = tuple
    """What must be said beside occupations that were found in a list which an operator loaded."""


def router(edge: ProfileEdge) -> APIRouter:
    """The page on which a person says what is shown of them."""
    routes = APIRouter(tags=["candidates"], default_response_class=HTMLResponse)

    @routes.get("/profile/{token}", summary="What is proposed, and what is kept (page or JSON)", responses=_ANSWERS)
    async def show(request: Request, token: str) -> Response:
        link = edge.links.read(token, "confirm", "me", at=edge.now())
        if isinstance(link, BadLink):
            return _bad_link(request, link)
        async with edge.look() as store:
            present, offered = await _read(edge, store, link)
        if present is None:
            return _gone(request)
        if _wants_json(request):
            kept = None if present.profile is None else present.profile.model_dump(mode="json")
            return JSONResponse({"proposed": items(offered, edge.names), "kept": kept})
        return _page(edge, link, token, present, offered)

    @routes.post(
        "/profile/{token}",
        summary="Keep, set or leave out: exactly this is shown (form or JSON)",
        responses=_ANSWERS,
        openapi_extra=_body(),
        dependencies=[gates.takes_up_to(128 * 1024)],
    )
    async def save(request: Request, token: str) -> Response:
        link = edge.links.read(token, "confirm", "me", at=edge.now())
        if isinstance(link, BadLink):
            return _bad_link(request, link)
        posted = await _posted(request)
        async with edge.change() as store:
            before = (await store.showings([link.candidate])).get(link.candidate)
            if before is None:
                return _gone(request)
            offered = keeping.offers(await store.proposals(link.candidate), edge.occupations_of)
            if posted.seen is not None and posted.seen != keeping.mark(before.profile):
                return _page(edge, link, token, before, offered, is_stale=True)
            outcome = (
                keeping.decide(posted.wish, offered, before.profile, edge.occupations_of)
                if posted.wish
                else Refused(posted.errors)
            )
            match outcome:
                case Refused(errors):
                    after = before
                case Kept(profile):
                    after = showing.settled(replace(before, profile=profile), at=store.at)
                    await store.save_showings([after])
                    if before.profile not in (None, profile):
                        await store.note_profile_change(after.candidate)
                    if told := showing.news(before, after):
                        store.publish(told)
                case _:
                    assert_never(outcome)
        if isinstance(outcome, Refused):
            if posted.is_json:
                raise _refused(outcome)
            return _page(edge, link, token, before, offered, given=posted.given, errors=errors)
        status = 200 if not store.outbox_ids or await edge.has_published(store.outbox_ids) else 202
        if posted.is_json:
            kept = outcome.profile.model_dump(mode="json")
            return JSONResponse({"profile": kept, "version": after.profile_version}, status)
        return PAGES.render(
            "profile_kept.html",
            status=status,
            facts=facts(outcome.profile),
            why_not=why_not_shown(after, at=edge.now()),
            is_out=status == 200,
            back=f"/profile/{token}",
            choices=_choices(edge, link, token),
        )

    return routes


@dataclass(frozen=True, slots=True)
class _Posted:
    is_json: bool
    given: Mapping[str, Any]
    wish: Wish | None
    errors: Mapping[str, str]
    seen: str | None = None
    """The mark of the kept profile that the page showed."""


async def _posted(request: Request) -> _Posted:
    """The wish in a form or in JSON; a wrong form has errors by the names of the page's fields."""
    if forms_json(request):
        body = bodies.parse_model(await request.body(), KeepIn)
        return _Posted(is_json=True, given={}, wish=_wish(body.set, body.keep), errors={})
    form = await forms.read(request, ProfileForm)
    if form.value is None:
        return _Posted(is_json=False, given=form.given, wish=None, errors=form.errors)
    try:
        value = SetIn.model_validate(form.value.as_set())
    except ValidationError as error:
        names = dict.fromkeys(str(item["loc"][0]) for item in error.errors(include_input=False, include_url=False))
        errors = {_ON_THE_PAGE.get(name, name): _WORDS[name] for name in names}
        return _Posted(is_json=False, given=form.given, wish=None, errors=errors, seen=form.value.seen)
    return _Posted(is_json=False, given=form.given, wish=_wish(value, ()), errors={}, seen=form.value.seen)


def forms_json(request: Request) -> bool:
    """Whether a program posts, and is to be answered in JSON."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == forms.JSON


def _wish(value: SetIn, keep: Sequence[str]) -> Wish:
    raw = RawProfile(
        occupations=value.occupations,
        skills=value.skills,
        years=value.years,
        state=value.state,
        remote=value.remote or False,
        employment_types=value.employment_types,
        pay_floor=value.pay_floor,
        available_from=value.available_from,
    )
    coarse = coarsen(raw).model_copy(update={"area": value.area[:3] if value.area else None})
    said = [name for name in FIELDS if getattr(value, name) not in (None, ())]
    return Wish(tuple(keep), {name: getattr(coarse, name) for name in said}, value.titles)


async def _read(edge: ProfileEdge, store: Store, link: Link) -> tuple[Showing | None, list[Offer]]:
    present = await store.showing(link.candidate)
    return present, keeping.offers(await store.proposals(link.candidate), edge.occupations_of)


def _page(
    edge: ProfileEdge,
    link: Link,
    token: str,
    present: Showing,
    offered: Sequence[Offer],
    *,
    given: Mapping[str, Any] | None = None,
    errors: Mapping[str, str] | None = None,
    is_stale: bool = False,
) -> HTMLResponse:
    form = form_of(offered, present.profile, edge.names, at=edge.now())
    wrong = {_ON_THE_PAGE.get(name, name): words for name, words in _by_field(errors or {}).items()}
    if given is not None:
        also = edge.occupations_of(str(given.get("work", "")))
        form = refilled(form, given, also if len(also) > 1 else ())
        if len(also) > 1 and "work" in wrong:
            wrong = {"occupations": "Your words may mean several occupations: tick those that are right"}
    if is_stale:
        wrong = {"occupations": _STALE}
    return PAGES.render(
        "profile.html",
        status=422 if wrong else 200,
        seen=keeping.mark(present.profile),
        address=f"/profile/{token}",
        form=form,
        errors=wrong,
        titles=edge.titles,
        notices=edge.notices(),
        has_spoken=present.profile is not None,
        choices=_choices(edge, link, token),
    )


def _by_field(errors: Mapping[str, str]) -> dict[str, str]:
    """Pointers of a decision as names of fields with the page's own sentence."""
    found = {}
    for pointer, sentence in errors.items():
        named = re.match(r"#/(?:set|keep)/?([a-z_]*)", pointer)
        name = (named[1] if named else pointer) or ""
        found[name] = _WORDS.get(name, sentence)
    return found


def _choices(edge: ProfileEdge, link: Link, token: str) -> str:
    path = f"confirm/{token}" if link.purpose == "confirm" else f"me?token={token}"
    return f"{edge.consent_url}/{path}"


def _wants_json(request: Request) -> bool:
    accept = request.headers.get("accept", "")
    return forms.JSON in accept and "text/html" not in accept


def _refused(outcome: Refused) -> Problem:
    return Problem(
        422,
        "Invalid request",
        "Some of this can't be so; `errors` says what. Nothing was changed. Correct it and send it again.",
        type=kind("invalid"),
        errors=[{"pointer": pointer, "detail": sentence} for pointer, sentence in outcome.errors.items()],
    )


def _bad_link(request: Request, bad: BadLink) -> Response:
    is_expired = bad.reason == "expired"
    status = 410 if is_expired else 404
    if shows_pages(request.scope):
        return PAGES.render("profile_link.html", status=status, reason="expired" if is_expired else "forged")
    if is_expired:
        detail = "This link was good once and has expired. /sign-in mails a new one."
        return problems.response(request.scope, Problem(410, "Link expired", detail, type=kind("link-expired")))
    detail = "This is not a whole link of this page. /sign-in mails a new one."
    return problems.response(request.scope, Problem(404, "No such link", detail, type=kind("no-such-link")))


def _gone(request: Request) -> Response:
    if shows_pages(request.scope):
        return PAGES.render("profile_link.html", status=410, reason="gone")
    detail = "Nobody is in the pool by this link any more, and nothing of them is kept. /join is the way in again."
    return problems.response(request.scope, Problem(410, "No longer here", detail, type=kind("no-longer-here")))


def _body() -> dict[str, Any]:
    schema = KeepIn.model_json_schema()
    parts = schema.pop("$defs")
    schema["properties"]["set"] = parts["SetIn"]
    return {"requestBody": {"required": True, "content": {forms.JSON: {"schema": schema}, forms.FORM: {}}}}
