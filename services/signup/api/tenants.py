"""`/v1/tenants`: an operator adds, changes, suspends and removes vendors, employers and operators, and their keys."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field

from services.signup.decisions import tenants as decisions
from services.signup.decisions.tenants import About, Act, From, Refused, fingerprints
from services.signup.ports.tenants import DecideTenant, TenantBook
from shared.clock import Clock
from shared.contracts.base import Instant
from shared.contracts.operator import TenantChangedV1, TenantKind
from shared.security.tenant_keys import hash_key, new_key
from shared.web.problems import Problem, kind, not_found
from shared.web.tenants import Tenant, Tenants
from shared.web.types import Line, RequestModel


class TenantIn(RequestModel):
    """A tenant to add."""

    tenant: Line = Field(description="Its id for ever: 2 to 63 of a-z, 0-9, _ and -, a letter first.")
    kind: TenantKind
    name: Line = Field(description="As people read it; no twin of another's, in letters or in looks.")
    vendor: Line | None = Field(None, description="An employer's present vendor; none is needed.")
    domain: Line | None = Field(None, description="The domain that you checked; people read it beside the name.")
    reply_to: Line | None = None


class ChangeIn(RequestModel):
    """What is to be otherwise: a field that is left out stays, null takes it away."""

    name: Line | None = None
    vendor: Line | None = Field(
        None, description="Only as it is: another vendor is a move (POST /v1/tenants/{id}/move)."
    )
    domain: Line | None = None
    reply_to: Line | None = None
    reason: Line | None = None


class MoveIn(RequestModel):
    """Where an employer's seat goes, and why; that is written down, and travels in clear."""

    vendor: Line | None = Field(
        description="The id of a vendor of this network; null: the employer has none from now on."
    )
    reason: Line
    only_from: Line | None = Field(
        None,
        description="The vendor that it is to leave: a seat that is elsewhere by now stays there (422). Left out: wherever it is.",
    )


class ReasonIn(RequestModel):
    """Why; it is written down, and travels in clear: no name, email or phone number of a person."""

    reason: Line


class TenantOut(BaseModel):
    """A tenant as it is now."""

    tenant: str
    kind: TenantKind
    name: str
    vendor: str | None
    domain: str | None
    reply_to: str | None
    standing: str
    """good, suspended or removed."""
    keys: list[str]
    """The fingerprints of the keys that work, oldest first."""
    act: str | None
    reason: str | None
    changed_by: str | None
    changed_at: Instant | None


class TenantWithKeyOut(TenantOut):
    """With a new key, which is shown this once."""

    key: str


class TenantsOut(BaseModel):
    """All of them."""

    items: list[TenantOut]
    next: None = None


