"""`/me/email`, `/v1/me/email`, `/recover`: another email for whoever is signed in, and for whoever has the recovery code."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import AfterValidator, BaseModel, Field
from starlette.responses import Response

from services.signup.api import bad_links
from services.signup.api.cloudevents import Mail
from services.signup.api.emails import ENTER_EMAIL, EmailModel, with_why
from services.signup.api.join import origin_of, wait_since
from services.signup.api.person_links import PersonLinks
from services.signup.decisions.recovery_codes import read_code
from services.signup.model.email_changes import (
    Asked,
    Begun,
    CannotPutBack,
    Changed,
    Recovering,
    Seen,
    Standing,
    Waiting,
)
from services.signup.ports.pages import EmailChanges, PageRequests
from shared import wording
from shared.contracts.base import Instant
from shared.i18n import marked
from shared.web import forms, holders, problems
from shared.web.holders import Holder, OwnOrigins
from shared.web.pages import Pages
from shared.web.person import Navigation
from shared.web.problems import Problem, kind
from shared.web.types import Line, RequestModel

PAGES = Pages("services.signup")
ANSWER_AFTER = timedelta(milliseconds=500)
"""Longer than the work takes: the answer comes no later where somebody has the mailbox that was typed, or the code was right."""
_WORDS = {
    "email": ENTER_EMAIL,
    "old_email": ENTER_EMAIL,
    "code": marked("Enter the whole code: six groups of four letters and digits"),
}
_SAME = marked("That is your email now. Enter another one")
_Name = Literal["asked", "agreed", "recovering", "waiting", "changed"]
_NAMES: dict[type[Standing], _Name] = {
    Asked: "asked",
    Recovering: "recovering",
    Waiting: "waiting",
    Changed: "changed",
}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    **holders.ANSWERS,
    409: {
        "description": "A change counts since less than 72 hours, or waits for these, or both mailboxes have agreed to one: it has to be over first. To put back: the old "
        "mailbox has a record of its own by now; every session has ended all the same"
    },
    410: {"description": "The person is no longer in the pool"},
    429: {"description": "Too many emails were sent to this person within the day"},
}


def _whole_code(value: str) -> str:
    """What can be no code is said to be none before anybody is looked up: that tells nothing of anybody."""
    if read_code(value) is None:
        raise ValueError("must be a whole recovery code: six groups of four letters and digits")
    return value


class EmailIn(EmailModel):
    """The new one."""

    email: Mail


class EmailForm(RequestModel):
    """What the page posts: another email, a stop, or a new recovery code."""

    action: Literal["change", "stop", "code"] = "change"
    email: Mail | None = None


class RecoverIn(RequestModel):
    """By the recovery code."""

    old_email: Mail
    code: Annotated[Line, Field(max_length=100), AfterValidator(_whole_code)]
    email: Mail = Field(description="The new one.")


class EmailOut(BaseModel):
    """How one's email stands."""

    email: str
    new_email: str | None = Field(description="What it is to be, or has become.")
    change: _Name | None = Field(
        description="asked: both mailboxes are to answer; agreed: both said yes, and it is changed once an invitation to the new one is "
        "closed, in seconds as a rule, or not if that was answered; recovering: the new one is; waiting: changed at `until` unless the old one "
        "stops it; changed: the old one can put itself back until `until`."
    )
    until: Instant | None
    has_recovery_code: bool


class CodeOut(BaseModel):
    """Shown once: whoever has it and your email can have your email changed, 72 hours after your mailbox was told."""

    recovery_code: str


class CheckOut(BaseModel):
    """The same whoever has the mailboxes."""

    status: Literal["check_both_mailboxes", "check_the_new_mailbox"]


@dataclass(frozen=True, slots=True)
class EmailEdge:
    """What `app.py` gives to the routes."""

    changes: EmailChanges
    requests: PageRequests
    links: PersonLinks
    signed_in: Callable[..., Awaitable[Holder]]
    origins: OwnOrigins
    origin_key: bytes
    now: Callable[[], datetime]
    navigation: Navigation
    answer_after: timedelta = ANSWER_AFTER

    @property
    def recover_url(self) -> str:
        """Whole: it is copied onto paper, beside the code."""
        return f"{self.navigation.signup_url}/recover"


