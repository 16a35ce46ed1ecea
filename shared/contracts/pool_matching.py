"""The events that pool_matching owns."""

from datetime import date, datetime
from typing import ClassVar, Literal

from shared.contracts.base import Event, Instant, State, Value
from shared.contracts.signup import EmploymentType
from shared.contracts.topics import MEMBERSHIPS, POOL_UPDATES, POOLS, Topic


class Criteria(Value):
    """What a pool asks for; what is left out does not restrict."""

    occupations: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    remote: bool | None = None
    skills_all: tuple[str, ...] = ()
    skills_any: tuple[str, ...] = ()
    skills_any_at_least: int | None = None
    min_years: int | None = None
    pay_max: int | None = None
    employment_types: tuple[EmploymentType, ...] = ()
    available_by: date | None = None


class PoolChangedV1(State):
    """A pool as it is now, or none, because its employer deleted it."""

    TYPE: ClassVar[str] = "fairpool.pool.changed.v1"
    TOPIC: ClassVar[Topic] = POOLS
    KEY: ClassVar[str] = "pool"

    pool: str
    employer: str
    name: str
    criteria: Criteria | None


class Membership(Value):
    """One pool that a person is in."""

    pool: str
    employer: str
    since: Instant


class MembershipsChangedV1(State):
    """Every pool that a person is in now; the highest version is the truth."""

    TYPE: ClassVar[str] = "fairpool.memberships.changed.v1"
    TOPIC: ClassVar[Topic] = MEMBERSHIPS
    KEY: ClassVar[str] = "candidate"

    candidate: str
    pools: tuple[Membership, ...]


class PoolUpdatedV1(Event):
    """Someone joined or left a pool, or their shown profile changed; named by the employer's own member ref."""

    TYPE: ClassVar[str] = "fairpool.pool.updated.v1"
    TOPIC: ClassVar[Topic] = POOL_UPDATES
    KEY: ClassVar[str] = "employer"

    employer: str
    pool: str
    member_ref: str
    change: Literal["joined", "left", "changed"]
    at: Instant
    """Cut to the hour, so that two employers cannot compare moments."""

    def told_at(self, at: datetime) -> datetime:
        """The hour, as in `at`."""
        return self.at
