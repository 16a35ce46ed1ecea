"""Vendors, employers and operators, and what operators do."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from services.signup.decisions.tenants import Refused
from services.signup.model.operators import LookedUp, OperatorAct
from services.signup.vault.index import Indexed
from shared.contracts.operator import TenantChangedV1

DecideTenant = Callable[[Mapping[str, TenantChangedV1]], TenantChangedV1 | Refused]
"""An operator's act: everybody as they are now in, that tenant's next record out."""


class TenantBook(Protocol):
    """The tenants of the network, as an operator changes them."""

    async def act(self, decide: DecideTenant) -> TenantChangedV1 | Refused:
        """Decides on all that was said before; returns once every service can hear of it."""


class OperatorStore(Protocol):
    """What operators did, and what they look up."""

    async def acts(self, *, after: int, tenant: str | None, limit: int) -> Sequence[OperatorAct]:
        """What was done, oldest first."""

    async def look_up(self, mailbox: Indexed, *, by: str, reason: str) -> LookedUp | None:
        """Whoever has this mailbox; written down with the reason, also when there is nobody."""


class OperatorActs(Protocol):
    """The log of what operators did, inside a unit of work."""

    async def note(self, events: Sequence[TenantChangedV1]) -> None:
        """What was done to tenants, each record once, whichever way an operator took."""
