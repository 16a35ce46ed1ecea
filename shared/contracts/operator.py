"""The events that the operator of the network owns."""

from typing import ClassVar, Literal

from shared.contracts.base import Instant, State
from shared.contracts.topics import TENANTS, Topic

TenantKind = Literal["vendor", "employer", "operator"]


class TenantChangedV1(State):
    """A vendor, an employer or an operator as it is now; the highest version is the truth."""

    TYPE: ClassVar[str] = "fairpool.tenant.changed.v1"
    TOPIC: ClassVar[Topic] = TENANTS
    KEY: ClassVar[str] = "tenant"

    tenant: str
    kind: TenantKind
    name: str
    """As people read it, for example in `Denver Health through Fairpool`."""
    key_hashes: tuple[str, ...]
    """SHA-256, in hex, of each key that works; several while a key is exchanged."""
    vendor: str | None = None
    """An employer's present vendor."""
    reply_to: str | None = None
    domain: str | None = None
    standing: Literal["good", "suspended"] = "good"
    removed: bool = False
    """It has left the network: no key works, and its name stands for what it did before."""
    act: str | None = None
    """What the operator did with this change, such as `suspended`."""
    reason: str | None = None
    """Why, in the operator's words; no personal field."""
    changed_by: str | None = None
    """Which operator."""
    changed_at: Instant | None = None
