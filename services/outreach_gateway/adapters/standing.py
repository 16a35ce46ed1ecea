"""How an employer stands, by the projection of `tenants`."""

from services.outreach_gateway.model import Standing
from shared.web.tenants import Tenants


class TenantStanding:
    """What this process knows of a tenant; of one whose record has not arrived it says so."""

    def __init__(self, tenants: Tenants) -> None:
        self._tenants = tenants

    def __call__(self, employer: str) -> Standing:
        """By the tenant's id."""
        tenant = self._tenants.get(employer)
        if tenant is None:
            return Standing.UNKNOWN
        return Standing.SUSPENDED if tenant.suspended else Standing.GOOD
