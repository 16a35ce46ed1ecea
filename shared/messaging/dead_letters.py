"""Dead letters: the original bytes with the reason, and a limit, so that a bad release stops instead of burning through the topic.

The limit counts what our handlers failed at and never failed at before. What is no event of ours is set aside without limit:
whoever may write to a topic could stop its readers otherwise, and that a release can read our events is what the tests of
the contracts' examples show. A record that was replayed, or that a restart brings again, is not counted a second time. So
each start gets past 24 records that fail, and what is not acknowledged is there for the release that can handle it.
"""

import hashlib
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, get_args

import asyncpg

from shared.contracts.base import rfc3339
from shared.contracts.topics import DEAD_LETTER_SUFFIX
from shared.messaging.envelope import Outgoing, Record
from shared.messaging.errors import FatalError
from shared.messaging.internals import size_when_sent
from shared.messaging.signatures import BAD_SIGNATURE, UNSIGNED, Headers

ADDED = (
    "fairpool_reason",
    "fairpool_group",
    "fairpool_topic",
    "fairpool_partition",
    "fairpool_offset",
    "fairpool_at",
)
"""The headers that a dead letter has after those it came with."""
SHORTENED = ("fairpool_bytes", "fairpool_sha256", "fairpool_left_out")
"""What comes after ADDED when the record was too large to be kept whole: length and digest of its value, which parts are cut
(value, key: to their first 4 KiB) or missing (headers)."""
LARGEST = 2 * 1024 * 1024
"""Bytes of a letter, as a producer counts: what our producer sends and what dead-letter topics take."""
REASONS = ("unknown_type", "no_id", "invalid", "unreadable", "wrong_key", "failed", UNSIGNED, BAD_SIGNATURE)
"""What a reason begins with, up to its colon."""
How = Literal["replayed", "done"]
"""What an operator did about a letter: sent it back, or dealt with it in another way."""
_NOTED = ("fairpool_letter", "fairpool_at")
_NO_TEXT = (asyncpg.CharacterNotInRepertoireError, asyncpg.UntranslatableCharacterError, UnicodeEncodeError)
_KEPT = 4096
_LONGEST_REASON = 1000
_IN_A_ROW = 25
_WINDOW = 1000
_SHARE = 0.2
_SHARE_COUNTS_FROM = 50


def dead_letter(record: Record, *, reason: str, group: str, at: datetime) -> Outgoing:
    """The record as it came, for `<topic>-dlq`, with `fairpool_*` headers that say why and where from.

    It fits always: of a record that is too large for that, a part is kept with SHORTENED headers, and nobody can replay it.
    """
    texts = (reason[:_LONGEST_REASON], group, record.topic, str(record.partition), str(record.offset), rfc3339(at))
    added = tuple((name, text.encode()) for name, text in zip(ADDED, texts, strict=True))
    letter = Outgoing(
        topic=record.topic + DEAD_LETTER_SUFFIX,
        key=record.key,
        value=b"" if record.key is record.value is None else record.value,  # aiokafka sends no record without both
        headers=(*record.headers, *added),
    )
    return letter if size_when_sent(letter) <= LARGEST else _shortened(letter, record.headers, added)


def _shortened(letter: Outgoing, own: Headers, added: Headers) -> Outgoing:
    key, value = letter.key or b"", letter.value or b""
    fits = {
        "value": len(value) <= _KEPT,
        "key": len(key) <= _KEPT,
        "headers": size_when_sent(Outgoing(letter.topic, None, None, own)) <= _KEPT,
    }
    left_out = " ".join(part for part, is_whole in fits.items() if not is_whole)
    texts = (str(len(value)), hashlib.sha256(value).hexdigest(), left_out)
    notes = tuple((name, text.encode()) for name, text in zip(SHORTENED, texts, strict=True))
    return Outgoing(
        topic=letter.topic,
        key=None if letter.key is None else key[:_KEPT],
        value=None if letter.value is None else value[:_KEPT],
        headers=(*(own if fits["headers"] else ()), *added, *notes),
    )


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What a dead letter of ours says of its record, and what it still has of it."""

    reason: str
    group: str
    origin: str
    """`topic/partition/offset` of the record."""
    at: str
    """RFC 3339."""
    own: Headers
    """The headers that the record came with; none where they are left out."""
    size: int
    """Bytes of the record's value."""
    digest: str | None = None
    """SHA-256 of the value, hexadecimal, where the letter is not whole."""
    left_out: str = ""
    """Of value, key and headers, those that the letter does not have whole, separated by spaces."""


