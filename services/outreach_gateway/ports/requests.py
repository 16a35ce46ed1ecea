"""The rows of outreach as requests need them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, Protocol

from services.outreach_gateway.answers import Course, News, Told
from services.outreach_gateway.model import (
    PublicKey,
    Rule,
)
from shared.facts import Fact


@dataclass(frozen=True, slots=True)
class Submission:
    """One message as it came in, its words sealed."""

    id: str
    employer: str
    candidate: str
    pool_tag: bytes
    generation: int
    """These three as the ref said them."""
    member_ref: str
    digest: bytes
    """Keyed: tells whether a repeated request says the same."""
    sealed: str
    sealed_job: str
    """The job alone: what its person may see while it waits."""
    key_missing: bool
    """Sealed to nobody: the person has no key here."""
    at: datetime
    last_day: date
    expires_at: datetime
    valid_through: date
    held_until: datetime
    tell_at: datetime
    occupation: str | None = None
    """Of the job."""
    job_state: str | None = None
    """Where the job is, if its location says so."""
    earlier_names: tuple[str, ...] = ()
    """What older keys call the same request: another process may have taken it in under one of them a moment ago."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A message that was taken in, as its employer knows it."""

    id: str
    candidate: str
    digest: bytes
    """Of what was sent."""
    course: Course
    told: Told


@dataclass(frozen=True, slots=True)
class Account:
    """One row as its readers see it."""

    id: str
    employer: str
    member_ref: str
    course: Course
    told: Told
    expires_at: datetime
    decision: Literal["admit", "delay", "drop", "cancel"] | None
    rule: Rule | None
    policy: str | None
    decided_at: datetime | None
    slot_at: datetime | None


class RequestStore(Protocol):
    """The gateway's rows as requests need them, inside one transaction."""

    async def public_key(self, candidate: str) -> Fact[PublicKey]:
        """The key to which words for this person are sealed."""

    async def kept(self, ids: Sequence[str]) -> Taken | None:
        """What was sent under one of these ids before; None: nothing was."""

    async def earlier_to_refs(
        self, employer: str, candidate: str, member_refs: Sequence[str], *, since: datetime, but: Sequence[str]
    ) -> Sequence[Taken]:
        """What this employer wrote to these member refs of one person since then, the newest first; without those of these ids."""

    async def submit(self, submission: Submission) -> Taken:
        """Takes it in, once, and publishes the request; what stands under its id, or an earlier name of it, now."""

    async def account(self, id: str, employer: str | None) -> Account | None:
        """The row, if it is this employer's (None: anybody's)."""

    async def accounts_of(self, candidate: str, *, limit: int) -> Sequence[Account]:
        """Everything to one person, newest first: for the operator."""

    async def accounts_of_seat(self, employer: str, *, after: str, limit: int) -> Sequence[Account]:
        """The employer's messages to members with an id behind this one, by id."""

    async def lock_one(self, id: str, employer: str) -> Taken | None:
        """The row, locked with its person, if it is this employer's."""

    async def take_back(self, employer: str, taken: Taken, tell_at: datetime | None, news: News) -> None:
        """It is decided for once more, to leave its person's queue, and its employer is told so at once."""

    async def seal_again(self, id: str, sealed: str, sealed_job: str, *, key_missing: bool) -> None:
        """Other words for it, unless it has left."""
