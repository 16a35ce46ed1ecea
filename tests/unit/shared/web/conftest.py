from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import date
from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse
from pydantic import Field

from shared.web.app import create_app
from shared.web.bodies import parse_json
from shared.web.pages import Pages
from shared.web.problems import Problem
from shared.web.types import Line, RequestModel, Text


class Part(RequestModel):
    """A part of a body."""

    name: Line
    pay: float = 0


class Body(RequestModel):
    """A body with a field of each kind."""

    title: Annotated[Line, Field(max_length=20)]
    words: Text = ""
    parts: tuple[Part, ...] = ()
    since: date | None = None
    anything: Any = None


def routes() -> APIRouter:
    """Routes of an invented service."""
    router = APIRouter(prefix="/v1")

    @router.post("/things/{thing}", status_code=201, summary="Make a thing")
    async def make(thing: str, body: Body, after: int = 0) -> dict[str, Any]:
        return {"thing": thing, "title": body.title}

    @router.post("/raw")
    async def raw(request: Request) -> dict[str, Any]:
        return {"size": len(await request.body()), "value": parse_json(await request.body())}

    @router.get("/fault")
    async def fault() -> None:
        raise ValueError("ana.ruiz.canary@example.org")

    @router.get("/refused")
    async def refused() -> None:
        raise Problem(409, "Conflict", "It is taken.", type="urn:fairpool:problem:taken", headers={"Retry-After": "5"})

    return router


async def all_is_well() -> Mapping[str, Callable[[], Awaitable[object]]]:
    """No checks."""
    return {}


@pytest.fixture
def app() -> FastAPI:
    """An application as services make it."""
    app = create_app("Things", "things", ready=all_is_well)
    app.include_router(routes())

    @app.get("/page/{token}", response_class=HTMLResponse)
    async def page(token: str) -> HTMLResponse:
        if token == "wrong":
            raise Problem(410, "This link has ended", "Ask for a new one.")
        if token == "fault":
            raise ValueError("ana.ruiz.canary@example.org")
        return Pages().render("error.html", code=200, heading="Hello", detail="You are here.")

    return app


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client of `app`; what the application raises reaches the test."""
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://things.test") as client:
        yield client
