"""`POST /v1/sources`: an operator sets up a webhook of an employer's ATS."""

from collections.abc import Collection
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, Field, StringConstraints

from services.signup.model import Source
from services.signup.ports import Sources
from shared.web.problems import Problem, kind
from shared.web.tenants import Tenants
from shared.web.types import Line, RequestModel

Name = Annotated[str, StringConstraints(strict=True, pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
Secret = Annotated[Line, Field(min_length=16)]


class SourceIn(RequestModel):
    """A webhook to set up; its secret is kept sealed and never shown."""

    format: Name
    source: Name
    vendor: Line
    employer: Line
    secret: Secret


class SourceAnswer(BaseModel):
    """A webhook as it stands."""

    format: str
    source: str
    vendor: str
    employer: str
    url: str
    """What the vendor's administrator enters."""


def router(formats: Collection[str], sources: Sources, tenants: Tenants, *, base_url: str) -> APIRouter:
    """The route for operators."""
    routes = APIRouter(tags=["operators"])
    operator_key = tenants.require("operator")

    @routes.post(
        "/v1/sources",
        status_code=201,
        summary="Set up a webhook source",
        dependencies=[Depends(operator_key)],
        responses={200: {"description": "It was there already, the same"}, 409: {"description": "Another is there"}},
    )
    async def add_source(given: SourceIn, response: Response) -> SourceAnswer:
        _check(given, formats, tenants)
        outcome = await sources.add(Source(given.format, given.source, given.vendor, given.employer, given.secret))
        if outcome == "different":
            raise Problem(
                409,
                "Conflict",
                "A source of this format and name is there, with another vendor, employer or secret. Choose another name.",
                type=kind("source-exists"),
            )
        response.status_code = 201 if outcome == "added" else 200
        return SourceAnswer(
            **given.model_dump(exclude={"secret"}), url=f"{base_url}/v1/hooks/{given.format}/{given.source}"
        )

    return routes


def _check(given: SourceIn, formats: Collection[str], tenants: Tenants) -> None:
    vendor, employer = tenants.get(given.vendor), tenants.get(given.employer)
    wrong = []
    if given.format not in formats:
        wrong.append({"pointer": "#/format", "detail": f"must be one of: {', '.join(sorted(formats))}"})
    if vendor is None or vendor.kind != "vendor":
        wrong.append({"pointer": "#/vendor", "detail": "must be the id of a vendor of this network"})
    if employer is None or employer.kind != "employer" or employer.vendor != given.vendor:
        wrong.append(
            {"pointer": "#/employer", "detail": "must be the id of an employer whose present vendor is this one"}
        )
    if wrong:
        detail = "Some fields name what is not there; `errors` names each."
        raise Problem(422, "Invalid request", detail, type=kind("invalid"), errors=wrong)
