"""The logs of the windows as `book.lua` keeps them, taken apart and put together one by one."""

import struct
from collections.abc import Mapping
from typing import Any

from redis.asyncio import Redis


def names_and_slots(log: bytes) -> dict[str, int]:
    """Each name with its slot (ms), in the order of the log."""
    names, _, slots = log.partition(b"\n\n")
    parts = names.decode().split("\n")
    return dict(zip(parts, (int(at) for (at,) in struct.iter_unpack("<d", slots)), strict=True))


async def read(redis: Redis, key: str | bytes) -> dict[str, int]:
    """Of one person; nothing where there is none."""
    found: Any = await redis.get(key)
    return names_and_slots(found) if found else {}


async def write(redis: Redis, key: str | bytes, log: Mapping[str, float]) -> None:
    """Whatever was there; it stays as long as it would have."""
    if not log:
        await redis.delete(key)
        return
    names = "".join([f"{name}\n" for name in log])
    slots = struct.pack(f"<{len(log)}d", *log.values())
    await redis.set(key, names.encode() + b"\n" + slots, keepttl=True)
