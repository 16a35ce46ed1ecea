"""`GET /v1/secrets`: how many rows another key than the first made, so that an operator knows when an older one may go."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from shared.web.tenants import Tenant, Tenants

COUNTED = 10_000
"""Rows of one key are counted so far and no further."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Of one secret: the id of the first key, and how many rows are under which other (empty: made before rows said so)."""

    setting: str
    first: bytes
    others: Mapping[bytes, int]


class OtherOut(BaseModel):
    """Another key than the first."""

    key: str | None
    """Its id; null: of rows that were made before they said by which."""
    rows: int
    """At most 10000, which stands for that many or more."""


class SecretOut(BaseModel):
    """One secret that rows depend on."""

    setting: str
    first: str
    """The id of the key that makes what is new: 16 hex digits, which tell nothing of it."""
    others: list[OtherOut]
    """Empty: no row depends on an older key."""


class SecretsOut(BaseModel):
    """The secrets of this service that rows depend on."""

    items: list[SecretOut]


def router(tenants: Tenants, standings: Callable[[], Awaitable[Sequence[Standing]]]) -> APIRouter:
    """The route for operators."""
    routes = APIRouter(tags=["operators"])
    Operator = Annotated[Tenant, Depends(tenants.require("operator"))]  # noqa: N806 - names a type

    @routes.get("/v1/secrets", summary="Rows that depend on an older key of a secret")
    async def secrets(_: Operator) -> SecretsOut:
        return SecretsOut(items=[_shown(one) for one in await standings()])

    return routes


def _shown(one: Standing) -> SecretOut:
    others = sorted(one.others.items())
    return SecretOut(
        setting=one.setting,
        first=one.first.hex(),
        others=[OtherOut(key=key.hex() if key else None, rows=rows) for key, rows in others],
    )
