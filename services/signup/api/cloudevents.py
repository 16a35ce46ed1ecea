"""What `POST /v1/events` takes: CloudEvents 1.0 with our four types, checked field by field."""

import re
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Annotated, Any, Literal, TypeVar, get_args
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    StringConstraints,
    model_validator,
)
from pydantic_core import CoreSchema, core_schema

from services.signup.api.envelopes import json_in_utf8
from services.signup.decisions.places import is_outside_the_states, state_code
from services.signup.decisions.skills import skills_among
from services.signup.model.people import Change, Person, RawProfile, Told
from services.signup.vault.addresses import parse_mail, without_unseen
from services.signup.vault.phones import parse_phone
from shared.contracts.codes import STATES, occupation_codes
from shared.contracts.signup import EmploymentType
from shared.web.types import Form, Line, RequestModel, is_empty, soc_of_onet

T = TypeVar("T")

_LONGEST_SKILL = 60
_LONGEST_TEXT = 1000
"""Of what is looked at at all: whatever is longer is no email and no attribute of an event."""
_LONGEST_PHONE = 40
_MOST_EMAILS = 10
_NOT_ALLOWED = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef]")
_COUNTRY = frozenset({"us", "usa", "u.s.", "u.s.a.", "united states", "united states of america"})
_ZONES = frozenset(available_timezones())
_SOC = "a code of the 2018 SOC, such as 29-1141"
EventType = Literal["candidate.signed_up", "candidate.changed", "candidate.hired", "candidate.deleted"]
_CHANGES: Mapping[str, Change] = {
    "candidate.signed_up": "signed_up",
    "candidate.changed": "changed",
    "candidate.hired": "hired",
    "candidate.deleted": "deleted",
}


def _has_no_email(emails: object) -> bool:
    return is_empty(emails) or (isinstance(emails, list) and all(is_empty(one) for one in emails))


def _visible(value: object) -> object:
    return without_unseen(value) if isinstance(value, str) and len(value) <= _LONGEST_TEXT else value


def _mailable_ones(value: object) -> object:
    """Without those that can't be mailed, if another can: a vendor's list often holds a remark or an old address."""
    if not isinstance(value, list | tuple) or len(value) > _MOST_EMAILS:
        return value
    mailable = [one for one in value if is_mailable(one)]
    return mailable or (value if any(not is_empty(one) for one in value) else [])


def is_mailable(value: object) -> bool:
    """Whether it is an email to which mail can be sent."""
    try:
        return isinstance(value, str) and bool(parse_mail(value))
    except ValueError:
        return False


def phone_of(value: object) -> str | None:
    """The phone number; None where there stands something else, as `n/a` or `ask first` does in many an ATS."""
    try:
        return parse_phone(value) if isinstance(value, str) and len(value) <= _LONGEST_PHONE else None
    except ValueError:
        return None


def _phones(value: object) -> object:
    return [phone_of(one) for one in value] if isinstance(value, list | tuple) else value


def _or_none(value: object) -> object:
    return None if is_empty(value) else value


def _not_none(values: Iterable[T | None]) -> tuple[T, ...]:
    return tuple(value for value in values if value is not None)


def _attribute(value: str) -> str:
    if _NOT_ALLOWED.search(value) or any(ord(mark) & 0xFFFE == 0xFFFE for mark in value):
        raise ValueError("must hold no control characters and no noncharacters of Unicode")
    return value


