"""The one envelope: CloudEvents 1.0 in Kafka's binary mode (`ce_*` headers); structured mode is read as well."""

import base64
import codecs
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache
from typing import Generic, TypeVar

from pydantic import ValidationError

from shared.contracts.base import Event, rfc3339
from shared.contracts.registry import EVENTS
from shared.contracts.topics import TOPICS, signer_of
from shared.ids import event_id
from shared.media_types import media_type
from shared.messaging.signatures import BAD_SIGNATURE, UNKNOWN_KEY, Headers, Refused, Verifier
from shared.security.seals import UnknownSealError

E_co = TypeVar("E_co", bound=Event, covariant=True)
STRUCTURED = b"application/cloudevents+json"
_BINARY = b"application/json"
UNKNOWN_TYPE = "unknown_type"
"""What the reason begins with where a newer version may know what this one does not."""
COMPACTED = frozenset(topic.name for topic in TOPICS if topic.clean_up == "compact")
_SIGNERS = {topic.name: topic.signers for topic in TOPICS}
_ATTRIBUTES = ("id", "source", "type", "time")
_NOT_THEIRS = f"{BAD_SIGNATURE}: whoever signed it may not say this"
LARGEST = 900_000
"""Bytes of an event: below Kafka's usual limit of 1,048,588 for a batch, with room for headers."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record as Kafka gave it, with where it came from."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    written: int | None = None
    """When its producer wrote it (or the broker took it, where the topic says so), in ms since 1970; None where nobody asked."""

    @property
    def position(self) -> str:
        """`topic/partition/offset`: its one name in logs."""
        return f"{self.topic}/{self.partition}/{self.offset}"


@dataclass(frozen=True, slots=True)
class Received(Generic[E_co]):
    """An event that was understood; `id` is the same on every redelivery and replay."""

    id: str
    source: str
    time: datetime | None
    event: E_co
    record: Record


@dataclass(frozen=True, slots=True)
class Undecodable:
    """A record that is no event of ours; the reason names fields and rules, never values."""

    record: Record
    reason: str


@dataclass(frozen=True, slots=True)
class Removed:
    """A tombstone on a compacted topic: its owner has nothing more to say of this key."""

    record: Record
    key: str


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record to be written."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers


def encode(event: Event, *, source: str, at: datetime, id: str | None = None) -> Outgoing:
    """The event in binary mode; without an id it gets a fresh one. ValueError for one that Kafka would not take.

    An id names nobody (ValueError): readers keep ids for longer than some people are kept.
    """
    if id:
        _names_nobody(type(event), id, event.key)
    value = event.model_dump_json().encode()
    return _binary(type(event), event.key.encode(), value, source=source, at=event.told_at(at), id=id)


def encode_written(
    kind: type[Event], events: Iterable[tuple[str, str, bytes]], *, source: str, at: datetime
) -> list[Outgoing]:
    """Events of one kind as (id, key, value), for what there is much of: their owner has written the values itself, byte for byte
    as the contract's model would (a test of the owner's holds that).

    ValueError as of `encode`. Only for a kind that tells its moment as it is (`Event.told_at`).
    """
    topic = kind.TOPIC.name
    leaving: list[Outgoing] = []
    front, back = _headers(kind, source, at)
    for id, key, value in events:
        _names_nobody(kind, id, key)
        _fits(value)
        leaving.append(Outgoing(topic, key.encode(), value, (*front, ("ce_id", id.encode()), *back)))
    return leaving


def encode_as_it_is(kind: type[Event], key: bytes, text: str, *, source: str, at: datetime) -> Outgoing:
    """What was once an event of this kind and can't be read as one: whoever reads the topic sets it aside with its reason."""
    return _binary(kind, key, text.encode(), source=source, at=at)


def _names_nobody(kind: type[Event], id: str, key: str) -> None:
    if kind.KEY == "candidate" and key in id:
        raise ValueError("an event's id may not hold the id of the person whom it is about")


def _fits(value: bytes) -> None:
    if len(value) > LARGEST:
        raise ValueError(f"an event of {len(value)} bytes is larger than Kafka takes; its edge lets too much in")


def _binary(
    kind: type[Event], key: bytes, value: bytes, *, source: str, at: datetime, id: str | None = None
) -> Outgoing:
    _fits(value)
    front, back = _headers(kind, source, at)
    headers = (*front, ("ce_id", (id or event_id()).encode()), *back)
    return Outgoing(topic=kind.TOPIC.name, key=key, value=value, headers=headers)


@lru_cache(maxsize=64)
def _headers(kind: type[Event], source: str, at: datetime) -> tuple[Headers, Headers]:
    """Those before an event's id and those behind it: of all that leaves in one transaction the same."""
    return (
        (("ce_specversion", b"1.0"),),
        (
            ("ce_source", f"/fairpool/{source}".encode()),
            ("ce_type", kind.TYPE.encode()),
            ("ce_time", rfc3339(at).encode()),
            ("content-type", _BINARY),
        ),
    )


