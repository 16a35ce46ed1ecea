"""`POST /v1/people/look-up`, `POST /v1/people/erase`, `GET /v1/operator-log`: what an operator needs for a complaint, and what stays."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from services.signup.api.erasing import ErasedOut, erased_out
from services.signup.decisions.tenants import REASON_SPEAKS_OF_A_PERSON
from services.signup.ports.erasing import Erasing
from services.signup.ports.tenants import OperatorStore
from services.signup.vault.addresses import parse_mail
from services.signup.vault.index import BlindIndex
from shared.contracts.base import Instant
from shared.facts import Known
from shared.text import speaks_of_a_person
from shared.web.problems import Problem, invalid, kind
from shared.web.tenants import Tenant, Tenants
from shared.web.types import Line, RequestModel

_PAGE = 200


class LookUpIn(RequestModel):
    """Whom to look for, or to erase, and why: the reason is written down, whatever is found."""

    email: Line
    reason: Line = Field(min_length=3, description="One line, such as a case number; no name, email or phone number.")


class LookedUpOut(BaseModel):
    """What signup holds of the person, as states, ids and times; no name, no address, no words."""

    candidate: str
    state: str
    """invited (has not answered yet) or confirmed."""
    registered_at: Instant
    confirmed_at: Instant | None
    kept_until: Instant | None
    """Somebody who has not answered is forgotten then."""
    match_granted: bool
    paused_until: Instant | None
    ends_at: Instant | None
    claims: list[dict[str, Any]]
    """Which vendor's records are of this person."""
    mails: list[dict[str, Any]]
    """The last mails, with what became of them."""


class ActOut(BaseModel):
    """One thing that an operator did."""

    seq: int
    at: Instant
    by: str
    act: str
    tenant: str | None
    candidate: str | None
    reason: str | None


class ActsOut(BaseModel):
    """What was done, oldest first."""

    items: list[ActOut]
    next: str | None
    """Where to go on; null: that was all."""


def router(
    store: OperatorStore, erasing: Erasing, tenants: Tenants, *, index: BlindIndex, signup_url: str
) -> APIRouter:
    """The routes for operators."""
    routes = APIRouter(tags=["operators"])
    Operator = Annotated[Tenant, Depends(tenants.require("operator"))]  # noqa: N806 - names a type

    @routes.post("/v1/people/look-up", summary="Whoever has this address, as states and ids; asks for the reason")
    async def look_up(given: LookUpIn, operator: Operator) -> LookedUpOut:
        address = _address(given)
        found = await store.look_up(index.of(address), by=operator.id, reason=given.reason)
        if found is None:
            raise _nobody()
        return LookedUpOut(
            candidate=found.candidate,
            state="invited" if found.confirmed_at is None else "confirmed",
            registered_at=found.registered_at,
            confirmed_at=found.confirmed_at,
            kept_until=found.stub_until if found.confirmed_at is None else None,
            match_granted=found.match_granted,
            paused_until=found.paused_until,
            ends_at=found.ends_at,
            claims=[{**claim, **_names(claim, tenants)} for claim in found.claims],
            mails=[{**mail, **_names(mail, tenants)} for mail in found.mails],
        )

    @routes.post(
        "/v1/people/erase",
        status_code=202,
        summary="Erases whoever has this address, for a person who asks for it; asks for the reason",
        responses={404: {"description": "Nobody has this address; the asking is written down all the same"}},
    )
    async def erase(given: LookUpIn, operator: Operator) -> ErasedOut:
        erased = await erasing.erase_mailbox(index.of(_address(given)), by=operator.id, reason=given.reason)
        if erased is None:
            raise _nobody()
        return erased_out(erased, signup_url)

    @routes.get("/v1/operator-log", summary="What operators did and why, oldest first")
    async def read_log(
        _: Operator,
        after: Annotated[int, Query(ge=0, lt=2**63)] = 0,
        tenant: Annotated[str | None, Query(max_length=63)] = None,
        limit: Annotated[int, Query(ge=1, le=_PAGE)] = _PAGE,
    ) -> ActsOut:
        acts = await store.acts(after=after, tenant=tenant, limit=limit)
        items = [
            ActOut(
                seq=one.seq,
                at=one.at,
                by=one.by,
                act=one.act,
                tenant=one.tenant,
                candidate=one.candidate,
                reason=one.reason,
            )
            for one in acts
        ]
        return ActsOut(items=items, next=str(acts[-1].seq) if len(acts) == limit else None)

    return routes


def _nobody() -> Problem:
    detail = "Nobody in the pool has this email. Check how it is spelled."
    return Problem(404, "Not found", detail, type=kind("no-such-person"))


def _address(given: LookUpIn) -> str:
    try:
        address = parse_mail(given.email)
    except ValueError as error:
        raise invalid([{"loc": ("body", "email"), "type": "value_error", "ctx": {"error": error}}]) from None
    if speaks_of_a_person(given.reason):
        wrong = {"pointer": "#/reason", "detail": REASON_SPEAKS_OF_A_PERSON}
        detail = f"The reason {REASON_SPEAKS_OF_A_PERSON}."
        raise Problem(422, "Invalid request", detail, type=kind("invalid"), errors=[wrong])
    return address


def _names(row: Mapping[str, Any], tenants: Tenants) -> dict[str, str]:
    """What the tenants are called, beside their ids."""
    found = {kind: tenants.get(row[kind]) for kind in ("vendor", "employer") if row.get(kind)}
    return {f"{kind}_name": tenant.value.name for kind, tenant in found.items() if isinstance(tenant, Known)}
