"""`/v1/receipts/{id}`: what was agreed, to the letter; whoever has the id may read it, and the id can't be guessed."""

import tomllib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.responses import Response

from services.consent.api import views
from services.consent.api.edge import Edge
from services.consent.model import MAJOR_GROUPS, Choices
from shared.web import problems

_NAMES = {
    "match": "Profile shown",
    "contact": "Messages",
    "sectors": "Kinds of work",
    "blocked_employers": "Blocked employers",
    "first_contacts_per_week": "First messages in 7 days",
    "min_gap_hours": "Hours between them",
    "quiet_hours": "Quiet hours",
    "time_zone": "Time zone",
    "paused_until": "Paused until",
    "ends_at": "Until",
}


def router(edge: Edge) -> APIRouter:
    """Receipts, as JSON, or as a page for a browser."""
    routes = APIRouter(tags=["candidates"])

    @routes.get(
        "/v1/receipts/{receipt}",
        summary="A receipt",
        response_class=HTMLResponse,
        responses={
            200: {"description": "The receipt, as JSON unless a browser asks", "content": {"application/json": {}}}
        },
    )
    async def show(request: Request, receipt: str, format: str = "") -> Response:  # noqa: A002 - the query's own name
        async with edge.look() as consents:
            document = await consents.receipt(receipt)
        if document is None:
            raise problems.not_found("receipt")
        if "text/html" not in request.headers.get("accept", "") or format == "json":
            return JSONResponse(dict(document), headers={"Content-Disposition": f'inline; filename="{receipt}.json"'})
        return edge.pages.render("receipt.html", **_page(document), receipt=receipt)

    return routes


def _page(document: Mapping[str, Any]) -> dict[str, Any]:
    record = document["record"]
    moment = datetime.fromisoformat(record["event"]["at"])
    purposes = [(_NAMES[part["purpose"]], part["state"].capitalize()) for part in record["processing"]]
    limits = [(_NAMES[name], _words(name, value)) for name, value in record["limits"].items() if value]
    rows = [("When", f"{views.day(moment, Choices())}, {moment:%H:%M:%S} UTC"), *purposes, *limits]
    agreed = tomllib.loads(record["notice"]["text"])
    return {"rows": rows, "record": record, "ledger": document["ledger"], "agreed": agreed}


def _words(name: str, value: Any) -> str:  # noqa: ANN401 - as JSON has it
    if name == "sectors":
        return ", ".join(MAJOR_GROUPS.get(code, code) for code in value)
    if name in ("paused_until", "ends_at"):
        return views.day(datetime.fromisoformat(value), Choices()) + " (UTC)"
    if isinstance(value, dict):
        return f"{value['start']} to {value['end']}"
    return ", ".join(value) if isinstance(value, list) else str(value)
