"""Dead letters as they are shown: as rows for people, as plain values for JSON."""

import json
from collections.abc import Sequence
from typing import Any

from deploy.commands.terminal import table
from deploy.dead_letters import DeadLetter, Pile
from shared.messaging.dead_letters import opened
from shared.messaging.envelope import Record


def pile(found: Pile) -> dict[str, object]:
    """One topic."""
    return {
        "topic": found.topic,
        "waiting": found.waiting,
        "replayed": found.replayed,
        "done": found.done,
        "oldest_waiting": found.oldest or None,
        "reasons": dict(found.reasons),
    }


def piles(found: Sequence[Pile]) -> str:
    """A line for each topic, with the three reasons that most of its waiting letters have."""
    rows = [("TOPIC", "WAITING", "REPLAYED", "DONE", "OLDEST WAITING", "REASONS OF THE WAITING")]
    for one in found:
        reasons = "; ".join(f"{count} x {reason}" for reason, count in one.reasons.most_common(3))
        counts = (str(one.waiting), str(one.replayed), str(one.done))
        rows.append((one.topic, *counts, one.oldest or "-", reasons or "-"))
    return table(rows)


def summary(letter: DeadLetter) -> dict[str, object]:
    """One letter without what it carries."""
    return {
        "topic": letter.topic,
        "offset": letter.offset,
        "state": letter.state,
        "at": letter.at,
        "reason": letter.reason,
        "group": letter.group,
        "bytes": letter.size,
    }


def letters(found: Sequence[DeadLetter]) -> str:
    """A line for each."""
    rows: list[tuple[str, ...]] = [("TOPIC", "OFFSET", "STATE", "AT", "REASON", "GROUP", "BYTES")]
    rows += [tuple(str(value) for value in summary(letter).values()) for letter in found]
    return table(rows)


def whole(letter: DeadLetter, record: Record) -> dict[str, Any]:
    """One letter with all that it carries."""
    found = opened(record)
    headers = found.own if found is not None else record.headers
    return {
        **summary(letter),
        "settled_at": letter.settled.at if letter.settled is not None else None,
        "from": letter.origin or None,
        "left_out": letter.left_out or None,
        "sha256": found.digest if found is not None else None,
        "key": _text(record.key),
        "headers": [
            {"name": _text(name.encode("utf-8", "surrogateescape")), "value": _text(raw)} for name, raw in headers
        ],
        "payload": _payload(record.value),
    }


def one(letter: DeadLetter, record: Record) -> str:
    """The same for people: what was done and when stands in `state`."""
    shown = whole(letter, record)
    headers, payload = shown.pop("headers"), shown.pop("payload")
    at = shown.pop("settled_at")
    if at is not None:
        shown["state"] = f"{letter.state} at {at}"
    if not letter.left_out:
        del shown["left_out"], shown["sha256"]
    rows = [(name, str(value)) for name, value in shown.items()]
    rows += [(f"header {header['name']}", str(header["value"])) for header in headers]
    return (
        f"{table(rows)}\n{json.dumps(payload, indent=2)}"  # also what is text only: it may hold a terminal's commands
    )


def _text(raw: bytes | None) -> str | None:
    if raw is None:
        return None
    text = raw.decode("utf-8", "replace")
    return text if text.isprintable() and "\ufffd" not in text else f"hex {raw.hex()}"


def _payload(raw: bytes | None) -> object:
    try:
        return json.loads(raw or b"")
    except (ValueError, RecursionError):
        return f"hex {(raw or b'').hex()}"
