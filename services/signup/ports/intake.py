"""What comes in from vendors: its formats, the sources that may post it, and where it is put."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, Protocol

from services.signup.model.hooks import Ignored, ListedSource, Malformed, Reading, Source
from services.signup.model.people import Change
from services.signup.model.reports import Report, Taken
from shared.messaging.errors import TransientError

KEPT = timedelta(days=1)
"""How long what is told of an unknown record is kept: as long as vendors repeat a webhook that failed."""


class Format(Protocol):
    """How one ATS writes its webhooks."""

    signed_as: str
    """The header with the signature and what it is, for whose signature does not hold."""

    def has_signature(self, headers: Mapping[str, str]) -> bool:
        """Whether there is anything to verify; asked before the body is read."""

    def verify(self, headers: Mapping[str, str], raw: bytes, secret: str) -> bool:
        """Whether the body was signed with the secret; looked at before anything is parsed."""

    def event_id(self, headers: Mapping[str, str], raw: bytes) -> str:
        """What is the same when the event is sent again."""

    def read(self, raw: bytes, *, at: datetime) -> list[Reading] | Ignored | Malformed:
        """What the event says; `at` is now, for what is still going on."""


class Intake(Protocol):
    """The way onto the bus."""

    async def take(self, reports: Sequence[Report]) -> Taken:
        """Returns once Kafka has the reports; raises a transient error when it does not, or the database does not answer."""


class Backlog(Protocol):
    """What is kept of records that nobody knows yet."""

    async def full(self, vendor: str) -> frozenset[Change]:
        """The changes of which no more is taken of this tenant now, known record or not: too much of it is kept already."""

    def note_refused(self, reports: int) -> None:
        """So many were turned away for it."""


class SourceShutError(TransientError):
    """The secret of a webhook does not open: what is posted there waits until an operator has set another."""

    WAITS_FOR = "vault"
    MAY_END_THE_PROCESS = False


class Sources(Protocol):
    """The webhooks that an operator set up."""

    async def find(self, format_: str, source: str, *, fresh: bool = False) -> Source | None:
        """The webhook of this name; `fresh`: as the table has it now, though not more than once a second.

        SourceShutError where its secret does not open.
        """

    async def add(self, source: Source, *, by: str) -> Literal["added", "same", "different"]:
        """Keep it; never over another of the same name. `by`: the operator, for the log, as below."""

    async def listed(self) -> Sequence[ListedSource]:
        """All of them, by name."""

    async def rotate(self, format_: str, source: str, secret: str, *, previous_until: datetime, by: str) -> bool:
        """Another secret signs from now on, the present one until then as well, if it opens; whether there is such a webhook."""

    async def delete(self, format_: str, source: str, *, by: str) -> bool:
        """Forget it; whether it was there."""