def pages(edge: EmailEdge) -> APIRouter:
    """For people."""
    routes = APIRouter(tags=["candidates"], default_response_class=HTMLResponse)
    SignedIn = Annotated[Holder, Depends(edge.signed_in)]  # noqa: N806 - names a type

    @routes.get("/me/email", summary="One's email, and how it is changed", responses=_ANSWERS)
    async def show(request: Request, holder: SignedIn) -> Response:
        return await _shown(edge, request, holder)

    @routes.post(
        "/me/email",
        summary="Ask for another email, stop that, or have a new recovery code (form or JSON)",
        responses={**_ANSWERS, 202: {"description": "Both mailboxes are asked, whoever has the new one"}},
        openapi_extra=forms.described(EmailForm),
    )
    async def post(request: Request, holder: SignedIn) -> Response:
        began = time.monotonic()
        posted = await forms.read(request, EmailForm, words=_WORDS)
        wish = posted.value
        if wish is None or (wish.action == "change" and wish.email is None):
            if posted.is_json:
                raise problems.invalid([{"loc": ("body", "email"), "type": "missing", "msg": "Field required"}])
            errors = dict(with_why(posted).errors) or {"email": ENTER_EMAIL}
            return await _shown(edge, request, holder, given=str(posted.given.get("email", "")), errors=errors)
        if wish.action == "stop":
            await _stop(edge, holder)
            return await _shown(edge, request, holder, is_json=posted.is_json)
        if wish.action == "code":
            code = await edge.changes.make_code(holder.candidate, first_alone=False)
            if code is None:
                return bad_links.gone(request)
            if posted.is_json:
                return JSONResponse(CodeOut(recovery_code=code).model_dump(mode="json"), 201)
            return PAGES.render(
                "recovery_code.html",
                code=code,
                recover=edge.recover_url,
                navigation=edge.navigation.at("email"),
                back="/me/email",
            )
        return await _ask(edge, request, holder, wish.email or "", began, is_json=posted.is_json)

    @routes.get("/recover", summary="The page for whoever lost their mailbox and has the recovery code")
    async def show_recover() -> HTMLResponse:
        return PAGES.render("recover.html", given={}, errors={})

    @routes.post(
        "/recover",
        status_code=202,
        summary="Begin to move to another mailbox by the recovery code (form or JSON)",
        responses={429: {"description": "Too many tries from this network within the hour."}},
        openapi_extra=forms.described(RecoverIn),
    )
    async def recover(request: Request) -> Response:
        began = time.monotonic()
        posted = await forms.read(request, RecoverIn, words=_WORDS)
        if posted.value is None:
            return PAGES.render("recover.html", status=422, given=posted.given, errors=dict(posted.errors))
        origin = origin_of(request, edge.origin_key)
        if not await edge.requests.may_recover_from(origin):
            detail = marked(
                "Too many tries came from your network within the hour. Try again in an hour, or from another network."
            )
            raise Problem(429, marked("Try again in an hour"), detail, type=kind("too-many-recoveries"), headers={"Retry-After": "3600"})  # fmt: skip
        said = posted.value
        await edge.changes.recover(said.old_email, said.code, said.email, origin)
        await wait_since(began, edge.answer_after)
        if posted.is_json:
            return JSONResponse({"status": "check_the_new_mailbox"}, 202)
        return PAGES.render("recover_asked.html", status=202, email=said.email)

    return routes


def api(edge: EmailEdge) -> APIRouter:
    """For programs."""
    routes = APIRouter(tags=["candidates"])
    SignedIn = Annotated[Holder, Depends(edge.signed_in)]  # noqa: N806 - names a type

    @routes.get("/v1/me/email", summary="One's email, and how a change of it stands", responses=_ANSWERS)
    async def read(holder: SignedIn) -> EmailOut:
        return _out(await _seen(edge, holder))

    @routes.post(
        "/v1/me/email", status_code=202, summary="Ask for another email: both mailboxes are asked", responses=_ANSWERS
    )
    async def ask(request: Request, given: EmailIn, holder: SignedIn) -> CheckOut:
        if not await _begin(edge, request, holder, given.email, time.monotonic()):
            raise _same()
        return CheckOut(status="check_both_mailboxes")

    @routes.delete(
        "/v1/me/email",
        status_code=204,
        summary="Stop a change, or put the old email back: every session ends, this one too",
        responses=_ANSWERS,
    )
    async def stop(holder: SignedIn) -> None:
        await _stop(edge, holder)

    @routes.post(
        "/v1/me/recovery-code",
        status_code=201,
        summary="A new recovery code, shown once, in place of the one before",
        responses=_ANSWERS,
    )
    async def make_code(holder: SignedIn) -> CodeOut:
        code = await edge.changes.make_code(holder.candidate, first_alone=False)
        if code is None:
            raise bad_links.no_longer_here()
        return CodeOut(recovery_code=code)

    return routes


