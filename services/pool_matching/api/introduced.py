"""`GET /v1/introduced`: how many people an employer introduced, as of its last tick."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from services.pool_matching.api.edge import Edge
from services.pool_matching.introductions import in_steps
from shared.web.tenants import Tenant


class IntroducedOut(BaseModel):
    """Of whoever asks."""

    introduced: int = Field(
        ge=0, multiple_of=5, description="People of whom a record of yours told first and who then said yes; in fives."
    )


def add_routes(routes: APIRouter, edge: Edge) -> None:
    """`/v1/introduced`, for employers."""
    Employer = Annotated[Tenant, Depends(edge.tenants.require("employer"))]  # noqa: N806 - names a type

    @routes.get("/v1/introduced", tags=["pools"], summary="How many people you introduced, rounded down to fives")
    async def show_introduced(employer: Employer) -> IntroducedOut:
        """How many people are in the network of whom a record of yours told before they said yes themselves, as of your last tick and
        rounded down to 0, 5, 10 and so on. It is the same number until your next tick. Who was in the network already does not count."""
        async with edge.introductions() as store:
            tick = edge.ticks.last(employer.id, store.at)
            people = await store.introduced(employer.id, tick, edge.ticks.as_of(tick))
        return IntroducedOut(introduced=in_steps(people))
