"""The frozen values that matching decides on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Literal, NamedTuple

from shared.contracts import grants
from shared.contracts.base import Instant, Value
from shared.contracts.consent import ConsentChanged
from shared.contracts.pool_matching import Criteria
from shared.contracts.signup import CoarseProfile, EmploymentType
from shared.facts import Fact, Known

Level = Literal["major", "minor", "broad", "detailed"]

POOLS_PER_EMPLOYER = 200
SKILLS_A_POOL = 10
"""Who may ask for many reads a person by the set of those they have."""
LONG_SINCE = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Occupation:
    """An entry of the 2018 SOC, with the codes of itself and of every group it lies in."""

    code: str
    level: Level
    title: str
    lineage: frozenset[str]


@dataclass(frozen=True, slots=True)
class Occupations:
    """The whole classification by code, in its own order."""

    by_code: Mapping[str, Occupation]

    def lineage(self, code: str) -> frozenset[str]:
        """The code and all above it; nothing for a code that the classification does not have."""
        found = self.by_code.get(code)
        return found.lineage if found else frozenset()

    def search(self, text: str) -> list[Occupation]:
        """Entries whose code begins with the text or whose title holds each of its words, in the SOC's order."""
        words = text.casefold().split()
        start = text.strip()
        return [
            entry
            for entry in self.by_code.values()
            if entry.code.startswith(start) or all(word in entry.title.casefold() for word in words)
        ]


class Consent(Value):
    """What matching needs to know of a person's consent."""

    match: bool
    sectors: tuple[str, ...] = ()
    """SOC codes of any level; none: all."""
    blocked_employers: tuple[str, ...] = ()
    paused_until: Instant | None = None
    ends_at: Instant | None = None

    @classmethod
    def none(cls) -> "Consent":
        """Of whoever was erased: nothing is allowed."""
        return cls(match=False)

    @classmethod
    def of(cls, event: ConsentChanged) -> "Consent":
        """The part of the event that matching keeps."""
        return cls(
            match=grants.allows_match(event.purposes),
            sectors=event.limits.sectors,
            blocked_employers=event.limits.blocked_employers,
            paused_until=event.paused_until,
            ends_at=event.ends_at,
        )


@dataclass(frozen=True, slots=True)
class Noted:
    """What became of what came about people."""

    news: tuple[str, ...]
    """For whom it was newer than what was known."""
    replayed: tuple[str, ...]
    """Whose yes was not taken: it was said by a link from before a no."""


@dataclass(frozen=True, slots=True)
class Person:
    """A person as matching knows them now; either half may not have arrived yet."""

    candidate: str
    profile: Fact[CoarseProfile | None]
    """Known to be None of whoever shows nothing, or was erased."""
    consent: Fact[Consent]
    lineages: Mapping[str, frozenset[str]]
    """Each occupation of the profile that the SOC has, with its lineage."""
    skills: frozenset[str]
    """The profile's skills as `plain_skill` writes them."""
    generation: int = 0
    """How often they withdrew from being matched: their refs are others each time."""

    @classmethod
    def of(
        cls,
        candidate: str,
        profile: Fact[CoarseProfile | None],
        consent: Fact[Consent],
        occupations: Occupations,
        generation: int = 0,
    ) -> "Person":
        """The person, with what the rules look up again and again worked out once."""
        shown = profile.value if isinstance(profile, Known) else None
        return cls(
            candidate=candidate,
            profile=profile,
            consent=consent,
            lineages={code: of for code in shown.occupations if (of := occupations.lineage(code))} if shown else {},
            skills=frozenset(map(plain_skill, shown.skills)) if shown else frozenset(),
            generation=generation,
        )


class Sees(NamedTuple):
    """Which fields a pool's employer sees of its members, worked out once: those that the pool asks for."""

    occupations: frozenset[str] | None
    """Of these; None: none are shown."""
    skills: frozenset[str] | None
    types: frozenset[EmploymentType] | None
    fields: int
    """Bits: 1 years, 2 state, 4 remote, 8 pay, 16 date."""

    @classmethod
    def of(cls, asked: Criteria) -> "Sees":
        """By the criteria."""
        skills = asked.skills_all + asked.skills_any
        before = (asked.min_years is not None, bool(asked.states), asked.remote is not None)
        behind = (asked.pay_max is not None, asked.available_by is not None)
        return cls(
            frozenset(asked.occupations) if asked.occupations else None,
            frozenset(skills) if skills else None,
            frozenset(asked.employment_types) if asked.employment_types else None,
            sum(is_asked << place for place, is_asked in enumerate((*before, *behind))),
        )


