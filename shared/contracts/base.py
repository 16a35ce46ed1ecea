"""What every event shares: a type, a topic, a key, and how its fields are written."""

from datetime import UTC, datetime
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, PlainSerializer

from shared.contracts.bounds import Version
from shared.contracts.topics import Topic
from shared.security.seals import Seals
from shared.security.statements import StatementReader


def _aware(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("a time needs its offset from UTC, as in 2026-11-22T10:00:00Z")
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("lies outside the years 1 to 9999") from None


def rfc3339(value: datetime) -> str:
    """The time as RFC 3339 in UTC, with `Z`."""
    in_utc = value if value.tzinfo is UTC else value.astimezone(UTC)
    return in_utc.isoformat()[: -len("+00:00")] + "Z"


Instant = Annotated[datetime, AfterValidator(_aware), PlainSerializer(rfc3339, return_type=str, when_used="json")]
"""An aware moment, kept in UTC, written as RFC 3339 with `Z`."""


class Value(BaseModel):
    """A frozen part of an event; readers ignore fields that a later version added."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Event(Value):
    """A fact in the past tense. A version only ever gains optional fields; anything else is a new class."""

    TYPE: ClassVar[str]
    """The CloudEvents `type`, ending in its version."""
    TOPIC: ClassVar[Topic]
    KEY: ClassVar[str]
    """The field that is the record's key."""
    SAID_BY: ClassVar[str | None] = None
    """Where several may write to the topic and each speaks for itself alone: the field that names who says it."""

    @property
    def key(self) -> str:
        """The Kafka key: all events of one key keep their order."""
        return str(getattr(self, self.KEY))

    @property
    def said_by(self) -> str | None:
        """The process that says it, where the event names it: only its own signature is believed."""
        return None if self.SAID_BY is None else str(getattr(self, self.SAID_BY))

    def told_at(self, at: datetime) -> datetime:
        """The `ce_time` of an event that happened then; an event that must not tell the moment says a coarser one."""
        return at

    def unproven(self, statements: StatementReader, *, required: bool) -> str | None:
        """Why it is not believed though its owner signed it, or None; not `required` while not everybody brings proofs."""
        return None

    def opened(self, seals: Seals) -> Self:
        """The same with what is sealed in it, for a process that has the keys; ValueError where they do not open it."""
        return self

    def is_outdated(self, seals: Seals) -> bool:
        """Whether its owner writes it otherwise by now, and is to say it again."""
        return False


class State(Event):
    """The whole present state of its key, on a compacted topic; the highest version is the truth, whatever comes last."""

    version: Version
