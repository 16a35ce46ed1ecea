"""`/u/{token}`: the way out that is in every message (RFC 8058): GET is inert, POST acts, nothing else is asked."""

import asyncio
import hashlib
import time
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.responses import Response

from services.consent import decisions
from services.consent.api.edge import Edge
from services.consent.decisions import Changed, Stop
from services.consent.model import Attempt, Scope, What
from services.consent.ports import Consents
from shared.facts import shown
from shared.i18n import gettext
from shared.security.links import Link, trimmed
from shared.web import any_body
from shared.web.routes import shows_pages
from shared.web.types import RequestModel

_REST = "unless you allowed something after this email was sent: then an email to you, at most one a day, does that with one tap"


class UnsubscribeBody(RequestModel):
    """Who is to stop: all of them, or the employer that this link came with."""

    scope: Scope = "all"


_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "`stopped`, and `detail` says who. The answer is the same whether or not the person allowed something after "
        "the email was sent"
    },
    202: {"description": "The same, saved; the network does not have it yet"},
    404: {"description": "Not an unsubscribe link"},
    410: {"description": "The link has expired"},
}
_BODY: dict[str, Any] = {
    "requestBody": {
        "content": {media: {"schema": UnsubscribeBody.model_json_schema()} for media in any_body.MEDIA_TYPES}
    }
}


def router(edge: Edge) -> APIRouter:
    """The unsubscribe link."""
    routes = APIRouter(tags=["candidates"], default_response_class=HTMLResponse)

    @routes.get("/u/{token}", summary="What the link offers; changes nothing")
    async def show(token: str) -> Response:
        link = edge.link(token, "unsubscribe")
        async with edge.look() as consents:
            used = await consents.attempt(_hash(token))
        return edge.pages.render(
            "unsubscribe.html",
            employer=_name(edge, link),
            address=f"/u/{token}",
            used=used,
            sign_in=edge.sign_in,
        )

    @routes.post("/u/{token}", summary="Stop", responses=_ANSWERS, openapi_extra=_BODY)
    async def stop(request: Request, token: str) -> Response:
        began = time.monotonic()
        link = edge.link(token, "unsubscribe")
        scope = await _scope(request, link)
        async with edge.change() as consents:
            before = await consents.lock(link.candidate)
            stop = decisions.stop(before, link.employer, scope, link.issued_at)
            after = await edge.apply(consents, before, stop.outcome, "unsubscribe")
            if not before.is_closed:
                await _note(consents, link, token, scope, stop)
        edge.time_if_withdrawal(request, before, after)
        status = 200 if await edge.is_out(after) else 202
        await asyncio.sleep(max(edge.stops_within.total_seconds() - (time.monotonic() - began), 0))
        if not shows_pages(request.scope):
            return JSONResponse(_told(link, scope), status)
        return edge.pages.render(
            "stopped.html",
            status=status,
            is_out=status == 200,
            is_narrow=scope == "employer",
            employer=_name(edge, link),
            address=f"/u/{token}",
            sign_in=edge.sign_in,
        )

    return routes


async def _note(consents: Consents, link: Link, token: str, scope: Scope, stop: Stop) -> None:
    """What was done in the person's name is told to them; what changed nothing stands on their page alone."""
    has_changed = isinstance(stop.outcome, Changed)
    await consents.note_attempt(
        Attempt(
            link=_hash(token),
            candidate=link.candidate,
            employer=link.employer,
            scope=scope,
            outcome="asked" if stop.must_ask else "changed" if has_changed else "nothing",
            at=consents.at,
            expires_at=link.expires_at,
            stopped_all=scope == "all",
            stopped_employer=scope == "employer",
        )
    )
    is_told = stop.must_ask and await consents.ask_to_stop(link.candidate, link.employer if has_changed else None)
    if has_changed and not is_told:
        what: What = "everything_stopped" if stop.all_stop else "employer_stopped"
        await consents.note_change(link.candidate, what, link.employer if stop.employer_stops else None)


def _told(link: Link, scope: Scope) -> dict[str, str]:
    """True whatever holds, and the same: its holder may be somebody whom the mail was forwarded to, and learns nothing."""
    if scope == "employer":
        return {"status": "stopped", "detail": "Stopped: this employer."}
    if link.employer is not None:
        return {"status": "stopped", "detail": f"Stopped: this employer. Everyone else has stopped too, {_REST}."}
    return {"status": "stopped", "detail": f"Everyone has stopped, {_REST}."}


def _hash(token: str) -> bytes:
    return hashlib.sha256(trimmed(token).encode()).digest()


def _name(edge: Edge, link: Link) -> str:
    """What the page calls the employer of the link; nothing when it names none."""
    if link.employer is None:
        return ""
    return shown(edge.directory.name(link.employer), gettext("this employer"))


async def _scope(request: Request, link: Link) -> Scope:
    """Everyone, unless the body can be read and asks for the link's employer alone: the address itself says who is to stop
    (RFC 8058), and a mail program can't mend its request.
    """
    return (
        "employer"
        if link.employer is not None and (await any_body.given(request)).get("scope") == ["employer"]
        else "all"
    )
