"""What is known of records and candidates, and of what they are shown."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from services.signup.model.people import Record
from services.signup.model.provenance import UNKNOWN, Origin
from services.signup.model.reports import Deletion
from shared.contracts.signup import CoarseProfile
from shared.i18n import Locale


@dataclass(frozen=True, slots=True)
class Stub:
    """Someone who may be new: kept if nobody has their mail yet."""

    candidate: str
    blind_index: bytes
    until: datetime
    older_indexes: tuple[bytes, ...] = ()
    """The same mailbox by each older key: somebody may be known by that."""
    index_key: bytes | None = None
    """Which key made the blind index."""
    locale: Locale | None = None
    """In which language they joined."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What one record tells of a person's work: in force once the person has kept it, and shown to nobody before."""

    candidate: str
    vendor: str
    record: str
    profile: CoarseProfile
    """In the steps that would be shown; its occupations are those that were told as codes."""
    titles: tuple[str, ...] = ()
    """As they were told."""
    origin: Origin = UNKNOWN


@dataclass(frozen=True, slots=True)
class Proposed:
    """A proposal as the person sees it: with who told it when."""

    proposal: Proposal
    employer: str | None
    told_at: datetime
    answered_at: datetime | None = None
    """When the person kept, changed or passed over it; None while it waits for them."""


@dataclass(frozen=True, slots=True)
class Known:
    """Someone in the vault."""

    candidate: str
    blind_index: bytes
    confirmed: bool
    lapsing: bool = False
    """They are to be erased unless they have answered: nobody claims them in the meantime."""
    has_spoken: bool = False
    """They kept something of their profile, or wrote it: what vendors tell from then on is only proposed."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A vendor's record of someone in the vault."""

    vendor: str
    record: str
    candidate: str
    employer: str | None
    registered: bool
    """This record registered the stub."""
    happened_at: datetime | None = None
    """The newest of the vendor's own times among what was taken of it."""
    origin: Origin = UNKNOWN


@dataclass(frozen=True, slots=True)
class Picture:
    """What the vault knows of everybody that some reports are about."""

    claims: Mapping[Record, Claim]
    people: Mapping[str, Known]
    """By candidate."""
    addresses: Mapping[bytes, Known]
    """By blind index."""
    deletions: Mapping[tuple[Record, str], Deletion] = field(default_factory=dict)
    """By record and employer (empty: none)."""
    not_theirs: frozenset[tuple[Record, str]] = frozenset()
    """Records with a candidate of whom they are not, by that person's own word."""

    def is_denied(self, record: Record) -> bool:
        """Whether somebody said of this record that it is not of them."""
        return any(denied == record for denied, _ in self.not_theirs)

    def with_new(self, stubs: Iterable["Stub"]) -> "Picture":
        """The same, and these, who were just registered."""
        new = [Known(stub.candidate, stub.blind_index, confirmed=False) for stub in stubs]
        return replace(
            self,
            people={**self.people, **{known.candidate: known for known in new}},
            addresses={**self.addresses, **{known.blind_index: known for known in new}},
        )


@dataclass(frozen=True, slots=True)
class Showing:
    """What a person allows, as last heard, and what `candidate-profiles` shows of them."""

    candidate: str
    consent_version: int
    confirmed: bool
    match_granted: bool
    paused_until: datetime | None
    ends_at: datetime | None
    profile: CoarseProfile | None
    """What the person kept; None before that."""
    profile_version: int
    published: CoarseProfile | None
    look_again_at: datetime | None = None
    mailbox_gone: bool = False
    """Mail to them can't be delivered any more; the courier notes it."""
    no_at: datetime | None = None
    """When a purpose last went off."""
    lifts_no_until: datetime | None = None
    """How late a no may be that what is granted lifts."""
