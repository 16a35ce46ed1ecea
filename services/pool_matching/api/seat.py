"""`GET /v1/seat`: where an employer's feed stands, for who reads its pools and goes on from there."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from services.pool_matching.api.edge import Edge
from shared.web.tenants import Tenant


class SeatOut(BaseModel):
    """The seat of whoever asks."""

    employer: str
    updates: str | None = Field(
        description="The cursor of /v1/updates behind all that was told until now. Null while something is being told: ask again "
        "in a second."
    )


def add_routes(routes: APIRouter, edge: Edge) -> None:
    """`/v1/seat`, for employers."""
    Employer = Annotated[Tenant, Depends(edge.tenants.require("employer"))]  # noqa: N806 - names a type

    @routes.get("/v1/seat", tags=["updates"], summary="Where your feed stands, to begin with your pools as they are")
    async def show_seat(employer: Employer) -> SeatOut:
        """To take over all pools and then follow the feed, repeating and missing nothing: ask here, read /v1/pools and the members
        of each, and ask here again. Where `updates` is the same and not null, the lists are as of it: go on with it as `after`.
        Where it is another one, a tick of yours passed meanwhile: read the lists again. Whoever left since your last tick is gone from
        the lists already; the feed says so at the next one."""
        async with edge.pools() as store:
            is_told = await store.all_told(employer.id)
        return SeatOut(employer=employer.id, updates=await edge.feed.end(employer) if is_told else None)
