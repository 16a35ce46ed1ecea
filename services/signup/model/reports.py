"""What vendors report, on its way from the edge to the rows."""

from dataclasses import dataclass
from datetime import datetime

from services.signup.model.people import NOTHING_TOLD, Change, Proof, Record, Told
from services.signup.model.provenance import Origin
from shared.contracts.signup import CandidateMergedV1, CandidateReportedV1


@dataclass(frozen=True, slots=True)
class Report:
    """One change, checked, on its way to `ats-events`."""

    mark: bytes
    """A digest of the event's own id, which is the same when it comes again."""
    vendor: str
    record: str
    employer: str | None
    change: Change
    at: datetime
    told: Told
    happened_at: datetime | None = None
    """By the vendor's own clock."""
    into: str | None = None
    """For `merged`: the record that goes on."""
    content: bytes = b""
    """A digest of all that the event says."""
    by_content: bool = False
    """Its id is not signed, its content is: what the record's last one said is a repetition under any id."""
    event_id: str | None = None
    """The teller's own id of it, where it may be kept."""
    proof: Proof | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of reports at the edge."""

    accepted: int
    duplicates: int
    conflicts: tuple[int, ...] = ()
    """The places of those whose id was that of something else before; they are not taken."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A report from the bus with its seal opened; a signing-up one has a person and the blind index of their mail."""

    id: str
    event: CandidateReportedV1 | CandidateMergedV1
    """As it came, sealed: what can be kept."""
    told: Told = NOTHING_TOLD
    blind_index: bytes | None = None
    older_indexes: tuple[bytes, ...] = ()
    """The same mailbox by each older key."""
    index_key: bytes | None = None
    """Which key made the blind index."""

    @property
    def change(self) -> Change:
        """What is reported."""
        return "merged" if isinstance(self.event, CandidateMergedV1) else self.event.change

    @property
    def vendor(self) -> str:
        """Who reports."""
        return self.event.vendor

    @property
    def record(self) -> str:
        """The candidate's id in the vendor's system."""
        return self.event.record

    @property
    def employer(self) -> str | None:
        """For whom."""
        return self.event.employer

    @property
    def happened_at(self) -> datetime | None:
        """By the vendor's own clock, if it says."""
        return None if isinstance(self.event, CandidateMergedV1) else self.event.happened_at

    @property
    def reported_at(self) -> datetime:
        """When it came to the edge."""
        return self.event.reported_at

    @property
    def origin(self) -> Origin:
        """By which event it came."""
        return Origin(self.told.event_id, self.told.proof, self.reported_at)

    @property
    def key(self) -> Record:
        """The record that is reported on."""
        return self.vendor, self.record

    @property
    def owned(self) -> tuple[Record, str]:
        """The record and its employer (empty: none)."""
        return self.key, self.employer or ""

    @property
    def into(self) -> Record | None:
        """The record that goes on after a merge."""
        return (self.vendor, self.event.into) if isinstance(self.event, CandidateMergedV1) else None

    @property
    def keys(self) -> tuple[Record, ...]:
        """Every record that it touches."""
        return (self.key,) if self.into is None else (self.key, self.into)


@dataclass(frozen=True, slots=True)
class KeptReport:
    """A report that came before its time, as it came; `waits_for`: a candidate who is being erased and has the mailbox."""

    id: str
    event: CandidateReportedV1 | CandidateMergedV1
    waits_for: str | None = None
    counted: bool = False
    """It ended its record: kept as a deletion, only to be remembered."""

    @property
    def change(self) -> Change:
        """What is reported."""
        return "merged" if isinstance(self.event, CandidateMergedV1) else self.event.change

    @property
    def happened_at(self) -> datetime | None:
        """By the vendor's own clock, if it says."""
        return None if isinstance(self.event, CandidateMergedV1) else self.event.happened_at


@dataclass(frozen=True, slots=True)
class Deletion:
    """A record that its vendor deleted within the day, and that nobody knows at present."""

    vendor: str
    record: str
    employer: str
    happened_at: datetime | None
    """By the vendor's own clock, if it says."""
    reported_at: datetime
    """When it came to the edge."""
    counted: bool = False
    """It took the record's claim, or stopped a creation that it had overtaken."""
