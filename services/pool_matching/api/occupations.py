"""The occupations that pools can ask for."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from services.pool_matching.api.bodies import OccupationOut, OccupationsOut
from services.pool_matching.api.edge import Edge
from shared.web.tenants import Tenant


def add_routes(routes: APIRouter, edge: Edge) -> None:
    """`/v1/occupations`, for every tenant."""
    Anybody = Annotated[Tenant, Depends(edge.tenants.require("employer", "vendor", "operator"))]  # noqa: N806 - names a type

    @routes.get("/v1/occupations", tags=["occupations"], summary="Find occupations of the 2018 SOC")
    async def find_occupations(
        _: Anybody,
        q: Annotated[str, Query(max_length=200, description="The beginning of a code, or words of a title.")] = "",
        after: Annotated[str, Query(max_length=20, description="`next` of the last answer.")] = "",
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> OccupationsOut:
        found = [entry for entry in edge.occupations.search(q) if entry.code > after]
        items = [OccupationOut(code=entry.code, level=entry.level, title=entry.title) for entry in found[:limit]]
        return OccupationsOut(items=items, next=items[-1].code if len(found) > limit else None)
