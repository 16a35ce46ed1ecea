"""The one source of the present time: real time plus an offset that `fairpool dev` and tests may set."""

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

_LOOK_EVERY = 0.020  # seconds: a due slot or a link may be late by this much after the offset is moved
_FURTHEST = 100 * 365 * 86_400_000  # milliseconds: 100 years keeps every sum inside what a datetime holds
_SINCE_BOOT: int | None = getattr(time, "CLOCK_BOOTTIME", None)

log = structlog.get_logger()

_Stamp = tuple[int, int, int]


def elapsed() -> float:
    """Seconds since some moment, those in which the machine was suspended included, where the system counts them (Linux)."""
    return time.clock_gettime(_SINCE_BOOT) if _SINCE_BOOT is not None else time.monotonic()


class Clock:
    """Tells the time as aware UTC; with a file, moved by the milliseconds that are written in it.

    The file is read again when it was changed or replaced. One that can't be read or holds no whole number leaves
    the last good offset in force and is logged once.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._offset_ms = 0
        self._stamp: _Stamp | None = None
        self._next_look = 0.0
        self._complained = False
        self._told_ms = 0
        self._listeners: list[Callable[[], None]] = []

    def when_moved(self, tell: Callable[[], None]) -> None:
        """`tell()` whenever the clock was moved: whoever sleeps until a moment looks at it again."""
        self._listeners.append(tell)

    def look_again(self) -> None:
        """The file was written: whoever asks next sees it."""
        self._next_look = 0.0

    def tell_if_moved(self) -> None:
        """To be called again and again where there is a file."""
        if (offset := self.offset_ms) != self._told_ms:
            self._told_ms = offset
            self.tell_moved()

    def tell_moved(self) -> None:
        """Tells whoever asked to be told."""
        for tell in self._listeners:
            tell()

    @property
    def path(self) -> Path | None:
        """The file by which it can be moved while the process runs."""
        return self._path

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        return datetime.now(UTC) + timedelta(milliseconds=self.offset_ms)

    @property
    def offset_ms(self) -> int:
        """How far the clock is ahead of real time, in milliseconds; 0 without a file."""
        if self._path is not None and (moment := time.monotonic()) >= self._next_look:
            self._next_look = moment + _LOOK_EVERY
            self._look(self._path)
        return self._offset_ms

    def _look(self, path: Path) -> None:
        try:
            stamp = _stamp(path)
            if stamp == self._stamp:
                return
            self._offset_ms = _parse(path.read_bytes())
        except (OSError, ValueError) as error:
            self._stamp = None
            if not self._complained:
                self._complained = True
                log.warning("clock_file_unreadable", path=str(path), error=type(error).__name__, kept=self._offset_ms)
        else:
            self._stamp = stamp
            self._complained = False


def _stamp(path: Path) -> _Stamp:
    found = os.stat(path)  # noqa: PTH116 - called 50 times a second; Path.stat adds nothing here
    return found.st_mtime_ns, found.st_ino, found.st_size


def _parse(raw: bytes) -> int:
    offset = int(raw[:32].decode("ascii"))
    if abs(offset) > _FURTHEST:
        raise ValueError("the offset is further than 100 years")
    return offset
