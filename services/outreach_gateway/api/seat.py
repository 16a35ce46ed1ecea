"""`/v1/seat`: all messages of an employer as it is told of them, and where its feed stands, for who goes on from there."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from services.outreach_gateway.api import accounts, pool_messages
from services.outreach_gateway.api.bodies import OutreachOut, PoolOutreachOut
from services.outreach_gateway.api.edge import Edge
from shared.web.tenants import Tenant

_PAGE = 200


class SeatOut(BaseModel):
    """The seat of whoever asks."""

    employer: str
    outreach: str | None = Field(
        description="The cursor of /v1/outreach behind all that was told until now. Null while something is being told: ask again "
        "in a second."
    )
    policy: str = Field(description="The version of the rules in force; see /v1/policy.")


class SeatOutreachOut(BaseModel):
    """Some messages, by id."""

    items: list[OutreachOut | PoolOutreachOut]
    next: str | None = Field(description="Pass it as `after` to go on.")


def add_routes(routes: APIRouter, edge: Edge) -> None:
    """`GET /v1/seat` and `GET /v1/seat/outreach`, for employers."""
    Employer = Annotated[Tenant, Depends(edge.tenants.require("employer"))]  # noqa: N806 - names a type

    @routes.get(
        "/v1/seat", tags=["outreach"], summary="Where your feed stands, to begin with your messages as they are"
    )
    async def show_seat(employer: Employer) -> SeatOut:
        """To take over all messages and then follow the feed, repeating and missing nothing: ask here, read /v1/seat/outreach to
        its end, and ask here again. Where `outreach` is the same and not null, the messages are as of it: go on with it as `after`.
        Where it is another one, you were told something meanwhile: read them again."""
        end = await edge.told.end(employer)
        return SeatOut(employer=employer.id, outreach=end, policy=edge.policy.version)

    @routes.get(
        "/v1/seat/outreach", tags=["outreach"], summary="All your messages, each as /v1/outreach/{id} tells of it"
    )
    async def list_outreach(
        employer: Employer,
        after: Annotated[str, Query(max_length=100, description="`next` of the page before.")] = "",
        limit: Annotated[int, Query(ge=1, le=_PAGE)] = _PAGE,
    ) -> SeatOutreachOut:
        """Also those of a vendor that had your seat before. A message is kept for 110 days after its last day."""
        async with edge.store() as store:
            single = await store.accounts_of_seat(employer.id, after=after, limit=limit + 1)
        async with edge.pool_messages() as messages:
            to_pools = await messages.of(employer.id, after=after, limit=limit + 1)
        found: list[OutreachOut | PoolOutreachOut] = [accounts.shown(edge, one) for one in single]
        found += [pool_messages.shown(edge, one) for one in to_pools]
        found.sort(key=lambda one: one.id)
        return SeatOutreachOut(items=found[:limit], next=found[limit - 1].id if len(found) > limit else None)