def _only_text(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("must be a time such as 2026-11-22T10:00:00Z")
    return value


def _zone(value: str) -> str:
    if value not in _ZONES:
        raise ValueError("must be an IANA time zone such as America/Denver")
    return value


def _skill(value: str) -> str:
    if len(value) > _LONGEST_SKILL or "@" in value or sum(map(str.isdigit, value)) >= 7:
        raise ValueError(f"must be at most {_LONGEST_SKILL} characters, without an email or a phone number")
    return value


def _no_address(value: str) -> str:
    if "@" in value:
        raise ValueError("must not hold an email: it travels in clear")
    return value


def _state(value: str) -> str:
    """Also `NC, USA`, `CA - California`, `California (CA)`, `Washington State`: each part must say the same."""
    parts = [
        part for part in re.split(r"[(),/]| - ", value) if part.strip() and part.strip().casefold() not in _COUNTRY
    ]
    codes = {state_code(part) or state_code(part.strip().removesuffix("State").removesuffix("state")) for part in parts}
    code = state_code(value) or (codes.pop() if len(codes) == 1 else None)
    if code not in STATES:
        raise ValueError("must be one of the 50 states or the District of Columbia, such as CO or Colorado")
    return code


def _whole(value: object) -> object:
    """JSON has one kind of number: `6.0` is 6."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _postal_code(value: str) -> str:
    if is_outside_the_states(None, value):
        raise ValueError("must be a ZIP code of the 50 states or the District of Columbia")
    return value


def _occupation(value: str) -> str:
    if value not in occupation_codes():
        raise ValueError(f"must be {_SOC}")
    return value


class _WithoutEmpty:
    """Of a `tuple[T, ...]`."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # noqa: ANN401 - pydantic's own
        inner = handler.generate_schema(get_args(source)[0])
        entry = core_schema.no_info_before_validator_function(_or_none, core_schema.nullable_schema(inner))
        listed = core_schema.tuple_variable_schema(entry)
        return core_schema.no_info_after_validator_function(_not_none, listed)


Listed = Annotated[tuple[T, ...], _WithoutEmpty()]
"""A list whose empty entries (null or blank text) are passed over; the others keep their places in errors."""
Attribute = Annotated[
    str, StringConstraints(strict=True, min_length=1, max_length=_LONGEST_TEXT), AfterValidator(_attribute)
]
"""A String of CloudEvents' type system."""
Mail = Annotated[Line, Field(max_length=320), AfterValidator(parse_mail), BeforeValidator(_visible)]
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
Occupation = Annotated[str, Form(r"[0-9]{2}-[0-9]{4}", _SOC), AfterValidator(_occupation), BeforeValidator(soc_of_onet)]
Record = Annotated[str, Form(r"[A-Za-z0-9._:-]{1,128}", "at most 128 letters, digits, or any of . _ : -")]
Years = Annotated[int, Field(strict=True, ge=0, le=80), BeforeValidator(_whole)]
Dollars = Annotated[int, Field(strict=True, ge=0, le=10_000_000), BeforeValidator(_whole)]


class PersonIn(RequestModel):
    """Who the person is; the first email that can be used is."""

    given_name: Line | None = None
    family_name: Line | None = None
    emails: Annotated[tuple[Mail, ...], BeforeValidator(_mailable_ones)] = Field(
        min_length=1, max_length=_MOST_EMAILS, description="The first that can be mailed is the one that is used."
    )
    phones: Annotated[Listed[str], BeforeValidator(_phones)] = Field(
        default=(), max_length=10, description="What is no phone number is passed over."
    )


class ProfileIn(RequestModel):
    """What the person does, and looks for."""

    titles: Listed[Annotated[Line, AfterValidator(_no_address)]] = Field(default=(), max_length=20)
    occupations: Listed[Occupation] = Field(
        default=(), max_length=20, description="Codes of the 2018 SOC; without any, the titles are looked up."
    )
    skills: Listed[Annotated[Line, AfterValidator(_skill)]] = Field(
        default=(),
        max_length=200,
        description="Words such as triage or forklift. Those that are not on Fairpool's list of skills are dropped, and"
        " those that share a word with the person's name or email.",
    )
    years: Years | None = None
    postal_code: PostalCode | None = None
    state: State | None = None
    remote: Annotated[bool, Field(strict=True)] = False
    employment_types: Listed[EmploymentType] = Field(default=(), max_length=5)
    pay_floor: Dollars | None = Field(None, description="US dollars a year.")
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
    id: Attribute = Field(description="Your own; an event that comes again is recognized by it.")
    source: Attribute = Field(description="Your own tenant id.")
    type: EventType
    time: Annotated[AwareDatetime, BeforeValidator(_only_text)] | None = None
    subject: Attribute | None = None
    datacontenttype: Annotated[Attribute, AfterValidator(json_in_utf8)] | None = Field(
        None, description="application/json, if it is there at all."
    )
    dataschema: Attribute | None = None
    data: DataIn

    @model_validator(mode="before")
    @classmethod
    def _without_nobody(cls, value: Any) -> Any:  # noqa: ANN401 - before validation it may be anything
        """A person without a single email is nobody, where nobody needs to be named; where somebody does, it is the email
        that is missing.
        """
        if not isinstance(value, dict):
            return value
        data = value.get("data")
        person = data.get("person") if isinstance(data, dict) else None
        if value.get("type") == "candidate.signed_up":
            is_missing = isinstance(data, dict) and person is None
            return {**value, "data": {**data, "person": {}}} if is_missing and isinstance(data, dict) else value
        if not isinstance(data, dict) or not isinstance(person, dict) or not _has_no_email(person.get("emails")):
            return value
        return {**value, "data": {**data, "person": None}}

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
    if person is None:
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