def opened(letter: Record) -> DeadLetter | None:
    """What it says; None when this is no dead letter of ours. A record's own headers can't pass for what we add last."""
    names = tuple(name for name, _ in letter.headers)
    known = (*ADDED, *SHORTENED) if names[-len(SHORTENED) :] == SHORTENED else ADDED
    noted = {name: (raw or b"").decode("utf-8", "replace") for name, raw in letter.headers[-len(known) :]}
    if names[-len(known) :] != known or noted["fairpool_topic"] != letter.topic.removesuffix(DEAD_LETTER_SUFFIX):
        return None
    size = noted.get("fairpool_bytes", "")
    return DeadLetter(
        reason=noted["fairpool_reason"],
        group=noted["fairpool_group"],
        origin="/".join(noted[f"fairpool_{part}"] for part in ("topic", "partition", "offset")),
        at=noted["fairpool_at"],
        own=letter.headers[: -len(known)],
        size=int(size[:19]) if size.isdecimal() else len(letter.value or b""),
        digest=noted.get("fairpool_sha256"),
        left_out=noted.get("fairpool_left_out", ""),
    )


def original(letter: Record) -> Outgoing | None:
    """The record as it came, for the topic that it came from; None when this is no dead letter of ours, or not whole.

    It has its own event id, so whoever handled it already drops it.
    """
    found = opened(letter)
    if found is None or found.digest is not None:
        return None
    topic = letter.topic.removesuffix(DEAD_LETTER_SUFFIX)
    return Outgoing(topic=topic, key=letter.key, value=letter.value, headers=found.own)


@dataclass(frozen=True, slots=True)
class DealtWith:
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


def settled(record: Record) -> DealtWith | None:
    """What the record notes; None when it is no note (a dead letter never passes for one: it ends with ADDED)."""
    if record.value is not None or tuple(name for name, _ in record.headers) != _NOTED:
        return None
    position = (record.key or b"").decode("utf-8", "replace")
    how, at = ((raw or b"").decode("utf-8", "replace") for _, raw in record.headers)
    found = next((known for known in get_args(How) if known == how), None)
    return None if found is None else DealtWith(position, found, at)


def mark(record: Record) -> str:
    """What the inbox remembers a dead letter by: place and bytes, since a topic made anew counts from 0 again."""
    return f"dead:{record.position}:{_digest(record)}"


def failed_before(record: Record) -> str:
    """What the inbox remembers bytes by that a handler failed at, wherever a replay puts them."""
    return f"failed:{_digest(record)}"


def is_of_its_text(error: Exception) -> bool:
    """Whether a record carries text that PostgreSQL can't hold (U+0000, half a surrogate): no handler's mistake."""
    return isinstance(error, _NO_TEXT) or isinstance(error.__cause__, _NO_TEXT)


def _digest(record: Record) -> str:
    return hashlib.sha256(repr((record.key, record.value, record.headers)).encode()).hexdigest()[:16]


@dataclass(slots=True)
class DeadLetterLimit:
    """Stops at 25 failed records in a row, or when of the last 1,000 that handlers had more than a fifth (and 50) failed.

    After getsentry/arroyo's dead-letter limits: consecutive count and ratio.
    """

    _row: int = 0
    _recent: deque[bool] = field(default_factory=lambda: deque(maxlen=_WINDOW))

    def handled(self, records: int) -> None:
        """So many went well."""
        if records:
            self._row = 0
            self._recent.extend([False] * min(records, _WINDOW))

    def failed(self) -> None:
        """One more failed; FatalError when that is too many. Call it before the dead letter is written."""
        self._row += 1
        self._recent.append(True)
        died = sum(self._recent)
        if self._row >= _IN_A_ROW or (died >= _SHARE_COUNTS_FROM and died > _SHARE * len(self._recent)):
            raise FatalError(
                f"too many dead letters ({self._row} in a row, {died} of the last {len(self._recent)}): "
                "stopped before more are set aside; nothing of this batch was acknowledged"
            )