async def _ask(
    edge: EmailEdge, request: Request, holder: Holder, email: str, began: float, *, is_json: bool
) -> Response:
    if not await _begin(edge, request, holder, email, began):
        if is_json:
            raise _same()
        return await _shown(edge, request, holder, given=email, errors={"email": _SAME})
    if is_json:
        return JSONResponse({"status": "check_both_mailboxes"}, 202)
    return await _shown(edge, request, holder, status=202)


async def _begin(edge: EmailEdge, request: Request, holder: Holder, email: str, began: float) -> bool:
    """Whether it was begun: no where it is their email already. A "no" comes no sooner than a "begun"."""
    begun: Begun = await edge.changes.ask(holder.candidate, email, origin_of(request, edge.origin_key))
    await wait_since(began, edge.answer_after)
    match begun:
        case "begun":
            return True
        case "gone":
            raise bad_links.no_longer_here()
        case "busy":
            detail = marked(
                "Your email was changed less than 72 hours ago, or is to be changed: by your recovery code, or in a moment, since both mailboxes said yes. Wait until that is over, or stop it on /me/email; then ask again. Nothing was changed."
            )
            raise Problem(409, marked("A change is under way"), detail, type=kind("email-change-under-way"))
        case "same":
            return False
        case "too_many":
            detail = marked("Many emails were sent to you today. Nothing was changed. Try again tomorrow.")
            raise Problem(429, marked("Try again tomorrow"), detail, type=kind("too-many-emails"), headers={"Retry-After": "86400"})  # fmt: skip


async def _stop(edge: EmailEdge, holder: Holder) -> None:
    outcome = await edge.changes.answer(holder.candidate, None, "not_me", None)
    if isinstance(outcome, CannotPutBack):
        detail = marked(
            "The old mailbox has another record of its own by now, so emails keep going to the new one. But every "
            "session has ended, links in earlier emails no longer open anything of yours, and a recovery code no "
            "longer works."
        )
        raise Problem(409, marked("The old email could not be put back"), detail, type=kind("email-not-put-back"))


def _same() -> Problem:
    detail = "This is the present email already. Nothing was changed. Send another one."
    where = {"pointer": "#/email", "detail": "must be another email than the present one"}
    return Problem(422, "Invalid request", detail, type=kind("invalid"), errors=[where])


async def _seen(edge: EmailEdge, holder: Holder) -> Seen:
    seen = await edge.changes.seen(holder.candidate)
    if seen is None:
        raise bad_links.no_longer_here()
    return seen


def _name(standing: Standing) -> _Name:
    return "agreed" if isinstance(standing, Asked) and standing.is_agreed else _NAMES[type(standing)]


def _out(seen: Seen) -> EmailOut:
    standing = seen.standing
    return EmailOut(
        email=seen.email,
        new_email=seen.new,
        change=None if standing is None else _name(standing),
        until=None if standing is None else standing.until,
        has_recovery_code=seen.has_code,
    )


async def _shown(
    edge: EmailEdge,
    request: Request,
    holder: Holder,
    *,
    status: int = 200,
    is_json: bool = False,
    given: str = "",
    errors: dict[str, str] | None = None,
) -> Response:
    out = _out(await _seen(edge, holder))
    if is_json:
        return JSONResponse(out.model_dump(mode="json"))
    return PAGES.render(
        "email.html",
        status=422 if errors else status,
        navigation=edge.navigation.at("email"),
        now=out,
        until=None if out.until is None else wording.moment(out.until, holder.time_zone),
        given=given,
        errors=errors or {},
    )
