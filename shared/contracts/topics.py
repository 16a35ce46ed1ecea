"""Every topic, described once: creation, checks, AsyncAPI and the README's table are made from this file."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

CleanUp = Literal["delete", "compact"]

DEAD_LETTER_SUFFIX = "-dlq"
DEAD_LETTERS_KEPT = timedelta(days=7)
COMPACTED_WITHIN = timedelta(days=7)
"""Kafka's `max.compaction.lag.ms` of every compacted topic: from when on its cleaner has to take up what is no longer its key's
last (KIP-354); when it is done nobody promises. A partition that nobody writes to is not compacted at all: its newest segment
is closed by the next record alone. A removal itself stays for `delete.retention.ms` more."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One Kafka topic: who writes it, who reads it, what its key is and how long Kafka keeps it."""

    name: str
    key: str
    owner: str
    readers: tuple[str, ...]
    carries: str
    partitions: int = 6
    kept: timedelta | None = None
    """None with `compact`: the last record of each key stays for ever."""
    by_outbox: bool = True
    """Whether its records leave by their owner's outbox; else whoever says one sends it, and nobody else."""
    erased: str | None = None
    """Of a compacted topic whose key is a candidate: what its last record says of whoever was erased."""

    @property
    def clean_up(self) -> CleanUp:
        """How Kafka makes room: `delete` by age, `compact` by key."""
        return "compact" if self.kept is None else "delete"

    @property
    def owners(self) -> tuple[str, ...]:
        """The processes that write to it."""
        return tuple(self.owner.split(", "))

    @property
    def signers(self) -> tuple[str, ...]:
        """In whose names its records are signed: what another signs is refused."""
        return tuple(dict.fromkeys(signer_of(owner) for owner in self.owners))

    def concerns(self, process: str) -> bool:
        """Whether a process reads or writes it."""
        return process in (*self.owners, *self.readers)

    @property
    def dead_letters(self) -> "Topic":
        """Where this topic's readers put what they could not handle."""
        return Topic(
            name=self.name + DEAD_LETTER_SUFFIX,
            key=self.key,
            owner=", ".join(self.readers),
            readers=("operator",),
            carries=f"records of {self.name} that could not be handled: original bytes and headers, with the reason",
            partitions=1,
            kept=DEAD_LETTERS_KEPT,
        )


def signer_of(process: str) -> str:
    """In whose name a process signs: the courier shares signup's outbox, and whichever of the two sends a record signs it."""
    return "signup" if process == "courier" else process