@dataclass(frozen=True, slots=True)
class Pool:
    """An employer's standing query."""

    id: str
    employer: str
    version: int
    name: str
    criteria: Criteria
    sees: Sees = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sees", Sees.of(self.criteria))


@dataclass(frozen=True, slots=True)
class Made:
    """What an Idempotency-Key made."""

    pool: str
    employer: str
    body: bytes
    """The digest of what was sent."""


class Shown(Value):
    """What a pool's employer sees of a member: the fields that the pool asks for; None is not shown."""

    occupations: tuple[str, ...] | None = None
    skills: tuple[str, ...] | None = None
    years: int | None = None
    state: str | None = None
    remote: bool | None = None
    employment_types: tuple[EmploymentType, ...] | None = None
    pay_floor: int | None = None
    available_from: date | None = None


class Member(NamedTuple):
    """One person's place in one pool. Ten of them are made of each person who changes: as a tuple for a fifth of what a class takes."""

    pool: str
    employer: str
    since: datetime
    """To the hour, as the person is told by consent; an employer is told the day of its own tick."""
    shown: str
    """What its employer sees, a `Shown` in the one form of `showing`: who shows the same has the same text."""
    generation: int = 0
    """Of the ref under which they are in it."""
    fits_since: datetime = LONG_SINCE
    """Exactly; nobody is told. Of a pool that was held against them: its employer's last tick, if they belonged then."""


class Change(NamedTuple):
    """What became of a person's memberships."""

    joined: tuple[Member, ...] = ()
    left: tuple[Member, ...] = ()
    changed: tuple[Member, ...] = ()
    """Still in, but what the employer sees is different."""


class KeptPerson(NamedTuple):
    """What is kept of a person: the values, and the state of what was decided last."""

    person: Person
    version: int
    """Of the list of memberships, as last published."""
    due_at: datetime | None
    """When a pause or the consent ends, and the person is to be decided again."""
    members: tuple[Member, ...]


class Settled(NamedTuple):
    """What to write for a person, and what to tell."""

    candidate: str
    version: int
    due_at: datetime | None
    change: Change
    members: tuple[Member, ...]
    """All of the person's memberships now."""
    generation: int = 0
    """Of the person's refs now."""
    beyond: int = 0
    """Pools that they fit and did not join, or left again, being in as many as can be told."""

    @property
    def list_changed(self) -> bool:
        """Whether the person is in other pools than before."""
        return bool(self.change.joined or self.change.left)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A pool's way through all persons, for one version of the pool."""

    pool: str
    version: int
    after: str | None
    """The last candidate that was done; None: no batch that may not know the pool has been waited for yet."""


@dataclass(frozen=True, slots=True)
class ShownPool:
    """A pool as its employer sees it."""

    pool: Pool
    created_at: datetime
    ready: bool
    """Whether every person was held against this version."""
    members: int | None
    """How many its listing shows; None: it shows nobody."""
    was_listed: bool = False
    """Whether somebody was ever listed in it: their refs are known."""
    is_decided: bool = False
    """Whether its listing was decided for this version, whomever it shows: of many and of nobody alike."""


@dataclass(frozen=True, slots=True)
class ShownMember:
    """A member as the pool's employer sees them."""

    member_ref: str
    since: date
    """The day on which the employer was first told."""
    shown: Shown


Told = Literal["joined", "left", "changed"]
"""What is told of somebody."""


@dataclass(frozen=True, slots=True)
class Listing:
    """How far a pool's employer has been told of it."""

    pool: str
    employer: str
    state: Literal["new", "open", "closed"]
    told_at: datetime | None
    """The tick as of which it was decided last; None: never."""
    made_for: int
    """The version of the pool for which."""
    version: int | None
    """For which every person was held against the pool last; None: that is under way."""
    in_force: bool
    """False: the pool was deleted."""
    is_unfinished: bool
    """Whether rows of it wait to be told, or to be forgotten."""


LISTED = "list"
"""The way by which an employer is told of somebody: the list of a pool, which its members, its feed and a bundle of its seat are read from."""


class Update(Value):
    """What an employer's feed tells; as JSON it is a row of the feed."""

    id: str
    change: Told | Literal["closed"]
    pool: str
    member_ref: str | None = None
    """Of nobody, where the whole listing closed."""
    at: datetime
    """The employer's tick."""


@lru_cache(maxsize=65_536)
def plain_skill(skill: str) -> str:
    """A skill as it is compared: in one case, single spaces."""
    return " ".join(skill.split()).casefold()
