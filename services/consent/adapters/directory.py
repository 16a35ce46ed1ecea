"""The employers of the network, from the process's projection of the topic `tenants`."""

from collections.abc import Sequence

from services.consent.ports import Employer
from shared import wording
from shared.facts import Fact
from shared.web.tenants import Tenants


class TenantDirectory:
    """The port `Directory`; a suspended employer is still one that may be blocked."""

    def __init__(self, tenants: Tenants) -> None:
        self._tenants = tenants

    def employers(self) -> Sequence[Employer]:
        """All of them, by name."""
        found = (
            Employer(tenant.id, wording.tenant(tenant.name, tenant.domain), tenant.name, tenant.domain)
            for tenant in self._tenants.of_kind("employer")
        )
        return sorted(found, key=lambda employer: (employer.name.casefold(), employer.id))

    def name(self, employer: str) -> Fact[str]:
        """What this employer, or whoever else told of a person, is called."""
        return self._tenants.name_of(employer)
