"""What the routes take and give."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    PlainSerializer,
    StrictBool,
    StrictInt,
    ValidationInfo,
    field_validator,
)

from services.pool_matching.model import SKILLS_A_POOL, Level, Shown, ShownMember, ShownPool, Update, plain_skill
from shared.contracts.base import Instant
from shared.contracts.codes import STATES, occupation_codes
from shared.contracts.pool_matching import Criteria
from shared.contracts.signup import EmploymentType
from shared.web.types import LONGEST_LINE, Line, RequestModel

_MOST = 100
_FEW_SKILLS = f"At most {SKILLS_A_POOL}, those of skills_all and skills_any together."
_NO_CODE = "must be a code of the 2018 SOC written in full, such as 29-1141 or 29-0000; GET /v1/occupations finds them"


def _only_text(value: object) -> object:
    if value is not None and not isinstance(value, str):
        raise ValueError("must be a date such as 2026-11-22")  # pydantic would take a number for seconds
    return value


def _only_what_is_shown(shown: Shown) -> dict[str, Any]:
    return shown.model_dump(mode="json", exclude_none=True)


def _state(value: str) -> str:
    if value not in STATES:
        raise ValueError("must be the two-letter code of a state, such as CO")
    return value


def _soc_code(value: str) -> str:
    if value not in occupation_codes():
        raise ValueError(_NO_CODE)
    return value


def _skill(value: str) -> str:
    """As it is compared it must be a line as well: a pool is asked in that form again when it is changed."""
    if len(plain_skill(value)) > LONGEST_LINE:
        raise ValueError(f"must have at most {LONGEST_LINE} characters; some, such as ß, count as two or three")
    return value


def _not_offered(value: object) -> object:
    if value is not None:
        raise ValueError("is not offered yet; leave it out, and name states instead")
    return value


Skills = Annotated[tuple[Annotated[Line, AfterValidator(_skill)], ...], Field(max_length=_MOST)]
Codes = Annotated[tuple[Annotated[Line, AfterValidator(_soc_code)], ...], Field(max_length=_MOST)]
States = Annotated[tuple[Annotated[Line, AfterValidator(_state)], ...], Field(max_length=_MOST)]


class PoolPatch(RequestModel):
    """A change of a pool: what is given replaces, `null` takes a criterion away, what is left out stays."""

    name: Line | None = None
    occupations: Codes | None = Field(None, description="SOC 2018 codes of any level; each takes in all below it.")
    states: States | None = Field(None, description="Two-letter codes.")
    near: Annotated[object, AfterValidator(_not_offered)] = Field(None, description="Not offered yet.")
    remote: StrictBool | None = None
    skills_all: Skills | None = Field(None, description=_FEW_SKILLS)
    skills_any: Skills | None = Field(None, description=_FEW_SKILLS)
    skills_any_at_least: Annotated[StrictInt, Field(ge=1, le=_MOST)] | None = None
    min_years: Annotated[StrictInt, Field(ge=0, le=80)] | None = Field(
        None, description="Rounded up to 0, 1, 3, 5, 10, 15 or 20."
    )
    pay_max: Annotated[StrictInt, Field(ge=0, le=10_000_000)] | None = Field(
        None, description="US dollars a year, rounded down to a step of 20,000."
    )
    employment_types: Annotated[tuple[EmploymentType, ...], Field(max_length=_MOST)] | None = None
    available_by: Annotated[date, BeforeValidator(_only_text)] | None = Field(
        None, description="Rounded down to the first of the month."
    )

    @field_validator("skills_any_at_least")
    @classmethod
    def _can_be_met(cls, value: int | None, info: ValidationInfo) -> int | None:
        skills = {plain_skill(skill) for skill in info.data.get("skills_any") or ()}
        if skills and value is not None and value > len(skills):
            raise ValueError("must not be more than there are skills in skills_any")
        return value


class PoolIn(PoolPatch):
    """A pool: a criterion that is left out does not restrict."""

    name: Line

    @field_validator("skills_any_at_least")
    @classmethod
    def _has_skills(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and value > 1 and not info.data.get("skills_any"):
            raise ValueError("must not be more than there are skills in skills_any, and there is none")
        return value

    def criteria(self) -> Criteria:
        """What is asked for, as it was given."""
        return Criteria(**self.model_dump(exclude={"name", "near"}, exclude_none=True))


State = Annotated[
    Literal["matching", "ready"], Field(description="ready: everybody was held against this version of the pool.")
]


def state_of(listed: ShownPool) -> State:
    """As the employer reads it."""
    return "ready" if listed.ready else "matching"


class PoolOut(BaseModel):
    """A pool as it is in force, with its values rounded."""

    id: str
    name: str
    state: State
    created_at: Instant
    members: int | None = Field(description="How many people are listed; null: fewer than 5, so that nobody is shown.")
    occupations: tuple[str, ...]
    states: tuple[str, ...]
    remote: bool | None
    skills_all: tuple[str, ...]
    skills_any: tuple[str, ...]
    skills_any_at_least: int | None
    min_years: int | None
    pay_max: int | None
    employment_types: tuple[EmploymentType, ...]
    available_by: date | None

    @classmethod
    def of(cls, listed: ShownPool) -> "PoolOut":
        """As its employer sees it."""
        return cls(
            id=listed.pool.id,
            name=listed.pool.name,
            state=state_of(listed),
            created_at=listed.created_at,
            members=listed.members,
            **listed.pool.criteria.model_dump(),
        )


class PoolsOut(BaseModel):
    """All pools of an employer, oldest first."""

    items: list[PoolOut]
    next: None = None


class MemberOut(BaseModel):
    """A member; the profile holds only what the pool asks for, and of that what at least five of those listed share."""

    member_ref: str
    since: date = Field(description="The day on which you were first told of them.")
    profile: Annotated[Shown, PlainSerializer(_only_what_is_shown)]

    @classmethod
    def of(cls, member: ShownMember) -> "MemberOut":
        """As the pool's employer sees them."""
        return cls(member_ref=member.member_ref, since=member.since, profile=member.shown)


class MembersOut(BaseModel):
    """Some members of a pool."""

    items: list[MemberOut]
    next: str | None
    state: State
    detail: str | None = Field(
        description="Why nobody is listed: the list is still being made (ask again a little later), or too few are there."
    )


Kind = Literal["member.joined", "member.left", "member.changed", "pool.closed"]
_KINDS: Mapping[str, Kind] = {
    "joined": "member.joined",
    "left": "member.left",
    "changed": "member.changed",
    "closed": "pool.closed",
}


class UpdateOut(BaseModel):
    """Something that is told of a pool, at the employer's tick."""

    id: str
    type: Kind
    pool: str
    member_ref: str | None = Field(None, description="Left out of `pool.closed`: forget all members of that pool.")
    at: Instant

    @classmethod
    def of(cls, update: Update) -> "UpdateOut":
        """As the employer reads it."""
        return cls(
            id=update.id, type=_KINDS[update.change], pool=update.pool, member_ref=update.member_ref, at=update.at
        )


class UpdatesOut(BaseModel):
    """Some updates; `next` goes on where these end, also when there are none yet."""

    items: list[UpdateOut]
    next: str


class OccupationOut(BaseModel):
    """An entry of the 2018 SOC."""

    code: str
    level: Level
    title: str


class OccupationsOut(BaseModel):
    """Some entries, in the order of the classification."""

    items: list[OccupationOut]
    next: str | None