def decode(record: Record, verifier: Verifier | None) -> Received[Event] | Removed | Undecodable:
    """The event in the record, the removal of its key, or why it is neither: also where the one who says it may not.

    Without a verifier whoever wrote the record is believed: for tests, and for tools that judge what is there.
    """
    headers = dict(record.headers)
    signer = None if verifier is None else verifier.signer_of(record, headers)
    if isinstance(signer, Refused):
        return Undecodable(record, signer.reason)
    if not record.value and record.topic in COMPACTED:
        return _removed(record, signer)
    try:
        attributes, data = _parts(record, headers)
        kind = EVENTS.get(attributes.get("type", ""))
        if kind is None or kind.TOPIC.name != record.topic:
            return Undecodable(record, f"{UNKNOWN_TYPE}: no event of this type belongs on this topic")
        if signer is not None and signer not in _who_may_say(kind):
            return Undecodable(record, _NOT_THEIRS)
        if not attributes.get("id") or not attributes.get("source"):
            return Undecodable(record, "no_id: CloudEvents asks for id and source")
        event = kind.model_validate_json(data)
    except ValidationError as error:
        return Undecodable(record, "invalid: " + _without_values(error))
    except (ValueError, RecursionError) as error:
        return Undecodable(record, f"unreadable: {type(error).__name__}")
    if record.key is not None and record.key != event.key.encode():
        return Undecodable(record, "wrong_key: the record's key is not the event's")
    if signer is not None and kind.SAID_BY is not None and signer_of(str(event.said_by)) != signer:
        return Undecodable(record, _NOT_THEIRS)
    if verifier is not None:
        unproven = event.unproven(verifier.statements, required=verifier.signatures == "require")
        if unproven is not None:
            return Undecodable(record, f"{BAD_SIGNATURE}: {unproven}")
        try:
            event = event.opened(verifier.seals)
        except UnknownSealError:
            return Undecodable(record, f"{UNKNOWN_KEY}, of what is sealed")
        except ValueError:
            return Undecodable(record, f"{BAD_SIGNATURE}: what is sealed does not belong to this record")
    moment = attributes.get("time")
    return Received(
        id=attributes["id"],
        source=attributes["source"],
        time=_moment(moment) if moment else None,
        event=event,
        record=record,
    )


@cache
def _who_may_say(kind: type[Event]) -> frozenset[str]:
    return frozenset(kind.TOPIC.signers)


def _removed(record: Record, signer: str | None) -> Removed | Undecodable:
    if signer is not None and signer not in _SIGNERS.get(record.topic, ()):
        return Undecodable(record, _NOT_THEIRS)
    try:
        return Removed(record, (record.key or b"").decode())
    except ValueError:
        return Undecodable(record, "unreadable: the key of a tombstone")


def _parts(record: Record, headers: Mapping[str, bytes | None]) -> tuple[Mapping[str, str], bytes]:
    if record.value is None:
        raise ValueError("no value")
    content_type = headers.get("content-type") or b""
    if content_type != _BINARY and media_type(content_type.decode("latin-1")).name == STRUCTURED.decode():
        return _structured(json.loads(_text(record.value)))
    return {name: raw.decode() for name in _ATTRIBUTES if (raw := headers.get("ce_" + name)) is not None}, _text(
        record.value
    )


def _structured(whole: object) -> tuple[Mapping[str, str], bytes]:
    if not isinstance(whole, dict):
        raise ValueError("not an object")
    data, packed = whole.pop("data", None), whole.pop("data_base64", None)
    if packed is not None and (data is not None or not isinstance(packed, str)):
        raise ValueError("data twice, or data that is no base64")
    raw = json.dumps(data).encode() if packed is None else _text(base64.b64decode(packed, validate=True))
    return {name: text for name, text in whole.items() if isinstance(text, str)}, raw


def _text(raw: bytes) -> bytes:
    """Without a byte order mark (RFC 8259, 8.1)."""
    return raw.removeprefix(codecs.BOM_UTF8)


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _without_values(error: ValidationError) -> str:
    parts = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(f"{'.'.join(str(step) for step in part['loc'])}: {part['type']}" for part in parts[:5])


def gone(decoded: Sequence[Received[Event] | Removed | Undecodable]) -> dict[str, list[str]]:
    """By topic, the keys whose last word there is a removal; a key's word on one topic says nothing of another."""
    if not any(isinstance(item, Removed) for item in decoded):
        return {}
    last = {(item.record.topic, item.record.key): item for item in decoded}
    removed = [item for item in last.values() if isinstance(item, Removed)]
    topics = sorted({item.record.topic for item in removed})
    return {topic: sorted(item.key for item in removed if item.record.topic == topic) for topic in topics}


def only(kind: type[E_co], received: Sequence[Received[Event]]) -> list[Received[E_co]]:
    """Those of one kind, in their order."""
    return [
        Received(item.id, item.source, item.time, item.event, item.record)
        for item in received
        if isinstance(item.event, kind)
    ]
