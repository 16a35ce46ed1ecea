"""Routes of hot paths are found, guarded, described and refused like any other."""

from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, Body, Depends, FastAPI, Path, Request
from pydantic import BaseModel

from shared.web import gates
from shared.web.direct import DirectRoute
from shared.web.problems import Problem
from tests.unit.shared.web.support import problem


class Counted(BaseModel):
    """An answer."""

    who: str
    size: int
    note: str | None = None


def counting(**kind: Any) -> APIRouter:
    routes = APIRouter(**kind)

    @routes.post(
        "/v1/count/{who}", response_model_exclude_none=True, dependencies=[gates.takes_up_to(gates.BATCH_LIMIT)]
    )
    async def count(who: Annotated[str, Path(description="Whose.")], request: Request) -> Counted:
        """Says how much it was given."""
        if who == "nobody":
            raise Problem(409, "Nobody", "There is nobody.")
        return Counted(who=who, size=len(await request.body()))

    return routes


@pytest.fixture(autouse=True)
def counted(app: FastAPI) -> None:
    app.include_router(counting(route_class=DirectRoute))


@pytest.mark.parametrize("size", [0, gates.BODY_LIMIT + 1])
async def test_a_direct_route_answers_with_its_model(client: httpx.AsyncClient, size: int) -> None:
    answer = await client.post("/v1/count/jos%C3%A9", content=b"x" * size)
    assert answer.json() == {"who": "jos\u00e9", "size": size}
    assert answer.headers["content-type"] == "application/json"


async def test_a_direct_route_refuses_what_others_refuse(client: httpx.AsyncClient) -> None:
    problem(await client.post("/v1/count/ana", content=b"x" * (gates.BATCH_LIMIT + 1)), 413)
    problem(await client.post("/v1/count/ana?all=1"), 422)
    problem(await client.post("/v1/count/nobody"), 409)
    assert (await client.get("/v1/count/ana")).headers["allow"] == "POST"


def test_a_direct_route_is_described_as_any_other() -> None:
    ours, theirs = FastAPI(), FastAPI()
    ours.include_router(counting(route_class=DirectRoute))
    theirs.include_router(counting())
    assert ours.openapi() == theirs.openapi()


async def _asks_for_a_header(request: Request, given: Annotated[str, Path()]) -> None:
    """A dependency with a parameter."""


async def _takes_a_body(request: Request, given: Annotated[dict[str, str], Body()]) -> Counted:
    return Counted(who="", size=0)


async def _takes_a_query(request: Request, size: int) -> Counted:
    return Counted(who="", size=size)


async def _takes_no_request() -> Counted:
    return Counted(who="", size=0)


@pytest.mark.parametrize("function", [_takes_a_body, _takes_a_query, _takes_no_request])
def test_what_a_direct_route_would_not_be_given_is_refused_when_it_is_declared(function: Any) -> None:
    with pytest.raises(TypeError, match="expected a"):
        APIRouter(route_class=DirectRoute).post("/v1/other")(function)


async def test_a_dependency_that_a_direct_route_would_not_ask_fails_its_requests(
    app: FastAPI, client: httpx.AsyncClient
) -> None:
    routes = APIRouter(route_class=DirectRoute)

    @routes.post("/v1/guarded/{given}", dependencies=[Depends(_asks_for_a_header)])
    async def guarded(given: str, request: Request) -> Counted:
        return Counted(who=given, size=0)

    app.include_router(routes)
    problem(await client.post("/v1/guarded/ana"), 500)