ATS_EVENTS = Topic(
    "ats-events", "vendor:record", "signup", ("signup",), "what vendors sent, sealed", kept=timedelta(days=7)
)
CANDIDATE_EVENTS = Topic(
    "candidate-events",
    "candidate",
    "signup, courier",
    ("consent", "outreach_gateway", "pool_matching"),
    "registered, confirmed, claimed, hired, lapsed; whether mail still reaches them",
    kept=timedelta(days=30),
)
CANDIDATE_PROFILES = Topic(
    "candidate-profiles",
    "candidate",
    "signup",
    ("pool_matching",),
    "what the person kept of their profile, coarse, only while `match` is granted",
    erased="no profile; the id stays",
)
CANDIDATE_KEYS = Topic(
    "candidate-keys",
    "candidate",
    "signup",
    ("outreach_gateway",),
    "the person's public key, to which employers' words are sealed",
    erased="removed: a record without a value",
)
ERASURES = Topic(
    "erasures",
    "candidate",
    "signup",
    ("consent", "courier", "outreach_gateway", "pool_matching"),
    "the ids of erased people, so that nothing brings one back",
    erased="the id, which is what it is for",
)
ERASURE_CONFIRMATIONS = Topic(
    "erasure-confirmations",
    "candidate",
    "consent, courier, outreach_gateway, pool_matching",
    ("signup",),
    "whom consent has closed, so that signup may erase them; which service has erased what it kept of a person",
    kept=timedelta(days=30),
)
CONSENT_STATE = Topic(
    "consent-state",
    "candidate",
    "consent",
    ("signup", "courier", "pool_matching", "outreach_gateway"),
    "the whole present state of a person's consent, with a rising version",
    erased="nothing is on, nobody blocked; the id stays",
)
SESSIONS = Topic(
    "sessions",
    "candidate",
    "signup",
    ("consent",),
    "which sessions of a person were ended before their time, and from when their links count",
    kept=timedelta(days=30),
)
EXPORTS = Topic(
    "exports",
    "candidate",
    "signup",
    ("consent",),
    "who asked for all that is kept of them, with the public key to which the answer is sealed",
    kept=timedelta(days=2),
)
EXPORT_PARTS = Topic(
    "export-parts",
    "candidate",
    "consent",
    ("signup",),
    "what consent keeps of who asked, in parts, sealed to that key",
    kept=timedelta(days=2),
)
TENANTS = Topic(
    "tenants",
    "tenant",
    "operator, signup",
    ("signup", "consent", "courier", "pool_matching", "outreach_gateway"),
    "vendors, employers and operators: hashed keys, standing, present vendor",
    partitions=1,
    by_outbox=False,
)
POOLS = Topic("pools", "pool", "pool_matching", ("consent", "pool_matching"), "pool definitions")
MEMBERSHIPS = Topic(
    "memberships",
    "candidate",
    "pool_matching",
    ("consent", "outreach_gateway"),
    "the pools, with their employers, that a person is in now",
    erased="no pool; the id stays",
)
DISCLOSURES = Topic(
    "disclosures",
    "candidate",
    "pool_matching",
    ("consent",),
    "which employer could read which fields of whom, from when until when; no values",
    kept=timedelta(days=30),
)
POOL_UPDATES = Topic(
    "pool-updates",
    "employer",
    "pool_matching",
    (),
    "joined, left, changed, closed, as the feed tells it; member refs only",
    kept=timedelta(days=30),
)
OUTREACH_REQUESTS = Topic(
    "outreach-requests",
    "candidate",
    "outreach_gateway",
    ("outreach_gateway",),
    "who writes to whom, and until when; no words",
    kept=timedelta(days=15),
)
OUTREACH_DECISIONS = Topic(
    "outreach-decisions",
    "candidate",
    "outreach_gateway",
    ("courier", "consent"),
    "admitted, delayed, dropped, cancelled, with version",
    kept=timedelta(days=100),
)
OUTREACH_OUTCOMES = Topic(
    "outreach-outcomes",
    "candidate",
    "courier",
    ("outreach_gateway", "consent"),
    "delivered, bounced, doubtful, returned, withheld",
    kept=timedelta(days=100),
)
WISHES = Topic(
    "wishes",
    "candidate",
    "consent",
    ("outreach_gateway",),
    "which of the messages that wait for a person they want next",
    kept=timedelta(days=15),
)
NOTICES = Topic(
    "notices",
    "candidate",
    "consent, signup",
    ("courier",),
    "the network's own emails: confirm, sign in",
    kept=timedelta(days=7),
)

TOPICS: tuple[Topic, ...] = (
    ATS_EVENTS,
    CANDIDATE_EVENTS,
    CANDIDATE_PROFILES,
    CANDIDATE_KEYS,
    ERASURES,
    ERASURE_CONFIRMATIONS,
    CONSENT_STATE,
    SESSIONS,
    EXPORTS,
    EXPORT_PARTS,
    TENANTS,
    POOLS,
    MEMBERSHIPS,
    DISCLOSURES,
    POOL_UPDATES,
    OUTREACH_REQUESTS,
    OUTREACH_DECISIONS,
    OUTREACH_OUTCOMES,
    WISHES,
    NOTICES,
)

SIGNERS: tuple[str, ...] = tuple(dict.fromkeys(signer for topic in TOPICS for signer in topic.signers))
"""Everybody who has a key to sign with."""

ALL_TOPICS: tuple[Topic, ...] = TOPICS + tuple(topic.dead_letters for topic in TOPICS if topic.readers)
"""What an operator creates: each topic, and the dead letters of those that one of our processes reads."""
