"""What the courier asks of the projection of `tenants`."""

from services.signup.courier.model import Standing
from shared.facts import UNKNOWN, Fact, Known, Unknown
from shared.web.tenants import Tenant, Tenants


class CourierTenants:
    """How tenants stand."""

    def __init__(self, tenants: Tenants) -> None:
        self._tenants = tenants

    def of_sender(self, tenant: str) -> Fact[Standing]:
        """Of an employer."""
        found = self._tenants.get(tenant)
        return UNKNOWN if isinstance(found, Unknown) else Known(_standing(found.value))

    def of_introducer(self, tenant: str) -> Fact[Standing]:
        """Of whoever told of a person, and of its vendor; who has left stays so, whatever is known of the vendor."""
        found = self._tenants.get(tenant)
        if isinstance(found, Unknown):
            return UNKNOWN
        own = _standing(found.value)
        if own != "good" or found.value.vendor is None:
            return Known(own)
        vendor = self._tenants.get(found.value.vendor)
        if isinstance(vendor, Unknown):
            return UNKNOWN
        return Known("suspended" if vendor.value.suspended else "good")


def _standing(tenant: Tenant) -> Standing:
    if tenant.removed:
        return "removed"
    return "suspended" if tenant.suspended else "good"
