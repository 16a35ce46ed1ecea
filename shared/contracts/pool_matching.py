"""The events that pool_matching owns."""

from datetime import date, datetime
from typing import Annotated, ClassVar, Literal

from shared.contracts.base import Event, Instant, State, Value
from shared.contracts.bounds import CandidateId, Code, Few, Generation, Id, Line, Many, Number, Version
from shared.contracts.signup import EmploymentType
from shared.contracts.topics import DISCLOSURES, MEMBERSHIPS, POOL_UPDATES, POOLS, Topic


class Criteria(Value):
    """What a pool asks for; what is left out does not restrict."""

    occupations: Annotated[tuple[Line, ...], Many] = ()
    states: Annotated[tuple[Line, ...], Many] = ()
    remote: bool | None = None
    skills_all: Annotated[tuple[Line, ...], Many] = ()
    skills_any: Annotated[tuple[Line, ...], Many] = ()
    skills_any_at_least: Number | None = None
    min_years: Number | None = None
    pay_max: Number | None = None
    employment_types: Annotated[tuple[EmploymentType, ...], Few] = ()
    available_by: date | None = None


class PoolChangedV1(State):
    """A pool as it is now, or none, because its employer deleted it."""

    TYPE: ClassVar[str] = "fairpool.pool.changed.v1"
    TOPIC: ClassVar[Topic] = POOLS
    KEY: ClassVar[str] = "pool"

    pool: Id
    employer: Id
    name: Line
    criteria: Criteria | None


class Membership(Value):
    """One pool that a person is in."""

    pool: Id
    employer: Id
    since: Instant


class MembershipsChangedV1(State):
    """Every pool that a person is in now; the highest version is the truth."""

    TYPE: ClassVar[str] = "fairpool.memberships.changed.v1"
    TOPIC: ClassVar[Topic] = MEMBERSHIPS
    KEY: ClassVar[str] = "candidate"

    candidate: CandidateId
    pools: Annotated[tuple[Membership, ...], Many]
    generation: Generation = 0
    """How often the person has withdrawn from being matched: it is in their member refs, and those of an older one name nobody."""


class DisclosedV1(Event):
    """From this moment on an employer can read of a person what it could not read before; noted in the transaction that lets it."""

    TYPE: ClassVar[str] = "fairpool.candidate.disclosed.v1"
    TOPIC: ClassVar[Topic] = DISCLOSURES
    KEY: ClassVar[str] = "candidate"

    candidate: CandidateId
    employer: Id
    pool: Id
    at: Instant
    fields: Annotated[tuple[Code, ...], Few]
    """Of the coarse profile, by name. That the person fits what the pool asks for can be read as well, also where this is empty."""
    way: Code
    """`list`: in the pool's members and the feed, and so in a bundle of the seat."""
    member_since: Instant
    """As in the person's memberships: they are in the pool for as long as these name it with this time."""
    memberships: Version
    """The version of the person's memberships in which they are; an older one says nothing about this."""


class DisclosureEndedV1(Event):
    """An employer is shown nobody of a pool any more, since too few are left; of whoever left it, their memberships say so."""

    TYPE: ClassVar[str] = "fairpool.candidate.disclosure_ended.v1"
    TOPIC: ClassVar[Topic] = DISCLOSURES
    KEY: ClassVar[str] = "candidate"

    candidate: CandidateId
    employer: Id
    pool: Id
    at: Instant


class PoolUpdatedV1(Event):
    """Someone joined or left a pool, or their shown profile changed; named by the employer's own member ref."""

    TYPE: ClassVar[str] = "fairpool.pool.updated.v1"
    TOPIC: ClassVar[Topic] = POOL_UPDATES
    KEY: ClassVar[str] = "employer"

    employer: Id
    pool: Id
    member_ref: Id
    change: Literal["joined", "left", "changed"]
    at: Instant
    """The employer's tick: no other employer's is the same, and nobody's act moves it."""

    def told_at(self, at: datetime) -> datetime:
        """The tick, as in `at`."""
        return self.at


class PoolClosedV1(Event):
    """So few people are left in a pool that its employer is shown nobody: whom it was told of there is to be forgotten."""

    TYPE: ClassVar[str] = "fairpool.pool.closed.v1"
    TOPIC: ClassVar[Topic] = POOL_UPDATES
    KEY: ClassVar[str] = "employer"

    employer: Id
    pool: Id
    at: Instant
    """The employer's tick."""

    def told_at(self, at: datetime) -> datetime:
        """The tick, as in `at`."""
        return self.at
