"""Dead letters: the original bytes with the reason, and a limit, so that a bad release stops instead of burning through the topic."""

import hashlib
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, get_args

from shared.contracts.base import rfc3339
from shared.contracts.topics import DEAD_LETTER_SUFFIX
from shared.messaging.envelope import Outgoing, Record
from shared.messaging.errors import FatalError

ADDED = (
    "fairpool_reason",
    "fairpool_group",
    "fairpool_topic",
    "fairpool_partition",
    "fairpool_offset",
    "fairpool_at",
)
"""The headers that a dead letter has after those it came with."""
REASONS = ("unknown_type", "no_id", "invalid", "unreadable", "wrong_key", "failed")
"""What a reason begins with, up to its colon."""
How = Literal["replayed", "done"]
"""What an operator did about a letter: sent it back, or dealt with it in another way."""
_NOTED = ("fairpool_letter", "fairpool_at")
_IN_A_ROW = 25
_WINDOW = 1000
_SHARE = 0.2
_SHARE_COUNTS_FROM = 50


def dead_letter(record: Record, *, reason: str, group: str, at: datetime) -> Outgoing:
    """The record as it came, for `<topic>-dlq`, with `fairpool_*` headers that say why and where from."""
    added = (reason, group, record.topic, str(record.partition), str(record.offset), rfc3339(at))
    return Outgoing(
        topic=record.topic + DEAD_LETTER_SUFFIX,
        key=record.key,
        value=b"" if record.key is record.value is None else record.value,  # aiokafka sends no record without both
        headers=(*record.headers, *((name, text.encode()) for name, text in zip(ADDED, added, strict=True))),
    )


def original(letter: Record) -> Outgoing | None:
    """The record as it came, for the topic that it came from; None when this is no dead letter of ours.

    It has its own event id, so whoever handled it already drops it.
    """
    own, added = letter.headers[: -len(ADDED)], letter.headers[-len(ADDED) :]
    topic = letter.topic.removesuffix(DEAD_LETTER_SUFFIX)
    if tuple(name for name, _ in added) != ADDED or dict(added)["fairpool_topic"] != topic.encode():
        return None
    return Outgoing(topic=topic, key=letter.key, value=letter.value, headers=own)


@dataclass(frozen=True, slots=True)
class Settled:
    """An operator's note that a letter is dealt with: a record of its own, behind the letter on the same topic.

    It outlives the letter, since Kafka deletes from the front, and says nothing of whom the letter is about.
    """

    position: str
    """The letter's `topic/partition/offset`."""
    how: How
    at: str
    """RFC 3339."""

    def note(self) -> Outgoing:
        """The record that says so; without a value, so that nobody takes it for an event."""
        return Outgoing(
            topic=self.position.rsplit("/", 2)[0],
            key=self.position.encode(),
            value=None,
            headers=tuple((name, text.encode()) for name, text in zip(_NOTED, (self.how, self.at), strict=True)),
        )


def settled(record: Record) -> Settled | None:
    """What the record notes; None when it is no note (a dead letter never passes for one: it ends with ADDED)."""
    if record.value is not None or tuple(name for name, _ in record.headers) != _NOTED:
        return None
    position = (record.key or b"").decode("utf-8", "replace")
    how, at = ((raw or b"").decode("utf-8", "replace") for _, raw in record.headers)
    found = next((known for known in get_args(How) if known == how), None)
    return None if found is None else Settled(position, found, at)


def mark(record: Record) -> str:
    """What the inbox remembers a dead letter by: place and bytes, since a topic made anew counts from 0 again."""
    digest = hashlib.sha256(repr((record.key, record.value, record.headers)).encode()).hexdigest()[:16]
    return f"dead:{record.position}:{digest}"


@dataclass(slots=True)
class DeadLetterLimit:
    """Raises FatalError at 25 dead letters in a row, or when of the last 1,000 records more than a fifth (and 50) died.

    After getsentry/arroyo's dead-letter limits: consecutive count and ratio.
    """

    _row: int = 0
    _recent: deque[bool] = field(default_factory=lambda: deque(maxlen=_WINDOW))

    def note(self, *, dead: bool) -> None:
        """Counts one record; call it before a dead letter is written."""
        self._recent.append(dead)
        self._row = self._row + 1 if dead else 0
        died = sum(self._recent) if dead else 0
        if self._row >= _IN_A_ROW or (died >= _SHARE_COUNTS_FROM and died > _SHARE * len(self._recent)):
            raise FatalError(
                f"too many dead letters ({self._row} in a row, {died} of the last {len(self._recent)}): "
                "stopped before more are set aside; nothing of this batch was acknowledged"
            )
