"""Reads policy files; what is wrong in one is said in words."""

import tomllib
from datetime import time, timedelta
from pathlib import Path
from zoneinfo import available_timezones

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import ErrorDetails

from services.outreach_gateway.decisions import KEPT
from services.outreach_gateway.model import Policy
from services.outreach_gateway.policy import contradictions
from shared.contracts import agreements

POLICIES = Path(__file__).parent.parent / "policies"


class PolicyError(Exception):
    """The policy can't be decided by; a sentence for each reason."""

    def __init__(self, reasons: tuple[str, ...]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


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
    halve_after_unanswered: int = Field(ge=0)


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


def policy_in_force(name: str, *, own: Path | None = None, own_agreements: Path | None = None) -> Policy:
    """The policy of this version (shipped, or in the operator's directory) or of this file, checked.

    PolicyError when it can't be read, contradicts itself, or allows more than an agreement that was found promises.
    """
    policy = read_policy(name, own=own)
    try:
        signed = agreements.load(own_agreements)
    except ValueError as error:
        raise PolicyError((str(error),)) from error
    if found := contradictions(policy, {version: one.limits for version, one in signed.items()}, kept=KEPT):
        raise PolicyError(tuple(f"policy {policy.version} {reason}" for reason in found))
    return policy


def read_policy(name: str, *, own: Path | None = None) -> Policy:
    """As `policy_in_force`, without holding it against anything."""
    if own is not None and not own.is_dir():
        raise PolicyError((f"{own}: expected a directory that this process may read",))
    shipped, theirs = POLICIES / f"{name}.toml", own / f"{name}.toml" if own else None
    if name.endswith(".toml") or "/" in name:
        path = Path(name)
    elif theirs is not None and theirs.is_file():
        path = theirs
    elif shipped.is_file():
        path = shipped
    else:
        raise PolicyError((f"there is no policy {name}; there are {', '.join(files(own))}",))
    policy = read_file(path)
    known = POLICIES / f"{policy.version}.toml"
    if known.is_file() and known.read_bytes() != path.read_bytes():
        raise PolicyError((f"{path}: version {policy.version} is shipped with another text; give yours a new version",))
    return policy


def files(own: Path | None = None) -> dict[str, Path]:
    """Every policy file, shipped or in the operator's directory, by its name, which is its version."""
    found = [*POLICIES.glob("*.toml"), *(own.glob("*.toml") if own else ())]
    return {path.stem: path for path in sorted(found, key=lambda path: path.stem)}


def read_file(path: Path) -> Policy:
    """The policy in this file; PolicyError, with its name and a sentence for each field, when something in it is wrong."""
    try:
        file = _File.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise PolicyError(tuple(f"{path}: {_sentence(item)}" for item in error.errors())) from error
    except (OSError, ValueError) as error:  # a TOMLDecodeError and a UnicodeDecodeError are ValueErrors
        raise PolicyError((f"{path}: {error}",)) from error
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


def _sentence(error: ErrorDetails) -> str:
    return f"{'.'.join(str(part) for part in error['loc'])}: {error['msg'].removeprefix('Value error, ')}"
