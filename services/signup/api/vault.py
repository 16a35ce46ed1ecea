"""`GET /v1/vault` and `POST /v1/vault/rotations`: the epochs of the vault, and their rotation."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from services.signup.model.vault import RotationState, VaultSeen
from services.signup.ports.vault import VaultRotation
from shared.contracts.base import Instant
from shared.web.tenants import Tenant, Tenants
from shared.web.types import RequestModel

OpensVault = Callable[[], AbstractAsyncContextManager[VaultRotation]]


class EpochOut(BaseModel):
    """An epoch whose key is not destroyed; everything is sealed under the newest."""

    epoch: int
    name: str
    """Of its key at the keeper: one that none of these has is of no use to anybody."""
    made_at: Instant | None
    """null: its key is still to be made."""
    lost: bool
    """Its keeper has no such key: what was sealed under it can't be opened, and no rotation goes past it."""
    in_memory_alone: bool
    """Its keeper has no such key, and this process still has it in memory: rotate before any process of signup or the courier ends."""


class RotationOut(BaseModel):
    """The rotation that is under way, or the last one."""

    into_epoch: int
    state: RotationState
    """`making` the new key, `rewrapping` what is under the old ones, `destroying` these, `done`."""
    asked_at: Instant
    asked_by: str
    """The operator."""
    rewrapped: int
    """Identities."""
    left: int
    """Identities; of more than 100,000, 100000."""
    unreadable: int
    """What did not open before either: identities, which were taken along as they are, and what the next two lists name."""
    done_at: Instant | None
    sources_shut: list[str]
    """Web hooks whose secret did not open, as `format/source`: nothing is taken there until `PUT /v1/sources/{format}/{source}/secret` sets another."""
    days_forgotten: list[date]
    """Days whose intake keys did not open: what vendors told on them and is still on the topic ends among the dead letters."""


class RotationIn(RequestModel):
    """How."""

    give_up_lost: bool = False
    """Go past epochs whose keys are lost: what was sealed under them is never opened again, and webhooks of theirs wait for another secret."""


class VaultOut(BaseModel):
    """How the vault stands."""

    epochs: list[EpochOut]
    rotation: RotationOut | None
    """null: there was none yet."""
    keeper_away: bool
    """Whoever keeps the keys did not answer: what is said of them here is what this process has in memory."""


def router(look: OpensVault, opens: OpensVault, tenants: Tenants) -> APIRouter:
    """The routes for operators; `look` only reads."""
    routes = APIRouter(tags=["operators"])
    Operator = Annotated[Tenant, Depends(tenants.require("operator"))]  # noqa: N806 - names a type

    @routes.get("/v1/vault", summary="The epochs of the vault, and how far a rotation is")
    async def seen(_: Operator) -> VaultOut:
        async with look() as vault:
            return _out(await vault.seen())

    @routes.post(
        "/v1/vault/rotations",
        status_code=202,
        summary="Seal everything under a new epoch key, and destroy the old ones",
    )
    async def rotate(operator: Operator, given: RotationIn | None = None) -> VaultOut:
        """Asked again while one is under way, it is that one; one that was set aside goes on."""
        async with opens() as vault:
            await vault.begin(by=operator.id, give_up_lost=given is not None and given.give_up_lost)
        async with look() as vault:
            return _out(await vault.seen())

    return routes


def _out(vault: VaultSeen) -> VaultOut:
    one = vault.rotation
    return VaultOut(
        epochs=[
            EpochOut(
                epoch=each.epoch,
                name=each.name,
                made_at=each.made_at,
                lost=each.is_lost,
                in_memory_alone=each.is_in_memory_alone,
            )
            for each in vault.epochs
        ],
        keeper_away=vault.keeper_is_away,
        rotation=None
        if one is None
        else RotationOut(
            into_epoch=one.into_epoch,
            state=one.state,
            asked_at=one.asked_at,
            asked_by=one.asked_by,
            rewrapped=one.rewrapped,
            left=one.left,
            unreadable=one.unreadable,
            done_at=one.done_at,
            sources_shut=list(one.sources_shut),
            days_forgotten=list(one.days_forgotten),
        ),
    )
