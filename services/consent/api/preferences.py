"""`/confirm/{token}` and `/me`: one page on which a person says what they allow; GET changes nothing."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from starlette.responses import Response

from services.consent import decisions
from services.consent.api import bodies, views
from services.consent.api.bodies import ConsentBody, Posted
from services.consent.api.edge import (
    WHAT_A_LINK_TOO_OLD_DID,
    Edge,
    NoLinkError,
    privacy_signal,
    refused,
    too_old,
)
from services.consent.decisions import Changed, Refused, Unchanged
from services.consent.model import Attempt, Present
from services.consent.ports import Consents
from shared.web import forms, gates
from shared.web.middleware import content_security_policy
from shared.web.problems import Problem

_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "What is so now: `purposes`, `version`, `receipt` (or a page); the network has it"},
    202: {"description": "The same, saved; the network does not have it yet"},
    303: {"description": "A page: saved, and something is on; what employers may see comes next, by the same link"},
    403: {
        "description": "The link is too old to switch anything on, and a new one is needed. What was asked to be switched off or"
        " blocked is; nothing else was changed"
    },
    404: {"description": "Not a link of this page"},
    410: {"description": "The link has expired, or the invitation has ended"},
}

_TAKES = [gates.takes_up_to(128 * 1024)]
"""All lists at their limits as JSON, or in a form, where a letter takes six bytes and more."""

PageDoor = Literal["confirm", "me"]
"""Through which of the two pages."""


def router(edge: Edge) -> APIRouter:
    """The two pages; they differ in the link that opens them and in their words."""
    routes = APIRouter(tags=["candidates"], default_response_class=HTMLResponse)

    @routes.get("/confirm", include_in_schema=False)
    async def show_no_confirm() -> Response:
        raise NoLinkError

    @routes.get("/confirm/{token}", summary="The page on which everything is off")
    async def show_confirm(request: Request, token: str) -> Response:
        return await _show(edge, request, "confirm", token)

    @routes.post(
        "/confirm/{token}", summary="Say what you allow", responses=_ANSWERS, openapi_extra=_body(), dependencies=_TAKES
    )
    async def confirm(request: Request, token: str) -> Response:
        return await _save(edge, request, "confirm", token)

    @routes.get("/me", summary="The preference center")
    async def show_me(request: Request, token: Annotated[str, Query()] = "") -> Response:
        return await _show(edge, request, "me", token)

    @routes.post("/me", summary="Change what you allow", responses=_ANSWERS, openapi_extra=_body(), dependencies=_TAKES)
    async def me(request: Request, token: Annotated[str, Query()] = "") -> Response:
        return await _save(edge, request, "me", token or await bodies.hidden_token(request))

    return routes


_MOST_ATTEMPTS = 10
_STALE = {
    "purposes": "Your choices were changed after you opened this page. This is how they are now: tick what you want and save"
}
_TOO_OLD = {
    took_back: {
        "purposes": f"This link is too old to switch anything on. {what} To switch something on, get a new link by email"
    }
    for took_back, what in WHAT_A_LINK_TOO_OLD_DID.items()
}


async def _show(edge: Edge, request: Request, door: PageDoor, token: str) -> Response:
    if not token:
        raise NoLinkError
    link = edge.link(token, door)
    async with edge.look() as consents:
        present = edge.alive(await consents.read(link.candidate))
        attempts = await consents.attempts(link.candidate, _MOST_ATTEMPTS)
    filled = views.fields(present.choices, edge.now())
    can_switch_on = decisions.can_switch_on(present, edge.stated(link))
    return await _form(
        edge, request, door, token, present, filled=filled, attempts=attempts, can_switch_on=can_switch_on
    )


async def _save(edge: Edge, request: Request, door: PageDoor, token: str) -> Response:
    link = edge.link(token, door)  # first: a stranger's body is not worth a look
    candidate, statement = link.candidate, edge.stated(link)
    present = edge.alive(await edge.read(candidate))
    posted = await bodies.read(request)
    if posted.errors and not posted.stops:
        return await _again(edge, request, door, token, present, posted, posted.errors)
    async with edge.change() as consents:
        before = edge.alive(await consents.lock(candidate))
        if not posted.stops and posted.is_stale(before):
            filled = views.fields(before.choices, edge.now())
            return await _form(edge, request, door, token, before, filled=filled, errors=_STALE)
        outcome = decisions.stop_all(before) if posted.stops else await _change(edge, consents, before, posted)
        is_too_old = isinstance(outcome, Changed) and decisions.is_too_old_for(
            before, outcome.choices, statement, consents.at
        )
        if is_too_old and isinstance(outcome, Changed):
            outcome = decisions.take_back(before, outcome.choices)
        after = before if isinstance(outcome, Refused) else await edge.apply(consents, before, outcome, door, statement)
        if isinstance(outcome, Changed) and (what := decisions.what_changed(before, outcome.choices)):
            await consents.note_change(
                candidate, what, switched_on=decisions.switched_on(before, outcome.choices, consents.at)
            )
    if isinstance(outcome, Refused):
        if posted.is_json:
            raise refused(outcome)
        return await _again(edge, request, door, token, after, posted, outcome.errors)
    edge.time_if_withdrawal(request, before, after)
    if is_too_old:
        if posted.is_json:
            raise too_old(edge.sign_in, took_back=isinstance(outcome, Changed))
        filled, errors = views.fields(after.choices, edge.now()), _TOO_OLD[isinstance(outcome, Changed)]
        return await _form(edge, request, door, token, after, filled=filled, errors=errors, can_switch_on=False)
    status = 200 if await edge.is_out(after) else 202
    if posted.is_json:
        answer = {"purposes": list(after.choices.purposes), "version": after.version, "receipt": after.receipt}
        return JSONResponse(answer, status)
    profile = f"{edge.profile}/{token}"
    if door == "confirm" and after.choices.purposes and status == 200:
        return RedirectResponse(profile, 303)
    return edge.pages.render(
        "saved.html",
        status=status,
        is_new=not isinstance(outcome, Unchanged),
        is_out=status == 200,
        anything_on=bool(after.choices.purposes),
        facts=views.facts(after.choices, edge.directory.name, edge.now()),
        receipt=after.receipt,
        link=token,
        back=_address(door, token, for_get=True) if decisions.can_switch_on(after, statement) else edge.sign_in,
        sign_in=edge.sign_in,
        profile=profile,
    )


async def _change(edge: Edge, consents: Consents, before: Present, posted: Posted) -> decisions.Outcome:
    wish = posted.wish(before.choices)
    keys = decisions.keys_of_names(wish.blocked_names)
    return decisions.change(
        before,
        wish,
        consents.at,
        employers={employer.id for employer in edge.directory.employers()},
        named=await consents.employers_named(keys) if keys else (),
    )


async def _again(
    edge: Edge,
    request: Request,
    door: PageDoor,
    token: str,
    present: Present,
    posted: Posted,
    errors: Mapping[str, str],
) -> Response:
    if posted.is_json:
        raise Problem(422, "Invalid request", "Some fields are missing or wrong.")
    filled = views.filled(posted.given, edge.now())
    return await _form(edge, request, door, token, present, filled=filled, errors=errors)


async def _form(
    edge: Edge,
    request: Request,
    door: PageDoor,
    token: str,
    present: Present,
    *,
    filled: Mapping[str, Any],
    errors: Mapping[str, str] | None = None,
    attempts: Sequence[Attempt] = (),
    can_switch_on: bool = True,
) -> HTMLResponse:
    at, name = edge.now(), edge.directory.name
    employers = [(employer.id, employer.name) for employer in edge.directory.employers()]
    return edge.pages.render(
        "preferences.html",
        status=403 if errors in _TOO_OLD.values() else 422 if errors else 200,
        headers={"Content-Security-Policy": content_security_policy(f"{edge.profile}/")} if door == "confirm" else None,
        agreement=edge.agreement,
        door=door,
        address=_address(door, token, for_get=False),
        token=token if door == "me" else "",
        link=token,
        profile=f"{edge.profile}/{token}",
        version=present.version,
        has_answered=present.version > 0,
        receipt=present.receipt,
        anything_on=bool(present.choices.purposes),
        facts=views.facts(present.choices, name, at),
        limits=views.limits(present.choices, name, at),
        employers=len(employers),
        most_ticked=views.MOST_TICKED,
        options=views.options(present.choices, employers),
        filled=filled,
        errors=errors or {},
        can_switch_on=can_switch_on,
        sign_in=edge.sign_in,
        attempts=views.attempts(attempts, name, present.choices),
        told=views.told(await edge.introduction(present), edge.directory.name),
        signal=privacy_signal(request),
    )


def _address(door: PageDoor, token: str, *, for_get: bool) -> str:
    """Where the form goes, or where its page is; after a post to `/me` the token is in no address."""
    if door == "confirm":
        return f"/confirm/{token}"
    return f"/me?token={token}" if for_get else "/me"


def _body() -> dict[str, Any]:
    schema = ConsentBody.model_json_schema()
    parts = schema.pop("$defs")
    schema["properties"]["quiet_hours"] = {"anyOf": [parts["QuietHoursBody"], {"type": "null"}], "default": None}
    return {"requestBody": {"required": True, "content": {forms.JSON: {"schema": schema}, forms.FORM: {}}}}
