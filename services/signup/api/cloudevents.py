"""What `POST /v1/events` takes: CloudEvents 1.0 with our four types, checked field by field."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, StringConstraints, model_validator

from services.signup.decisions.places import is_outside_the_states, state_code
from services.signup.decisions.skills import skills_among
from services.signup.model import Change, Person, RawProfile, Told
from services.signup.vault.addresses import parse_mail, without_unseen
from services.signup.vault.phones import parse_phone
from shared.contracts.codes import STATES, occupation_codes
from shared.contracts.signup import EmploymentType
from shared.web.types import Form, Line, RequestModel

_LONGEST_SKILL = 60
_MOST_EMAILS = 10
_ZONES = frozenset(available_timezones())
_SOC = "a code of the 2018 SOC, such as 29-1141"
EventType = Literal["candidate.signed_up", "candidate.changed", "candidate.hired", "candidate.deleted"]
_CHANGES: Mapping[str, Change] = {
    "candidate.signed_up": "signed_up",
    "candidate.changed": "changed",
    "candidate.hired": "hired",
    "candidate.deleted": "deleted",
}


def _visible(value: object) -> object:
    return without_unseen(value) if isinstance(value, str) else value


def _mailable_ones(value: object) -> object:
    """Without those that can't be mailed, if another can: a vendor's list often holds a remark or an old address."""
    if not isinstance(value, list | tuple) or len(value) > _MOST_EMAILS:
        return value
    return [one for one in value if isinstance(one, str) and _is_mailable(one)] or value


def _is_mailable(value: str) -> bool:
    try:
        parse_mail(value)
    except ValueError:
        return False
    return True


def _zone(value: str) -> str:
    if value not in _ZONES:
        raise ValueError("must be an IANA time zone such as America/Denver")
    return value


def _skill(value: str) -> str:
    if len(value) > _LONGEST_SKILL or "@" in value or sum(map(str.isdigit, value)) >= 7:
        raise ValueError(f"must be at most {_LONGEST_SKILL} characters, without a mail address or a phone number")
    return value


def _no_address(value: str) -> str:
    if "@" in value:
        raise ValueError("must not hold a mail address: it travels in clear")
    return value


def _state(value: str) -> str:
    code = state_code(value)
    if code not in STATES:
        raise ValueError("must be one of the 50 states or the District of Columbia, such as CO or Colorado")
    return code


def _postal_code(value: str) -> str:
    if is_outside_the_states(None, value):
        raise ValueError("must be a ZIP code of the 50 states or the District of Columbia")
    return value


def _occupation(value: str) -> str:
    if value not in occupation_codes():
        raise ValueError(f"must be {_SOC}")
    return value


Mail = Annotated[Line, Field(max_length=320), AfterValidator(parse_mail), BeforeValidator(_visible)]
Phone = Annotated[Line, Field(max_length=40), AfterValidator(parse_phone)]
Zone = Annotated[str, StringConstraints(strict=True, max_length=64), AfterValidator(_zone)]
State = Annotated[
    str,
    StringConstraints(strict=True, max_length=100),
    AfterValidator(_state),
    Field(description="The code of a state or the District of Columbia, such as CO; its name is understood, too."),
]
PostalCode = Annotated[
    str, Form(r"[0-9]{5}(-[0-9]{4})?", "a ZIP code of five digits, such as 80202"), AfterValidator(_postal_code)
]
Occupation = Annotated[str, Form(r"[0-9]{2}-[0-9]{4}", _SOC), AfterValidator(_occupation)]
Record = Annotated[str, Form(r"[A-Za-z0-9._:-]{1,128}", "at most 128 letters, digits, or any of . _ : -")]
Whole = Annotated[int, Field(strict=True, ge=0)]


class PersonIn(RequestModel):
    """Who the person is; the first email that can be used is."""

    given_name: Line | None = None
    family_name: Line | None = None
    emails: Annotated[tuple[Mail, ...], BeforeValidator(_mailable_ones)] = Field(
        min_length=1, max_length=_MOST_EMAILS, description="The first that can be mailed is the one that is used."
    )
    phones: tuple[Phone, ...] = Field(default=(), max_length=10)


class ProfileIn(RequestModel):
    """What the person does, and looks for."""

    titles: tuple[Annotated[Line, AfterValidator(_no_address)], ...] = Field(default=(), max_length=20)
    occupations: tuple[Occupation, ...] = Field(
        default=(), max_length=20, description="Codes of the 2018 SOC; without any, the titles are looked up."
    )
    skills: tuple[Annotated[Line, AfterValidator(_skill)], ...] = Field(
        default=(),
        max_length=200,
        description="Words such as triage or forklift. Those that are not on Fairpool's list of skills are dropped, and"
        " those that share a word with the person's name or mail address.",
    )
    years: Annotated[Whole, Field(le=80)] | None = None
    postal_code: PostalCode | None = None
    state: State | None = None
    remote: Annotated[bool, Field(strict=True)] = False
    employment_types: tuple[EmploymentType, ...] = Field(default=(), max_length=5)
    pay_floor: Annotated[Whole, Field(le=10_000_000)] | None = Field(None, description="US dollars a year.")
    available_from: date | None = None
    time_zone: Zone | None = Field(None, description="Of the IANA, such as America/Denver.")


class DataIn(RequestModel):
    """What an event is about; `hired` and `deleted` need neither person nor profile, and neither is kept then."""

    employer: Line = Field(description="The tenant id of an employer whose present vendor you are.")
    record: Record = Field(description="The candidate's id in your system.")
    person: PersonIn | None = Field(None, description="Required for candidate.signed_up.")
    profile: ProfileIn | None = None


class CloudEventIn(RequestModel):
    """A CloudEvent; `source` is the vendor's own tenant id."""

    specversion: Literal["1.0"]
    id: Line = Field(description="Your own; an event that comes again is recognised by it.")
    source: Line = Field(description="Your own tenant id.")
    type: EventType
    time: AwareDatetime | None = None
    subject: Line | None = None
    datacontenttype: Literal["application/json"] | None = None
    dataschema: Line | None = None
    data: DataIn

    @model_validator(mode="after")
    def _names_a_person(self) -> "CloudEventIn":
        if self.type == "candidate.signed_up" and self.data.person is None:
            raise ValueError("data.person, with at least one mail address, is required for candidate.signed_up")
        return self

    @property
    def change(self) -> Change:
        """Our word for the type."""
        return _CHANGES[self.type]


def told(event: CloudEventIn) -> Told:
    """What is sealed: only what the change has a use for."""
    person, profile = event.data.person, event.data.profile
    if event.change in ("hired", "deleted"):
        return Told()
    raw = RawProfile.model_validate({**profile.model_dump(), "skills": _skills(profile, person)}) if profile else None
    if person is None or event.change == "changed":
        return Told(profile=raw)
    named = Person(
        mail=person.emails[0],
        given_name=person.given_name,
        family_name=person.family_name,
        phones=tuple(dict.fromkeys(person.phones)),
    )
    return Told(person=named, profile=raw)


def _skills(profile: ProfileIn, person: PersonIn | None) -> tuple[str, ...]:
    own = [person.given_name, person.family_name, *(mail.partition("@")[0] for mail in person.emails)] if person else []
    return skills_among(profile.skills, own=own)


def binary_attributes(headers: Mapping[str, str]) -> dict[str, str]:
    """The attributes of an event in HTTP's binary mode (`ce-*` headers)."""
    return {name[3:]: value for name, value in headers.items() if re.fullmatch(r"ce-[a-z0-9]{1,20}", name)}
