"""`/v1/receipts/{id}`: what was agreed, to the letter; whoever has the id may read it, and the id can't be guessed."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.responses import Response

from services.consent.api.edge import Edge, database_answers
from shared.web import problems


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
        async with database_answers(), edge.look() as consents:
            document = await consents.receipt(receipt)
        if document is None:
            raise problems.not_found("receipt")
        if "text/html" not in request.headers.get("accept", "") or format == "json":
            return JSONResponse(dict(document), headers={"Content-Disposition": f'inline; filename="{receipt}.json"'})
        return edge.pages.render("receipt.html", **_page(document), receipt=receipt)

    return routes


def _page(document: Mapping[str, Any]) -> dict[str, Any]:
    record, ledger = document["record"], document["ledger"]
    moment = datetime.fromisoformat(record["event"]["at"])
    return {
        "record": record,
        "ledger": ledger,
        "at": f"{moment:%B} {moment.day}, {moment.year}, {moment:%H:%M:%S} UTC",
    }
