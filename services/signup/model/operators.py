"""What operators see and what is kept of their acts."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class OperatorAct:
    """One thing that an operator did, and why."""

    seq: int
    at: datetime
    by: str
    act: str
    tenant: str | None
    candidate: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Outstanding:
    """A service that has not confirmed yet that it erased what it kept of an erased person."""

    candidate: str
    service: str
    erased_at: datetime
    asked_at: datetime
    """When it was asked last."""
    asked: int
    """How often."""
    ask_at: datetime
    """When it is asked again."""


@dataclass(frozen=True, slots=True)
class LookedUp:
    """What signup holds of a person, as states, ids and times: no name, no address, no words."""

    candidate: str
    registered_at: datetime
    confirmed_at: datetime | None
    stub_until: datetime
    match_granted: bool
    paused_until: datetime | None
    ends_at: datetime | None
    claims: tuple[Mapping[str, Any], ...]
    """vendor, employer, record, claimed_at, registered: at most 200, oldest first."""
    mails: tuple[Mapping[str, Any], ...]
    """kind, id, purpose, employer, state, attempts, changed_at: at most 100, newest first."""
