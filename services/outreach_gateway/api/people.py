"""`GET /v1/people/{candidate}/outreach`: what an operator needs for a complaint; no words."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from services.outreach_gateway.api.accounts import operator_looked
from services.outreach_gateway.api.edge import Edge
from shared.contracts.base import Instant
from shared.web.tenants import Tenant

_PAGE = 200


class PersonsOutreachOut(BaseModel):
    """One message to the person, as states, ids and times."""

    id: str
    employer: str
    state: str
    told: str
    """What its employer is told by now."""
    rule: str | None
    """The precise rule of the last decision."""
    policy: str | None
    submitted_at: Instant
    decided_at: Instant | None
    until: Instant | None
    """The slot that it has, or had."""


class PersonsOutreachesOut(BaseModel):
    """Newest first."""

    items: list[PersonsOutreachOut]
    next: None = None


def add_routes(routes: APIRouter, edge: Edge) -> None:
    """The route for operators."""
    Operator = Annotated[Tenant, Depends(edge.tenants.require("operator"))]  # noqa: N806 - names a type

    @routes.get(
        "/v1/people/{candidate}/outreach",
        tags=["operators"],
        summary="What was, or is to be, sent to one person: states and rules, no words",
    )
    async def outreach_of(
        candidate: UUID, operator: Operator, limit: Annotated[int, Query(ge=1, le=_PAGE)] = _PAGE
    ) -> PersonsOutreachesOut:
        async with edge.store() as store:
            accounts = await store.accounts_of(str(candidate), limit=limit)
        operator_looked(operator, "person")
        items = [
            PersonsOutreachOut(
                id=one.id,
                employer=one.employer,
                state=one.course.state.value,
                told=one.told.value,
                rule=one.rule.value if one.rule else None,
                policy=one.policy,
                submitted_at=one.course.submitted_at,
                decided_at=one.decided_at,
                until=one.slot_at,
            )
            for one in accounts
        ]
        return PersonsOutreachesOut(items=items)
