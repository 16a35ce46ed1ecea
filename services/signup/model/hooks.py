"""Webhooks: whose they are, and what was read of one."""

from dataclasses import dataclass
from datetime import datetime

from services.signup.model.people import NOTHING_TOLD, Change, Told


@dataclass(frozen=True, slots=True)
class Reading:
    """What a format's adapter understood: one change of one record in the vendor's own numbering."""

    change: Change
    record: str
    told: Told = NOTHING_TOLD
    into: str | None = None
    """For `merged`: the record that goes on; `record` is no more."""
    person_left_out: str | None = None
    """One of `PASSED_OVER`: why only the profile of a change is used."""


PASSED_OVER = ("person_without_email", "person_may_not_be_mailed", "person_outside_the_states")
"""Why a person whom an ATS tells of is not taken, though nobody did anything wrong."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """A well-formed event that is none of our business; `action` is its documented name, or one of `PASSED_OVER`."""

    action: str


@dataclass(frozen=True, slots=True)
class Malformed:
    """A body that can't be understood: what was expected, without values; `reason` is for programs."""

    detail: str
    reason: str = "malformed"


@dataclass(frozen=True, slots=True)
class Source:
    """A webhook: which employer's ATS posts to it, and the secret that it signs with."""

    format: str
    source: str
    vendor: str
    employer: str
    secret: str
    previous: str | None = None
    """The secret before this one, as long as it still signs."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """All that sign now."""
        return (self.secret,) if self.previous is None else (self.secret, self.previous)

    def __repr__(self) -> str:
        return f"Source({self.format}/{self.source})"


@dataclass(frozen=True, slots=True)
class ListedSource:
    """A webhook as an operator sees it: without its secret."""

    format: str
    source: str
    vendor: str
    employer: str
    added_at: datetime | None
    previous_until: datetime | None
    """Until when the secret before the present one still signs."""
    is_shut: bool
    """A rotation of the vault found that its secret does not open: nothing is taken until another is set."""
