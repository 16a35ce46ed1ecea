"""How an employer stands, by the projection of `tenants`."""

from typing import assert_never

from services.outreach_gateway.model import Standing
from shared.facts import UNKNOWN, Fact, Known, Unknown
from shared.web.tenants import Tenants


class TenantStanding:
    """What this process knows of a tenant."""

    def __init__(self, tenants: Tenants) -> None:
        self._tenants = tenants

    def __call__(self, employer: str) -> Fact[Standing]:
        """By the tenant's id."""
        match tenant := self._tenants.get(employer):
            case Known(told):
                return Known(Standing.SUSPENDED if told.suspended else Standing.GOOD)
            case Unknown():
                return UNKNOWN
            case _:
                assert_never(tenant)
