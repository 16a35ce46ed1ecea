"""`GET /v1/erasures`: which services have yet to confirm that they erased what they kept of an erased person."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from services.signup.ports.erasing import Erasures
from shared.contracts.base import Instant
from shared.web.tenants import Tenant, Tenants

_PAGE = 200


class OutstandingOut(BaseModel):
    """One service that owes a confirmation."""

    candidate: str
    """An id that means nothing any more: the vault has forgotten whose it was."""
    service: str
    erased_at: Instant
    asked_at: Instant
    """When it was asked last."""
    asked: int
    """How often it was asked."""
    ask_at: Instant
    """When it is asked again: after ten minutes at first, then twice as long each time, up to a day."""


class ErasuresOut(BaseModel):
    """What is outstanding, by candidate and service; empty when every service has confirmed every erasure."""

    items: list[OutstandingOut]
    next: str | None
    """Where to go on; null: that was all."""


def router(look: Callable[[], AbstractAsyncContextManager[Erasures]], tenants: Tenants) -> APIRouter:
    """The route for operators."""
    routes = APIRouter(tags=["operators"])
    Operator = Annotated[Tenant, Depends(tenants.require("operator"))]  # noqa: N806 - names a type

    @routes.get("/v1/erasures", summary="Erasures that a service has not confirmed yet")
    async def outstanding(
        _: Operator,
        after: Annotated[
            str | None,
            Query(
                pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}:[a-z_]{1,40}$",
                description="`next` of the page before.",
            ),
        ] = None,
        limit: Annotated[int, Query(ge=1, le=_PAGE)] = _PAGE,
    ) -> ErasuresOut:
        place = None
        if after is not None:
            candidate, _colon, service = after.partition(":")
            place = candidate, service
        async with look() as erasures:
            found = await erasures.outstanding(after=place, limit=limit)
        items = [
            OutstandingOut(
                candidate=one.candidate,
                service=one.service,
                erased_at=one.erased_at,
                asked_at=one.asked_at,
                asked=one.asked,
                ask_at=one.ask_at,
            )
            for one in found
        ]
        is_full = len(found) == limit
        return ErasuresOut(items=items, next=f"{found[-1].candidate}:{found[-1].service}" if is_full else None)

    return routes
