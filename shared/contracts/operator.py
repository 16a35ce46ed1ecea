"""The events that the operator of the network owns."""

from typing import Annotated, ClassVar, Literal

from shared.contracts.base import Instant, State
from shared.contracts.bounds import Code, Few, Id, Line, MomentVersion
from shared.contracts.topics import TENANTS, Topic

TenantKind = Literal["vendor", "employer", "operator"]


class TenantChangedV1(State):
    """A vendor, an employer or an operator as it is now; the highest version is the truth."""

    TYPE: ClassVar[str] = "fairpool.tenant.changed.v1"
    TOPIC: ClassVar[Topic] = TENANTS
    KEY: ClassVar[str] = "tenant"

    tenant: Id
    version: MomentVersion
    """The time of the change in milliseconds, or more: it only rises."""
    kind: TenantKind
    name: Line
    """As people read it, for example in `Denver Health through Fairpool`."""
    key_hashes: Annotated[tuple[Code, ...], Few]
    """SHA-256, in hex, of each key that works; several while a key is exchanged."""
    vendor: Id | None = None
    """An employer's present vendor."""
    reply_to: Line | None = None
    domain: Line | None = None
    standing: Literal["good", "suspended"] = "good"
    removed: bool = False
    """It has left the network: no key works, and its name stands for what it did before."""
    act: Line | None = None
    """What the operator did with this change, such as `suspended`."""
    reason: Line | None = None
    """Why, in the operator's words; no personal field."""
    changed_by: Line | None = None
    """Which operator."""
    changed_at: Instant | None = None
