"""`/u/{token}`: the way out that is in every message (RFC 8058): GET is inert, POST acts, nothing else is asked."""

from collections.abc import Sequence
from typing import Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.exceptions import HTTPException
from starlette.responses import Response

from services.consent import decisions
from services.consent.api import views
from services.consent.api.edge import Edge
from shared.security.links import Link
from shared.web import bodies, forms, problems
from shared.web.routes import shows_pages
from shared.web.types import RequestModel

MULTIPART = "multipart/form-data"
_MOST_FIELDS = 20
_LONGEST = 16 * 1024
"""A longer body is not read, and so narrows nothing."""

Scope = Literal["all", "employer"]


class UnsubscribeBody(RequestModel):
    """Who is to stop: all of them, or the employer that this link came with."""

    scope: Scope = "all"


_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "It has stopped, everywhere"},
    202: {"description": "Saved; the network does not have it yet"},
    404: {"description": "Not an unsubscribe link"},
    410: {"description": "The link has expired"},
}
_BODY: dict[str, Any] = {
    "requestBody": {
        "content": {
            media: {"schema": UnsubscribeBody.model_json_schema()} for media in (forms.FORM, MULTIPART, forms.JSON)
        }
    }
}


def router(edge: Edge) -> APIRouter:
    """The unsubscribe link."""
    routes = APIRouter(tags=["candidates"], default_response_class=HTMLResponse)

    @routes.get("/u/{token}", summary="What the link offers; changes nothing")
    async def show(token: str) -> Response:
        link = edge.link(token, "unsubscribe")
        return edge.pages.render("unsubscribe.html", employer=_name(edge, link), address=f"/u/{token}")

    @routes.post("/u/{token}", summary="Stop", responses=_ANSWERS, openapi_extra=_BODY)
    async def stop(request: Request, token: str) -> Response:
        link = edge.link(token, "unsubscribe")
        scope = await _scope(request, link)
        async with edge.change() as consents:
            before = await consents.lock(link.candidate)
            outcome = (
                decisions.block_employer(before, link.employer)
                if scope == "employer" and link.employer
                else decisions.stop_all(before)
            )
            after = await edge.apply(consents, before, outcome, "unsubscribe")
        status = 200 if await edge.is_out(after) else 202
        if not shows_pages(request.scope):
            answer = {"purposes": list(after.choices.purposes), "version": after.version, "receipt": after.receipt}
            return JSONResponse(answer, status)
        return edge.pages.render(
            "stopped.html",
            status=status,
            is_out=status == 200,
            scope=scope,
            employer=_name(edge, link),
            anything_on=bool(after.choices.purposes),
            facts=views.facts(after.choices, edge.directory.name, edge.now()),
            receipt=after.receipt,
            address=f"/u/{token}",
            sign_in=edge.sign_in,
        )

    return routes


def _name(edge: Edge, link: Link) -> str:
    """What the page calls the employer of the link; nothing when it names none."""
    if link.employer is None:
        return ""
    return edge.directory.name(link.employer) or "this employer"


async def _scope(request: Request, link: Link) -> Scope:
    """Everyone, unless the body can be read and asks for the link's employer alone: the address itself says who is to stop
    (RFC 8058), and a mail program can't mend its request.
    """
    return "employer" if link.employer is not None and await _asked(request) == ["employer"] else "all"


async def _asked(request: Request) -> Sequence[object]:
    """Each value of `scope` in the body; none where it can't be read."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        raw = await request.body()
        if len(raw) > _LONGEST:
            return ()
        if content_type in (forms.FORM, MULTIPART):
            async with request.form(max_files=0, max_fields=_MOST_FIELDS) as form:
                return form.getlist("scope")
        if content_type == forms.JSON or content_type.endswith("+json"):
            given = bodies.parse_json(raw)
            return [given["scope"]] if isinstance(given, dict) and "scope" in given else ()
    except (
        problems.Problem,
        HTTPException,
        ValueError,
    ):  # ValueError: a charset that is none, an escape that is broken
        return ()
    return ()
