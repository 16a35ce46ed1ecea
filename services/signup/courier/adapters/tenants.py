"""What the courier asks of the projection of `tenants`."""

from services.signup.courier.model import Standing
from shared.web.tenants import Tenants


class CourierTenants:
    """How tenants stand; of one whose record has not arrived, what is not known to be bad."""

    def __init__(self, tenants: Tenants) -> None:
        self._tenants = tenants

    def is_out(self, tenant: str) -> bool:
        """Whether nothing of it is sent: it is suspended, or has left."""
        known = self._tenants.get(tenant)
        return known is not None and known.suspended

    def introducer_standing(self, tenant: str) -> Standing:
        """Of whoever told of a person, and of its vendor."""
        known = self._tenants.get(tenant)
        vendor = self._tenants.get(known.vendor) if known is not None and known.vendor else None
        if known is not None and known.removed:
            return "removed"
        return "suspended" if any(one is not None and one.suspended for one in (known, vendor)) else "good"
