"""Reads what a running stack holds: every record of every topic, every mail of the catcher, every log."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from deploy.checks.history import Versioned
from shared.contracts.base import Event
from shared.contracts.topics import ALL_TOPICS, Topic
from shared.messaging.envelope import Received, Record, Removed, Undecodable, decode
from shared.messaging.kafka import Kafka
from shared.messaging.reading import read_to_the_end
from shared.security.seals import Seals

_READ_WITHIN = 60.0
_PAGE = 50
_NO_KEYS = Seals()


@dataclass(frozen=True, slots=True)
class CaughtMail:
    """A mail as the catcher lists it; `created` is real time."""

    id: str
    address: str
    subject: str
    created: datetime
    began: datetime | None = None
    """When the relay's client began to hand it over, where the catcher is ours."""


async def read_topics(kafka: Kafka, topics: Sequence[Topic] = ALL_TOPICS) -> list[Record]:
    """Every record of these topics up to the high watermark of now, each partition in its order."""
    reading = read_to_the_end(kafka, topics, client_id="fairpool-checks")
    async with asyncio.timeout(_READ_WITHIN):
        return [record async for some in reading for record in some]


def events(records: Sequence[Record], seals: Seals = _NO_KEYS) -> tuple[list[Received[Event]], list[str]]:
    """What the records say, opened with these keys where something is sealed, and the positions of those that say nothing readable (a dead letter is one)."""
    decoded = [_opened(decode(record, None), seals) for record in records if record.value is not None]
    bad = [f"{item.record.position} {item.reason}" for item in decoded if isinstance(item, Undecodable)]
    return [item for item in decoded if isinstance(item, Received)], bad


def _opened(item: Received[Event] | Removed | Undecodable, seals: Seals) -> Received[Event] | Removed | Undecodable:
    if not isinstance(item, Received):
        return item
    try:
        return replace(item, event=item.event.opened(seals))
    except ValueError:
        return Undecodable(item.record, "what is sealed in it does not open")


def versioned(received: Sequence[Received[Event]]) -> list[Versioned]:
    """The records whose events carry a version, by what the version is of."""
    found = []
    for item in received:
        version = getattr(item.event, "version", None)
        if isinstance(version, int):
            subject = str(getattr(item.event, "outreach", item.event.key))
            found.append(Versioned(item.record.topic, subject, version, item.id, item.record.value or b""))
    return found


async def list_mails(client: httpx.AsyncClient, url: str, *, known: int = 0) -> list[CaughtMail]:
    """The mails beyond the first `known`, in order of arrival; one request unless very many are new."""
    limit = _PAGE
    while True:
        answer = await client.get(f"{url}/api/v1/messages", params={"limit": limit})
        answer.raise_for_status()
        page = answer.json()
        fresh = page["total"] - known
        if fresh <= len(page["messages"]):
            return [_mail(item) for item in page["messages"][: max(0, fresh)]][::-1]
        limit = fresh + _PAGE


def _mail(item: dict[str, Any]) -> CaughtMail:
    began = item.get("Began")  # Mailpit has none
    return CaughtMail(
        item["ID"],
        item["To"][0]["Address"].lower(),
        item["Subject"],
        datetime.fromisoformat(item["Created"]),
        datetime.fromisoformat(began) if began else None,
    )


def scannable(record: Record) -> bytes:
    """Key, headers and value of a record, apart from one another."""
    headers = [part for name, raw in record.headers for part in (name.encode(), raw or b"")]
    return b"\x00".join((record.key or b"", *headers, record.value or b""))


def logs(folder: Path) -> dict[str, bytes]:
    """Every log of a stack, whole."""
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
