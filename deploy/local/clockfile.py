"""The file that moves the clock of a local stack: one whole number, the offset to real time in milliseconds."""

import math
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from deploy.local.errors import StackError
from deploy.local.home import write_whole

_SPAN = re.compile(r"(?<!\d)(\d+)([dhms])")
_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}


def offset(path: Path) -> timedelta:
    """How far the stack's clock is ahead of real time; nothing when the file is absent."""
    try:
        return timedelta(milliseconds=int(path.read_text()))
    except FileNotFoundError:
        return timedelta()
    except ValueError as error:
        raise StackError(f"expected one whole number of milliseconds in {path}, found something else.") from error


def now(path: Path) -> datetime:
    """The time as the stack sees it, in UTC."""
    return datetime.now(UTC) + offset(path)


def set_to(path: Path, moment: datetime) -> None:
    """Let the clock go on from this moment."""
    _write(path, moment - datetime.now(UTC))


def advance(path: Path, span: timedelta) -> None:
    """Move the clock forward."""
    _write(path, offset(path) + span)


def reset(path: Path) -> None:
    """Go back to real time."""
    _write(path, timedelta())


def parse_moment(text: str) -> datetime:
    """An RFC 3339 time with its offset from UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise StackError(f"expected a time such as 2026-11-23T15:00:00Z, found {text!r}.") from error
    if moment.tzinfo is None:
        raise StackError(f"expected a time with its offset, such as 2026-11-23T15:00:00Z, found {text!r}.")
    return moment


def parse_span(text: str) -> timedelta:
    """A time span such as `26h`, `90m` or `1d12h`."""
    parts = _SPAN.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise StackError(f"expected a span such as 26h, 90m or 1d12h, found {text!r}.")
    return sum((timedelta(**{_UNITS[unit]: int(number)}) for number, unit in parts), timedelta())


def _write(path: Path, ahead: timedelta) -> None:
    write_whole(path, f"{math.ceil(ahead / timedelta(milliseconds=1))}\n")  # never before the moment that was asked for
