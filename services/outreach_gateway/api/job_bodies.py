"""The job that a message names: a real one, its place and its pay."""

import json
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from services.outreach_gateway.model import JOB_NAME, DeclaredJob
from shared.contracts.codes import occupation_codes
from shared.web.types import Day, Form, PublicUrl, ReadableLine, RequestModel, soc_of_onet

EXAMPLE: dict[str, Any] = {
    "title": "Registered nurse, night shift",
    "occupation": "29-1141",
    "organization": "Denver Health",
    "location": "Denver, CO",
    "remote": False,
    "pay": {"min": 82000, "max": 96000, "currency": "USD", "per": "year"},
    "url": "https://jobs.example.org/42",
    "valid_through": "2027-01-31",
}


_CODE = "a code of the 2018 SOC such as 29-1141, or of O*NET such as 29-1141.00"


def _money(value: float) -> float:
    if round(value, 2) != value:
        raise ValueError("must be an amount of money, with two decimals at most")
    return value


Amount = Annotated[float, Field(strict=True, ge=1, le=100_000_000), AfterValidator(_money)]


def there_is(words: str) -> AfterValidator:
    """A code that is in the 2018 SOC; another is told that it must be `words`."""

    def checked(code: str) -> str:
        if code not in occupation_codes():
            raise ValueError(f"must be {words}; GET /v1/occupations of pool matching finds them")
        return code

    return AfterValidator(checked)


class PayRequest(RequestModel):
    """A range, as the job's own notice would state it."""

    min: Amount
    max: Amount
    currency: Annotated[str, Form(r"[A-Z]{3}", "a currency's code of three capital letters (ISO 4217), such as USD")]
    per: Literal["hour", "day", "week", "month", "year"]

    @model_validator(mode="after")
    def _is_a_range(self) -> "PayRequest":
        if self.max < self.min:
            raise ValueError("max must not be below min")
        return self


class JobRequest(RequestModel):
    """The job (after schema.org JobPosting)."""

    model_config = ConfigDict(json_schema_extra={"example": EXAMPLE})

    title: ReadableLine = Field(description="As the organization, without the network's own name.")
    occupation: Annotated[
        str,
        Form(r"[0-9]{2}-[0-9]{4}", _CODE),
        there_is(_CODE),
        BeforeValidator(soc_of_onet),
    ]
    organization: ReadableLine = Field(description="Who employs, without the network's own name.")
    location: ReadableLine = Field(description="Without the network's own name, too.")
    remote: bool
    pay: PayRequest
    url: PublicUrl = Field(
        description="The job's page. People reach it through a page of ours, and no other link stands in a message."
    )
    valid_through: Day = Field(description="The last day of the offer: nothing is sent after it, where the person is.")


@dataclass(frozen=True, slots=True)
class NamedJob:
    """What `job` is in a message: the id of one that was declared, or the job itself."""

    id: str | None = None
    given: JobRequest | None = None

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # noqa: ANN401 - pydantic's own
        return core_schema.no_info_wrap_validator_function(cls._read, handler.generate_schema(JobRequest))

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        declared = {
            "type": "string",
            "pattern": f"^{JOB_NAME.pattern}$",
            "description": "The id of a job declared before.",
        }
        return {"anyOf": [handler(schema), declared]}

    @classmethod
    def _read(cls, value: object, handler: core_schema.ValidatorFunctionWrapHandler) -> Self:
        if not isinstance(value, str):
            return cls(given=handler(value))
        if not JOB_NAME.fullmatch(value):
            raise ValueError("must be a job, or the id of one that PUT /v1/jobs/(id) declared")
        return cls(id=value)


class PayOut(BaseModel):
    """As it was sent."""

    min: float
    max: float
    currency: str
    per: str


class JobShown(BaseModel):
    """As it was sent: the form of today holds for what comes today."""

    title: str
    occupation: str
    organization: str
    location: str
    remote: bool
    pay: PayOut
    url: str
    valid_through: date


class JobOut(BaseModel):
    """A declared job: what was sent, under its id; `version` rises when it changes."""

    model_config = ConfigDict(json_schema_extra={"example": {"id": "night-rn-42", "version": 1, "job": EXAMPLE}})

    id: str
    version: int
    job: JobShown

    @classmethod
    def of(cls, kept: DeclaredJob) -> Self:
        """As it is kept."""
        return cls(id=kept.id, version=kept.version, job=JobShown.model_validate_json(kept.body))


class JobsOut(BaseModel):
    """A part of the list, by id."""

    items: list[JobOut]
    next: str | None = Field(description="Pass it as `after` to go on; null: these were the last.")


def body_of(job: JobRequest, *, but: str | None = None) -> str:
    """As it is kept: the same job is the same text; `but` leaves a field out."""
    return json.dumps(
        job.model_dump(mode="json", exclude={but} if but else None), sort_keys=True, separators=(",", ":")
    )
