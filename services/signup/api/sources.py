"""`/v1/sources`: an operator sets up, exchanges and ends the webhooks of employers' ATSs."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, Field, StringConstraints

from services.signup.model.hooks import Source
from services.signup.ports.intake import Sources
from shared.clock import Clock
from shared.contracts.base import Instant
from shared.facts import shown
from shared.web.problems import Problem, kind, not_found
from shared.web.tenants import Tenant, Tenants
from shared.web.types import Line, RequestModel

LONGEST_OVERLAP = timedelta(days=30)
Name = Annotated[str, StringConstraints(strict=True, pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
Secret = Annotated[Line, Field(min_length=16)]


class SourceIn(RequestModel):
    """A webhook to set up; its secret is kept sealed and never shown."""

    format: Name
    source: Name
    vendor: Line | None = Field(
        None, description="The employer's present vendor; left out where it has none: the employer's own system posts."
    )
    employer: Line
    secret: Secret


class RotationIn(RequestModel):
    """A new secret; the present one goes on for a while, so that the vendor can change it when it suits."""

    secret: Secret
    overlap_hours: Annotated[int, Field(strict=True, ge=0, le=LONGEST_OVERLAP // timedelta(hours=1))] = 24


class SourceAnswer(BaseModel):
    """A webhook as it stands."""

    format: str
    source: str
    vendor: str
    """The employer itself, where it has no vendor."""
    employer: str
    url: str
    """What the vendor's administrator enters."""


class ListedOut(SourceAnswer):
    """A webhook in the list."""

    added_at: Instant | None
    previous_until: Instant | None
    """Until when the secret before the present one signs as well; null: only the present one does."""
    is_shut: bool
    """A rotation of the vault found that its secret does not open: what its ATS posts is answered with 503 until `PUT .../secret` sets another."""


class ListOut(BaseModel):
    """All of them."""

    items: list[ListedOut]
    next: None = None


def router(formats: Collection[str], sources: Sources, tenants: Tenants, clock: Clock, *, base_url: str) -> APIRouter:
    """The routes for operators."""
    routes = APIRouter(tags=["operators"])
    Operator = Annotated[Tenant, Depends(tenants.require("operator"))]  # noqa: N806 - names a type

    def url(format_: str, source: str) -> str:
        return f"{base_url}/v1/hooks/{format_}/{source}"

    @routes.post(
        "/v1/sources",
        status_code=201,
        summary="Set up a webhook source",
        responses={200: {"description": "It was there already, the same"}, 409: {"description": "Another is there"}},
    )
    async def add_source(given: SourceIn, response: Response, operator: Operator) -> SourceAnswer:
        vendor = _vendor(given, formats, tenants)
        source = Source(given.format, given.source, vendor, given.employer, given.secret)
        outcome = await sources.add(source, by=operator.id)
        if outcome == "different":
            raise Problem(
                409,
                "Conflict",
                "A source of this format and name is there, with another vendor, employer or secret. Choose another name,"
                " or exchange its secret at /v1/sources/{format}/{source}/secret.",
                type=kind("source-exists"),
            )
        response.status_code = 201 if outcome == "added" else 200
        return SourceAnswer(
            format=given.format,
            source=given.source,
            vendor=vendor,
            employer=given.employer,
            url=url(given.format, given.source),
        )

    @routes.get("/v1/sources", summary="Every webhook source, without its secret")
    async def list_sources(_: Operator) -> ListOut:
        found = [
            ListedOut(
                format=one.format,
                source=one.source,
                vendor=one.vendor,
                employer=one.employer,
                url=url(one.format, one.source),
                added_at=one.added_at,
                previous_until=one.previous_until,
                is_shut=one.is_shut,
            )
            for one in await sources.listed()
        ]
        return ListOut(items=found)

    @routes.put(
        "/v1/sources/{format}/{source}/secret",
        status_code=204,
        summary="Exchange a source's secret, with overlap",
        description="Every replica takes the new secret at once; the present one signs until the overlap is over, and up"
        " to a minute longer. Sent again, nothing changes.",
    )
    async def rotate(format: str, source: str, given: RotationIn, operator: Operator) -> Response:  # noqa: A002 - the route's word
        until: datetime = clock.now() + timedelta(hours=given.overlap_hours)
        if not await sources.rotate(format, source, given.secret, previous_until=until, by=operator.id):
            raise not_found("webhook source")
        return Response(status_code=204)

    @routes.delete(
        "/v1/sources/{format}/{source}",
        status_code=204,
        summary="End a source",
        description="What its ATS posts is answered with 404, in all replicas within a minute.",
    )
    async def delete(format: str, source: str, operator: Operator) -> Response:  # noqa: A002 - the route's word
        if not await sources.delete(format, source, by=operator.id):
            raise not_found("webhook source")
        return Response(status_code=204)

    return routes


def _vendor(given: SourceIn, formats: Collection[str], tenants: Tenants) -> str:
    """Who posts: the vendor that is named, or the employer itself where neither has one."""
    # An operator's own word, and read by them at once: what has not arrived here is refused as what does not exist.
    vendor, employer = shown(tenants.get(given.vendor or ""), None), shown(tenants.get(given.employer), None)
    wrong = []
    if given.format not in formats:
        wrong.append({"pointer": "#/format", "detail": f"must be one of: {', '.join(sorted(formats))}"})
    if given.vendor is not None and (vendor is None or vendor.kind != "vendor" or vendor.removed):
        wrong.append({"pointer": "#/vendor", "detail": "must be the id of a vendor of this network"})
    if employer is None or employer.kind != "employer" or employer.removed or employer.vendor != given.vendor:
        wrong.append(
            {
                "pointer": "#/employer",
                "detail": "must be the id of an employer whose present vendor is the one given, or that has none if none is",
            }
        )
    if wrong:
        detail = "Some fields name what is not there; `errors` names each."
        raise Problem(422, "Invalid request", detail, type=kind("invalid"), errors=wrong)
    return given.vendor or given.employer