def router(book: TenantBook, tenants: Tenants, clock: Clock) -> APIRouter:
    """The routes for operators."""
    routes = APIRouter(tags=["operators"])
    Operator = Annotated[Tenant, Depends(tenants.require("operator"))]  # noqa: N806 - names a type

    def act(operator: Tenant, reason: str | None = None) -> Act:
        return Act(by=operator.id, at=clock.now(), reason=reason)

    async def done(decide: DecideTenant) -> TenantChangedV1:
        outcome = await book.act(decide)
        if isinstance(outcome, Refused):
            raise _refused(outcome.errors)
        return outcome

    @routes.get("/v1/tenants", summary="Every vendor, employer and operator, also those that have left")
    async def list_tenants(_: Operator) -> TenantsOut:
        return TenantsOut(items=[_shown(record) for _, record in sorted(tenants.records().items())])

    @routes.post("/v1/tenants", status_code=201, summary="Add a tenant; its key is shown this once")
    async def add(given: TenantIn, operator: Operator) -> TenantWithKeyOut:
        key, about = new_key(given.tenant), About(given.name, given.vendor, given.domain, given.reply_to)
        made = await done(
            lambda there: decisions.add(there, given.tenant, given.kind, about, hash_key(key), act(operator))
        )
        return TenantWithKeyOut(**_shown(made).model_dump(), key=key)

    @routes.get("/v1/tenants/{tenant}", summary="A tenant")
    async def show(tenant: str, _: Operator) -> TenantOut:
        found = tenants.records().get(tenant)
        if found is None:
            raise not_found("tenant")
        return _shown(found)

    @routes.patch("/v1/tenants/{tenant}", summary="Another name, domain or address for replies")
    async def change(tenant: str, given: ChangeIn, operator: Operator) -> TenantOut:
        def decide(there: Mapping[str, TenantChangedV1]) -> TenantChangedV1 | Refused:
            before, wished = there.get(tenant), given.model_fields_set
            about = About(
                name=given.name if before is None or given.name is not None else before.name,  # type: ignore[arg-type]  # unknown: refused
                vendor=given.vendor if before is None or "vendor" in wished else before.vendor,
                domain=given.domain if before is None or "domain" in wished else before.domain,
                reply_to=given.reply_to if before is None or "reply_to" in wished else before.reply_to,
            )
            return decisions.change(there, tenant, about, act(operator, given.reason))

        return _shown(await done(decide))

    @routes.post(
        "/v1/tenants/{tenant}/move",
        summary="Move an employer's seat to another vendor; its new key is shown this once, and no key of before works",
    )
    async def move(tenant: str, given: MoveIn, operator: Operator) -> TenantWithKeyOut:
        """Pools, member refs, messages, limits and standing are the employer's own and stay. What the new vendor starts from is
        written by `fairpool tenants bundle`, or read with the new key."""
        key = new_key(tenant)
        seen = tenants.records().get(
            tenant
        )  # when it is asked for: acts wait for each other, and each begins after the last
        moved = await done(
            decisions.moving(
                tenant,
                given.vendor,
                hash_key(key),
                act(operator, given.reason),
                seen=seen,
                only_from=None if given.only_from is None else From(given.only_from),
            )
        )
        return TenantWithKeyOut(**_shown(moved).model_dump(), key=key)

    @routes.put("/v1/tenants/{tenant}/suspension", summary="Suspend: nothing is taken of it, nothing done for it")
    async def suspend(tenant: str, given: ReasonIn, operator: Operator) -> TenantOut:
        return _shown(await done(lambda there: decisions.suspend(there, tenant, act(operator, given.reason))))

    @routes.delete("/v1/tenants/{tenant}/suspension", summary="Reinstate")
    async def reinstate(tenant: str, operator: Operator, reason: Annotated[str, Query(max_length=200)]) -> TenantOut:
        return _shown(await done(lambda there: decisions.reinstate(there, tenant, act(operator, reason))))

    @routes.delete("/v1/tenants/{tenant}", summary="Remove: it has left the network, and no key works")
    async def remove(tenant: str, operator: Operator, reason: Annotated[str, Query(max_length=200)]) -> TenantOut:
        return _shown(await done(lambda there: decisions.remove(there, tenant, act(operator, reason))))

    @routes.post("/v1/tenants/{tenant}/keys", status_code=201, summary="One more key, shown this once")
    async def add_key(tenant: str, operator: Operator) -> TenantWithKeyOut:
        key = new_key(tenant)
        made = await done(lambda there: decisions.add_key(there, tenant, hash_key(key), act(operator)))
        return TenantWithKeyOut(**_shown(made).model_dump(), key=key)

    @routes.delete("/v1/tenants/{tenant}/keys/{fingerprint}", status_code=204, summary="Revoke a key")
    async def revoke_key(
        tenant: str, fingerprint: str, operator: Operator, reason: Annotated[str | None, Query(max_length=200)] = None
    ) -> Response:
        await done(lambda there: decisions.revoke_key(there, tenant, fingerprint, act(operator, reason)))
        return Response(status_code=204)

    return routes


def _shown(record: TenantChangedV1) -> TenantOut:
    return TenantOut(
        tenant=record.tenant,
        kind=record.kind,
        name=record.name,
        vendor=record.vendor,
        domain=record.domain,
        reply_to=record.reply_to,
        standing="removed" if record.removed else record.standing,
        keys=list(fingerprints(record)),
        act=record.act,
        reason=record.reason,
        changed_by=record.changed_by,
        changed_at=record.changed_at,
    )


def _refused(errors: Mapping[str, str]) -> Problem:
    return Problem(
        422,
        "Invalid request",
        "It can't be done as it was asked; `errors` says why.",
        type=kind("invalid"),
        errors=[{"pointer": f"#/{field}", "detail": sentence} for field, sentence in errors.items()],
    )
