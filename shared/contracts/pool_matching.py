"""The events that pool_matching owns."""

from datetime import date, datetime
from typing import Annotated, ClassVar, Literal

from shared.contracts.base import Event, Instant, State, Value
from shared.contracts.bounds import CandidateId, Few, Id, Line, Many, Number
from shared.contracts.signup import EmploymentType
from shared.contracts.topics import MEMBERSHIPS, POOL_UPDATES, POOLS, Topic


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
    """Cut to the hour, so that two employers cannot compare moments."""

    def told_at(self, at: datetime) -> datetime:
        """The hour, as in `at`."""
        return self.at
