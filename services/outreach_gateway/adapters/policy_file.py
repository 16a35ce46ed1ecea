"""Reads a policy file; what is wrong in it is said in words."""

import tomllib
from datetime import time, timedelta
from pathlib import Path
from zoneinfo import available_timezones

from pydantic import BaseModel, ConfigDict, Field, field_validator

from services.outreach_gateway.model import Policy

POLICIES = Path(__file__).parent.parent / "policies"


class _Cap(BaseModel):
    model_config = ConfigDict(extra="forbid")
    number: int = Field(ge=1)
    window: timedelta


class _FirstContact(BaseModel):
    model_config = ConfigDict(extra="forbid")
    at_most: tuple[_Cap, ...] = Field(min_length=1)
    gap: timedelta
    same_employer: timedelta
    unanswered_after: timedelta
    halve_after_unanswered: int = Field(ge=1)


class _Hours(BaseModel):
    model_config = ConfigDict(extra="forbid")
    opens: time
    closes: time
    unknown_zone: tuple[str, ...] = Field(min_length=1)

    @field_validator("unknown_zone")
    @classmethod
    def _are_zones(cls, zones: tuple[str, ...]) -> tuple[str, ...]:
        unknown = sorted(set(zones) - available_timezones())
        if unknown:
            raise ValueError(f"not IANA zones: {', '.join(unknown)}")
        return zones


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")
    version: str = Field(pattern=r"^[0-9a-z.-]{1,40}$")
    slot_good_for: timedelta
    held_for_grant: timedelta
    latest_slot: timedelta = Field(le=timedelta(days=14))
    first_contact: _FirstContact
    hours: _Hours


def read_policy(version: str) -> Policy:
    """The policy of this version; ValueError (pydantic's, naming the field) when the file is wrong."""
    file = _File.model_validate(tomllib.loads((POLICIES / f"{version}.toml").read_text(encoding="utf-8")))
    first = file.first_contact
    return Policy(
        version=file.version,
        slot_good_for=file.slot_good_for,
        held_for_grant=file.held_for_grant,
        latest_slot=file.latest_slot,
        network=tuple((cap.number, cap.window) for cap in first.at_most),
        gap=first.gap,
        same_employer=first.same_employer,
        unanswered_after=first.unanswered_after,
        halve_after_unanswered=first.halve_after_unanswered,
        opens=file.hours.opens,
        closes=file.hours.closes,
        unknown_zone=file.hours.unknown_zone,
    )
