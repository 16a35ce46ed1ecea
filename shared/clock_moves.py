"""Being told that the file of a movable clock was written, instead of looking again and again: inotify, where there is one (Linux)."""

import asyncio
import contextlib
import ctypes
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from shared.beats import next_beat, until_beat
from shared.clock import Clock

_CLOSE_WRITE, _MOVED_TO = 0x8, 0x80  # inotify(7)
_AT_ONCE = 4096
_UNTOLD = timedelta(milliseconds=200)
_ANYWAY = timedelta(seconds=5)


async def follow(clock: Clock, path: Path) -> None:
    """Whoever sleeps by this clock is told when it is moved, until cancelled: at once, or within 0.2 s where nobody tells us.

    A notice that is lost costs 5 s.
    """
    with told_of(path) as written:
        while True:
            if written is None:
                await next_beat(_UNTOLD)
            else:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(until_beat(_ANYWAY)):
                        await written.wait()
                written.clear()
            clock.look_again()
            clock.tell_if_moved()


@contextlib.contextmanager
def told_of(path: Path) -> Iterator[asyncio.Event | None]:
    """An event that is set whenever a file beside this one, or it itself, was written or put in its place; None where nobody tells.

    The folder is watched, since whoever moves the clock puts another file in the place of the one before.
    """
    loop, written = asyncio.get_running_loop(), asyncio.Event()
    try:
        watch = _watch(path.parent)
    except (OSError, AttributeError):
        yield None
        return

    def hear() -> None:
        with contextlib.suppress(OSError):
            while os.read(watch, _AT_ONCE):
                pass
        written.set()

    loop.add_reader(watch, hear)
    try:
        yield written
    finally:
        loop.remove_reader(watch)
        os.close(watch)


def _watch(folder: Path) -> int:
    """A file that can be read once something was written in this folder; OSError or AttributeError where there is no such thing."""
    system = ctypes.CDLL(None, use_errno=True)
    found: int = system.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    if found < 0:
        raise OSError(ctypes.get_errno(), "inotify_init1")
    if system.inotify_add_watch(found, os.fsencode(folder), _CLOSE_WRITE | _MOVED_TO) < 0:
        os.close(found)
        raise OSError(ctypes.get_errno(), "inotify_add_watch")
    return found
