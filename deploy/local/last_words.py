"""Why a process of ours ended, as its log says it: the line `failed`, which holds no personal data."""

import json
from datetime import datetime
from pathlib import Path

_END = 256 * 1024
_EVENTS = frozenset({"failed", "uncaught_exception"})


def last_failure(log: Path, *, since: float = 0.0) -> tuple[str, datetime] | None:
    """What the last such line names, and when it was written; None when there is none since then (seconds since 1970)."""
    for line in reversed(_end_of(log)):
        if (found := _failure(line)) is not None:
            return found if found[1].timestamp() >= since else None
    return None


def _end_of(log: Path) -> list[bytes]:
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _END))
            return file.read().splitlines()
    except FileNotFoundError:
        return []


def _failure(line: bytes) -> tuple[str, datetime] | None:
    try:
        entry = json.loads(line)
        if entry["event"] not in _EVENTS:
            return None
        said = entry.get("error") or entry["exception"][0]["type"]
        return str(said), datetime.fromisoformat(entry["timestamp"])
    except (ValueError, LookupError, TypeError, AttributeError):
        return None  # whatever else writes to a log
