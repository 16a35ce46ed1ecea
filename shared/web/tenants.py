"""Who is calling: vendors, employers and operators by their keys, against a projection of the topic `tenants`."""

import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated

from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.datastructures import Headers
from starlette.types import Scope

from shared import wording
from shared.contracts.operator import TenantChangedV1, TenantKind
from shared.facts import UNKNOWN, Fact, Known, fact
from shared.security.tenant_keys import hash_key, tenant_of
from shared.web import gates
from shared.web.problems import Problem, kind

_NO_HASH = "0" * 64
_LONGEST_KEY = 512
_SCHEME = HTTPBearer(
    auto_error=False, scheme_name="tenant key", description="`Authorization: Bearer fp_<tenant>_<secret>`"
)


@dataclass(frozen=True, slots=True)
class Tenant:
    """A vendor, an employer or an operator, as last published."""

    id: str
    kind: TenantKind
    name: str
    version: int
    key_hashes: tuple[str, ...]
    vendor: str | None
    """An employer's present vendor."""
    domain: str | None
    suspended: bool
    """Nothing is taken of it, or done for it; also when it has left the network."""
    removed: bool = False
    reply_to: str | None = None
    reason: str | None = None
    """Why the operator made the last change."""


class Tenants:
    """Every tenant's present state, in memory; an older version never replaces a newer one."""

    def __init__(self) -> None:
        self._known: dict[str, Tenant] = {}
        self._records: dict[str, TenantChangedV1] = {}
        self._replaced: dict[str, TenantChangedV1] = {}

    def apply(self, event: TenantChangedV1) -> None:
        """Take in one change."""
        known = self._known.get(event.tenant)
        if known is None or event.version > known.version:
            self._known[event.tenant] = _tenant(event)
            if known is not None:
                self._replaced[event.tenant] = self._records[event.tenant]
            self._records[event.tenant] = event

    def get(self, tenant: str) -> Fact[Tenant]:
        """The tenant of this id, also one that has left; Unknown when this process has not heard of it."""
        return fact(self._known.get(tenant))

    def name_of(self, tenant: str) -> Fact[str]:
        """What people read for it; Unknown when this process has not heard of it."""
        known = self._known.get(tenant)
        return UNKNOWN if known is None else Known(wording.tenant(known.name, known.domain))

    def records(self) -> Mapping[str, TenantChangedV1]:
        """Each tenant's present record by id, also of those that have left."""
        return MappingProxyType(self._records)

    def replaced(self, tenant: str) -> TenantChangedV1 | None:
        """The record whose place the present one took; None where it was the first that this process heard of."""
        return self._replaced.get(tenant)

    def of_kind(self, kind: TenantKind) -> list[Tenant]:
        """All tenants of one kind that are in the network, in no order."""
        return [tenant for tenant in self._known.values() if tenant.kind == kind and not tenant.removed]

    def removed_employers(self) -> list[str]:
        """The ids of employers that have left the network."""
        return [id for id, tenant in self._records.items() if tenant.removed and tenant.kind == "employer"]

    def by_key(self, authorization: str | None) -> Tenant:
        """The tenant whose key an Authorization header carries; the 401 tells nobody which tenants there are."""
        scheme, _, key = (authorization or "").strip().partition(" ")
        key = key.strip()
        if scheme.lower() != "bearer" or not key.isascii() or len(key) > _LONGEST_KEY:
            raise _unauthorized()
        found = self._known.get(tenant_of(key) or "")
        given = hash_key(key)
        # All hashes are compared, and one when there is none: the time taken says nothing.
        same = [hmac.compare_digest(given, known) for known in (found.key_hashes if found else ()) or (_NO_HASH,)]
        if found is None or not any(same):
            raise _unauthorized()
        return found

    def require(self, *kinds: TenantKind) -> Callable[..., Awaitable[Tenant]]:
        """A FastAPI dependency: the caller, if it is of one of these kinds and in good standing; else 401 or 403, before
        a byte of the body is read.

        The OpenAPI document names the kinds as the roles of the requirement (OpenAPI 3.1, security requirement object).
        """

        def admitted(scope: Scope) -> Tenant:
            tenant = self.by_key(Headers(scope=scope).get("authorization"))
            gates.note_tenant(scope, tenant.id)
            if tenant.kind not in kinds:
                raise _wrong_kind(tenant.kind, kinds)
            if tenant.suspended:
                raise _suspended()
            return tenant

        async def caller(
            request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Security(_SCHEME, scopes=kinds)]
        ) -> Tenant:
            return admitted(request.scope)

        gates.guard(caller, admitted)
        return caller


def _tenant(event: TenantChangedV1) -> Tenant:
    return Tenant(
        id=event.tenant,
        kind=event.kind,
        name=event.name,
        version=event.version,
        key_hashes=event.key_hashes,
        vendor=event.vendor,
        domain=event.domain,
        suspended=event.standing == "suspended" or event.removed,
        removed=event.removed,
        reply_to=event.reply_to,
        reason=event.reason,
    )


def _unauthorized() -> Problem:
    return Problem(
        401,
        "Unauthorized",
        "Send a tenant's key that works: Authorization: Bearer fp_<tenant>_<secret>.",
        type=kind("unauthorized"),
        headers={"WWW-Authenticate": "Bearer"},
    )


def _wrong_kind(found: TenantKind, expected: tuple[TenantKind, ...]) -> Problem:
    return Problem(
        403,
        "Forbidden",
        f"This needs the key of: {' or '.join(expected)}. The key sent is of: {found}.",
        type=kind("wrong-kind"),
    )


def _suspended() -> Problem:
    return Problem(
        403,
        "Forbidden",
        "This tenant is suspended. The operator of the network can say why and lift it.",
        type=kind("suspended"),
    )
