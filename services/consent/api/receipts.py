"""`/v1/receipts/{id}`: what was agreed, to the letter, for the person whose it is and for nobody else who has its id."""

import tomllib
from collections.abc import Mapping
from datetime import datetime, time
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.responses import Response

from services.consent.api import views
from services.consent.api.edge import Edge
from shared import wording
from shared.facts import shown
from shared.i18n import gettext, marked
from shared.security.links import BadLink, Link
from shared.web.holders import Holder
from shared.web.problems import Problem

_NAMES = {
    "match": marked("Profile shown"),
    "contact": marked("Messages"),
    "sectors": marked("Kinds of work"),
    "blocked_employers": marked("Blocked employers"),
    "blocked_names": marked("Blocked by name"),
    "first_contacts_per_week": marked("First messages in 7 days"),
    "min_gap_hours": marked("Hours between them"),
    "quiet_hours": marked("Quiet hours"),
    "time_zone": marked("Time zone"),
    "paused_until": marked("Paused until"),
    "ends_at": marked("Until"),
}

_STATES = {"on": marked("On"), "off": marked("Off")}


def router(edge: Edge) -> APIRouter:
    """Receipts, as JSON, or as a page for a browser."""
    routes = APIRouter(tags=["candidates"])

    @routes.get(
        "/v1/receipts/{receipt}",
        summary="A receipt: by a session, or by the token of a confirm link (`?token=`, or `Authorization: Bearer`)",
        response_class=HTMLResponse,
        responses={
            200: {"description": "The receipt, as JSON unless a browser asks", "content": {"application/json": {}}},
            401: {"description": "Nobody is signed in, or the session is over"},
            404: {"description": "No such receipt of the person, or not a whole link"},
            410: {"description": "The link has expired, or is of before the person's email changed"},
        },
    )
    async def show(request: Request, receipt: str, token: str = "", format: str = "") -> Response:  # noqa: A002 - the query's own name
        who = _whose(edge, request, token)
        link, session = (who, "") if isinstance(who, Link) else (None, who.session)
        async with edge.look() as consents:
            edge.alive(await consents.read(who.candidate, session), link)
            document = await consents.receipt(receipt, who.candidate)
        if document is None:
            raise Problem(
                404,
                marked("Not found"),
                marked("There is no such receipt, or it is not yours: your page of choices links to yours."),
            )
        if "text/html" not in request.headers.get("accept", "") or format == "json":
            return JSONResponse(dict(document), headers={"Content-Disposition": f'inline; filename="{receipt}.json"'})
        return edge.pages.render(
            "receipt.html",
            **_page(document, edge.directory.name),
            receipt=receipt,
            asked=f"&token={token}" if token else "",
        )

    return routes


def _whose(edge: Edge, request: Request, token: str) -> Link | Holder:
    """By which link, or in which session, they came. Raises as `Edge.link` and `Holders.of`."""
    given = token or _bearer(request)
    found = edge.links.read(given, "confirm", at=edge.now()) if given else BadLink("forged")
    if token or not isinstance(found, BadLink) or found.reason != "forged":
        return edge.link(given, "confirm")
    return edge.holders.of(request.scope)


def _bearer(request: Request) -> str:
    """The token in the header, for programs: an address ends up in logs."""
    scheme, _, token = request.headers.get("authorization", "").strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _page(document: Mapping[str, Any], name: views.Names) -> dict[str, Any]:
    record = document["record"]
    zone = record["limits"]["time_zone"]
    purposes = [
        (gettext(_NAMES[part["purpose"]]), gettext(_STATES.get(part["state"], part["state"].capitalize())))
        for part in record["processing"]
    ]
    limits = [
        (gettext(_NAMES[field]), _words(field, value, zone, name)) for field, value in record["limits"].items() if value
    ]
    rows = [(gettext("When"), wording.moment(datetime.fromisoformat(record["event"]["at"]), zone)), *purposes, *limits]
    served_at = record["notice"].get("served_at")  # receipts of before it was noted have none
    return {
        "rows": rows,
        "record": record,
        "ledger": document["ledger"],
        "agreed": tomllib.loads(record["notice"]["text"]),
        "shown_at": wording.moment(datetime.fromisoformat(served_at), zone) if served_at else None,
    }


def _words(field: str, value: Any, zone: str | None, name: views.Names) -> str:  # noqa: ANN401 - as JSON has it
    if field == "sectors":
        return "; ".join(views.work(code) for code in value)
    if field == "blocked_employers":
        return ", ".join(shown(name(employer), gettext(views.NAMELESS)) for employer in value)
    if field in ("paused_until", "ends_at"):
        return wording.day(datetime.fromisoformat(value), zone)
    if field == "quiet_hours":
        return gettext(" to ").join(views.clock(time.fromisoformat(value[end])) for end in ("start", "end"))
    if field == "time_zone":
        return views.zone_name(value)
    return ", ".join(value) if isinstance(value, list) else str(value)
