"""What is written of a change: a leaf of the ledger, and a receipt that lets the person check it."""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from services.consent.decisions.agreements import first_reminder
from services.consent.decisions.changes import is_grant
from services.consent.model import Agreement, Answer, Choices, Door, Entry, Present
from shared.contracts.base import rfc3339
from shared.contracts.consent import LinkStatement

SCHEMA = "fairpool.consent-receipt.v1"
_BY: Mapping[Door, str] = {
    "confirm": "the person",
    "me": "the person",
    "unsubscribe": "whoever used the link in a message",
    "refuse": "whoever used the way out of an invitation",
    "name": "Fairpool, because the person had blocked this name",
    "agreement": "Fairpool, because a newer agreement asks again",
}
GLOBAL_PRIVACY_CONTROL = "Sec-GPC: 1"
"""What a browser sends with it, and nothing else is the signal."""


def record(
    present: Present,
    choices: Choices,
    *,
    at: datetime,
    door: Door,
    agreement: Agreement,
    where: str,
    home: str,
    nonce: bytes,
    receipt: str,
    statement: LinkStatement | None = None,
    answer: Answer | None = None,
) -> Entry:
    """The next version, its leaf and its receipt; `where` emails the person a link to change it, `home` is our own address.

    `agreement`: the text that was answered, or else that by which what is on holds; `answer`: how it was answered.
    """
    version = present.version + 1
    committed = {
        "principal": present.principal,
        "version": version,
        "at": rfc3339(at),
        "previous": present.leaf.hex() if present.leaf else None,
        "notice": _notice(agreement, answer),
        "state": plain(choices),
        **_signal(answer),
    }
    leaf = commitment(nonce, committed)
    grants = is_grant(present.choices, choices, at)
    stated, said_at = present.statement, present.said_at
    if statement is not None and (stated is None or (grants and stated.issued_at < statement.issued_at)):
        stated, said_at = statement, at  # the newest link: a reader may have seen none of what was in between
    has_stopped = not set(present.choices.purposes) <= set(choices.purposes)
    return Entry(
        candidate=present.candidate,
        version=version,
        at=at,
        choices=choices,
        previous=present.leaf,
        leaf=leaf,
        nonce=nonce,
        receipt=receipt,
        document={
            "schema": SCHEMA,
            "receipt": receipt,
            "address": f"{home}/v1/receipts/{receipt}",
            "record": _record(present, choices, at=at, door=door, agreement=agreement, where=where, answer=answer),
            "ledger": {"leaf": leaf.hex(), "committed": committed},
        },
        is_grant=grants,
        statement=stated if choices.purposes else None,
        said_at=said_at if choices.purposes else None,
        stopped_at=at if has_stopped else present.stopped_at,
        agreement=agreement.version,
        language=agreement.language,
        own_end=None if answer is not None else _own_end(present, choices, door),
        remind_at=first_reminder(choices, at),
    )


def commitment(nonce: bytes, committed: Mapping[str, Any]) -> bytes:
    """SHA-256 over the nonce and the canonical JSON: says nothing without the nonce, and can't be opened otherwise."""
    return hashlib.sha256(nonce + canonical(committed)).digest()


def canonical(value: Mapping[str, Any]) -> bytes:
    """RFC 8785's form, for what is in here: ASCII names, text, whole numbers, lists and null."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def plain(choices: Choices) -> dict[str, Any]:
    """The choices as JSON has them, by the names that `POST /me` takes."""
    quiet = choices.quiet_hours
    return {
        "purposes": list(choices.purposes),
        "sectors": list(choices.sectors),
        "blocked_employers": list(choices.blocked_employers),
        "blocked_names": list(choices.blocked_names),
        "first_contacts_per_week": choices.first_contacts_per_week,
        "min_gap_hours": choices.min_gap_hours,
        "quiet_hours": {"start": f"{quiet.start:%H:%M}", "end": f"{quiet.end:%H:%M}"} if quiet else None,
        "time_zone": choices.time_zone,
        "paused_until": rfc3339(choices.paused_until) if choices.paused_until else None,
        "ends_at": rfc3339(choices.ends_at) if choices.ends_at else None,
    }


def _notice(agreement: Agreement, answer: Answer | None) -> dict[str, Any]:
    served_at = answer.served_at if answer is not None else None
    return {
        "version": agreement.version,
        "language": agreement.language,
        "sha256": agreement.sha256 or None,
        "served_at": rfc3339(served_at) if served_at else None,
    }


def _signal(answer: Answer | None) -> dict[str, str]:
    """Global Privacy Control, where a browser sent it with the answer."""
    return {"signal": GLOBAL_PRIVACY_CONTROL} if answer is not None and answer.sends_signal else {}


def _own_end(present: Present, choices: Choices, door: Door) -> datetime | None:
    """The end that the person had chosen stays known as long as the one that a newer text has set holds."""
    if door == "agreement":
        return present.own_end or present.choices.ends_at
    return present.own_end if choices.ends_at == present.choices.ends_at else None


def _record(
    present: Present,
    choices: Choices,
    *,
    at: datetime,
    door: Door,
    agreement: Agreement,
    where: str,
    answer: Answer | None,
) -> dict[str, Any]:
    """The parts that ISO/IEC TS 27560 asks for, by plainer names."""
    return {
        "id": f"{present.principal}.{present.version + 1}",
        "principal": present.principal,
        "controller": "Fairpool",
        "notice": {**_notice(agreement, answer), "text": agreement.text},
        "processing": [
            {
                "purpose": purpose.id,
                "title": purpose.label,
                "state": "on" if purpose.id in choices.purposes else "off",
                "data": list(purpose.data),
                "recipients": purpose.recipients,
            }
            for purpose in agreement.purposes
        ],
        "limits": {name: value for name, value in plain(choices).items() if name != "purposes"},
        "withdraw": {"how": agreement.withdraw, "where": where},
        "event": {
            "type": _kind(present, choices),
            "at": rfc3339(at),
            "by": _BY[door],
            "through": door,
            **_signal(answer),
        },
    }


def _kind(present: Present, choices: Choices) -> str:
    before, after = set(present.choices.purposes), set(choices.purposes)
    if after - before:
        return "given"
    if before - after:
        return "withdrawn"
    return "changed" if present.version else "declined"
