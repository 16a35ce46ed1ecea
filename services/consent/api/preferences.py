"""`/confirm/{token}` and `/me`: one page on which a person says what they allow; GET changes nothing."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from starlette.responses import Response

from services.consent import decisions
from services.consent.api import bodies, views
from services.consent.api.bodies import ConsentBody, Posted
from services.consent.api.edge import (
    Edge,
    NoLinkError,
    other_text,
    privacy_signal,
    refused,
    too_old,
)
from services.consent.api.visits import Visit, by_link, by_session, navigation
from services.consent.decisions import Changed, Refused, Unchanged
from services.consent.model import Answer, Attempt, Present
from services.consent.ports import Consents
from shared import i18n
from shared.i18n import marked
from shared.web import forms, gates, holders
from shared.web.holders import Holder
from shared.web.middleware import content_security_policy
from shared.web.problems import Problem

_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "What is so now: `purposes`, `version`, `receipt` (or a page); the network has it"},
    202: {"description": "The same, saved; the network does not have it yet"},
    303: {"description": "A page: saved, and something is on; what employers may see comes next, by the same link"},
    403: {
        "description": "The link, or the one that was signed in by, is too old to switch anything on, and a new one is needed."
        " What was asked to be switched off or blocked is; nothing else was changed. Or another site's page sent it"
    },
    404: {"description": "Not a link of this page"},
    409: {
        "description": "A yes to another text of the agreement than is in force. What was asked to be switched off or blocked is;"
        " nothing else was changed"
    },
    410: {
        "description": "The link has expired, or is of before the person's email changed, or the invitation has ended"
    },
}

_TAKES = [gates.takes_up_to(128 * 1024)]
"""All lists at their limits as JSON, or in a form, where a letter takes six bytes and more."""


def router(edge: Edge) -> APIRouter:
    """The two pages; they differ in what opens them, a link or a session, and in their words."""
    routes = APIRouter(tags=["candidates"], default_response_class=HTMLResponse)

    @routes.get("/confirm", include_in_schema=False)
    async def show_no_confirm() -> Response:
        raise NoLinkError

    @routes.get("/confirm/{token}", summary="The page on which everything is off")
    async def show_confirm(request: Request, token: str) -> Response:
        return await _show(edge, request, by_link(edge, token))

    @routes.post(
        "/confirm/{token}", summary="Say what you allow", responses=_ANSWERS, openapi_extra=_body(), dependencies=_TAKES
    )
    async def confirm(request: Request, token: str) -> Response:
        return await _save(edge, request, by_link(edge, token))

    @routes.get("/me", summary="The preference center", responses=holders.ANSWERS)
    async def show_me(
        request: Request,
        holder: Annotated[Holder, Depends(edge.holders.holder)],
        token: Annotated[str, Query(include_in_schema=False)] = "",  # in emails of before sessions; it opens nothing
    ) -> Response:
        return await _show(edge, request, by_session(edge, holder))

    @routes.post(
        "/me",
        summary="Change what you allow",
        responses={**holders.ANSWERS, **_ANSWERS},
        openapi_extra=_body(),
        dependencies=_TAKES,
    )
    async def me(request: Request, holder: Annotated[Holder, Depends(edge.holders.holder)]) -> Response:
        return await _save(edge, request, by_session(edge, holder))

    return routes


_MOST_ATTEMPTS = 10
_STALE = {
    "purposes": marked(
        "Your choices were changed after you opened this page. This is how they are now: check what you want and save"
    )
}
_OTHER_TEXT = {
    "purposes": marked(
        "The agreement has new words since you opened this page. What you switched off or blocked is saved, "
        "nothing else: read the new words, check what you want and save"
    )
}
_TOO_OLD = {
    True: {
        "purposes": marked(
            "This link is too old to switch anything on. What this switches off or blocks is off and blocked; nothing else was changed. To switch something on, get a new link by email"
        )
    },
    False: {
        "purposes": marked(
            "This link is too old to switch anything on. Nothing was changed. To switch something on, get a new link by email"
        )
    },
}


async def _show(edge: Edge, request: Request, visit: Visit) -> Response:
    async with edge.look() as consents:
        present = edge.alive(await consents.read(visit.candidate, visit.session), visit.link)
        attempts = await consents.attempts(visit.candidate, _MOST_ATTEMPTS)
    filled = views.fields(decisions.as_chosen(present).choices, edge.now())
    can_switch_on = decisions.can_switch_on(present, visit.statement)
    return await _form(edge, request, visit, present, filled=filled, attempts=attempts, can_switch_on=can_switch_on)


async def _save(edge: Edge, request: Request, visit: Visit) -> Response:
    candidate, statement = visit.candidate, visit.statement
    present = edge.alive(
        await edge.read(candidate, visit.session), visit.link
    )  # first: a stranger's body is not worth a look
    posted = await bodies.read(request)
    if posted.errors and not posted.stops:
        return await _again(edge, request, visit, present, posted, posted.errors)
    async with edge.change() as consents:
        before = edge.alive(await consents.lock(candidate, visit.session), visit.link)
        if not posted.stops and posted.is_stale(before):
            filled = views.fields(before.choices, edge.now())
            return await _form(edge, request, visit, before, filled=filled, errors=_STALE)
        answer = None if posted.stops else _answer(edge, request, before, posted)
        outcome = decisions.stop_all(before) if posted.stops else await _change(edge, consents, before, posted, answer)
        is_too_old, is_other_text = False, False
        if isinstance(outcome, Changed):
            signs = answer.agreement.version if answer else None
            is_too_old = decisions.is_too_old_for(before, outcome.choices, statement, consents.at, signs=signs)
            is_other_text = answer is None and bool(outcome.choices.purposes)
            if is_too_old or is_other_text:
                outcome, answer = decisions.take_back(before, outcome.choices), None
        after = before
        if not isinstance(outcome, Refused):
            after = await edge.apply(consents, before, outcome, visit.door, statement, answer)
        if isinstance(outcome, Changed) and (what := decisions.what_changed(before, outcome.choices)):
            await consents.note_change(
                candidate, what, switched_on=decisions.switched_on(before, outcome.choices, consents.at)
            )
    if isinstance(outcome, Refused):
        if posted.is_json:
            raise refused(outcome)
        return await _again(edge, request, visit, after, posted, outcome.errors)
    edge.time_if_withdrawal(request, before, after)
    if is_too_old:
        if posted.is_json:
            raise too_old(edge.sign_in, took_back=isinstance(outcome, Changed))
        filled, errors = views.fields(after.choices, edge.now()), _TOO_OLD[isinstance(outcome, Changed)]
        return await _form(edge, request, visit, after, filled=filled, errors=errors, can_switch_on=False)
    if is_other_text:
        if posted.is_json:
            raise other_text(edge.agreements.version)
        filled = views.filled(posted.given, edge.now())
        return await _form(edge, request, visit, after, filled=filled, errors=_OTHER_TEXT)
    status = 200 if await edge.is_out(after) else 202
    if posted.is_json:
        now = {"purposes": list(after.choices.purposes), "version": after.version, "receipt": after.receipt}
        return JSONResponse(now, status)
    if visit.door == "confirm" and after.choices.purposes and status == 200:
        saved = urlencode({"saved": ",".join(after.choices.purposes), "receipt": after.receipt})
        return RedirectResponse(f"{visit.profile}?{saved}", 303)
    return edge.pages.render(
        "saved.html",
        status=status,
        is_new=not isinstance(outcome, Unchanged),
        is_out=status == 200,
        anything_on=bool(after.choices.purposes),
        facts=views.facts(after.choices, edge.directory.name, edge.now()),
        blocks_nobody=views.blocks_nobody(after.choices, edge.directory.employers()),
        navigation=navigation(edge, visit),
        receipt=after.receipt,
        asked=visit.asked,
        back=visit.address if decisions.can_switch_on(after, statement) else edge.sign_in,
        sign_in=edge.sign_in,
        profile=visit.profile,
    )


def _answer(edge: Edge, request: Request, before: Present, posted: Posted) -> Answer | None:
    """The text in force, as it was answered; None where another one was in front of the person, or nobody knows which.

    A program need not name it but to whoever signed another one: their answer may have been to that.
    """
    agreements, signal = edge.agreements, privacy_signal(request)
    if posted.is_json:
        named = posted.agreement or (before.agreement or agreements.version)
        if named != agreements.version:
            return None
        return Answer(agreements.in_language(posted.language), None, sends_signal=signal)
    served = edge.labels.read(before.candidate, posted.given.get("served"))
    if served is None or served.version != agreements.version:
        return None
    return Answer(agreements.in_language(served.language), served.at, sends_signal=signal)


async def _change(
    edge: Edge, consents: Consents, before: Present, posted: Posted, answer: Answer | None
) -> decisions.Outcome:
    chosen = decisions.as_chosen(before)
    wish = posted.wish(chosen.choices)
    keys = decisions.keys_of_names(wish.blocked_names)
    return decisions.change(
        chosen,
        wish,
        consents.at,
        employers={employer.id for employer in edge.directory.employers()},
        named=await consents.employers_named(keys) if keys else (),
        signs=answer.agreement.version if answer else None,
    )


async def _again(
    edge: Edge,
    request: Request,
    visit: Visit,
    present: Present,
    posted: Posted,
    errors: Mapping[str, str],
) -> Response:
    if posted.is_json:
        raise Problem(422, "Invalid request", "Some fields are missing or wrong.")
    filled = views.filled(posted.given, edge.now())
    return await _form(edge, request, visit, present, filled=filled, errors=errors)


async def _form(
    edge: Edge,
    request: Request,
    visit: Visit,
    present: Present,
    *,
    filled: Mapping[str, Any],
    errors: Mapping[str, str] | None = None,
    attempts: Sequence[Attempt] = (),
    can_switch_on: bool = True,
) -> HTMLResponse:
    at, name, known = edge.now(), edge.directory.name, edge.directory.employers()
    employers = [(employer.id, employer.name) for employer in known]
    is_on = decisions.is_on(present.choices, at)
    agreement = edge.agreements.in_language(i18n.present().locale)
    leads_on = {"Content-Security-Policy": content_security_policy(f"{edge.profile}/")}
    return edge.pages.render(
        "preferences.html",
        status=_status(errors),
        headers=leads_on if visit.door == "confirm" else None,
        agreement=agreement,
        served=edge.labels.of(present.candidate, agreement, at),
        renewed=is_on and present.agreement not in (None, agreement.version),
        signed=present.agreement,
        door=visit.door,
        navigation=navigation(edge, visit),
        address=visit.address,
        asked=visit.asked,
        profile=visit.profile,
        erase=visit.erase,
        version=present.version,
        has_answered=present.version > 0,
        receipt=present.receipt,
        anything_on=is_on,
        facts=views.facts(present.choices, name, at),
        blocks_nobody=views.blocks_nobody(present.choices, known),
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


def _status(errors: Mapping[str, str] | None) -> int:
    if errors is None:
        return 200
    return 403 if errors in _TOO_OLD.values() else 409 if errors is _OTHER_TEXT else 422


def _body() -> dict[str, Any]:
    schema = ConsentBody.model_json_schema()
    parts = schema.pop("$defs")
    schema["properties"]["quiet_hours"] = {"anyOf": [parts["QuietHoursBody"], {"type": "null"}], "default": None}
    return {"requestBody": {"required": True, "content": {forms.JSON: {"schema": schema}, forms.FORM: {}}}}
