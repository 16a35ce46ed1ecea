"""What an operator does with work that was set aside: looks at it, has it tried again, or closes it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from shared.postgres.pool import Connection
from shared.runner.postgres import SQL

AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Pile:
    """What was set aside of one queue."""

    queue: str
    waiting: int
    oldest: datetime


@dataclass(frozen=True, slots=True)
class SetAside:
    """One row that was set aside; its key is an id."""

    queue: str
    key: str
    attempts: int
    at: datetime
    reason: str
    payload: str | None


async def piles(connection: Connection, queue: str | None = None) -> list[Pile]:
    """The queues of which something was set aside."""
    return [Pile(row["queue"], row["waiting"], row["oldest"]) for row in await connection.fetch(SQL["piles"], queue)]


async def listed(connection: Connection, queue: str | None, key: str | None = None) -> list[SetAside]:
    """The first 1,000 that were set aside, the oldest of each queue first."""
    rows = await connection.fetch(SQL["set_aside"], queue, key, AT_ONCE)
    return [
        SetAside(row["queue"], row["key"], row["attempts"], row["set_aside_at"], row["reason"] or "-", row["payload"])
        for row in rows
    ]


async def replay(connection: Connection, queue: str, key: str | None, limit: int | None, at: datetime) -> int:
    """Has these tried again, as if for the first time, the oldest first; how many."""
    return await _some_at_a_time(connection, "replay", queue, key, limit, at)


async def close(connection: Connection, queue: str, key: str | None, limit: int | None) -> int:
    """Takes these away: nothing is done for them; how many."""
    return await _some_at_a_time(connection, "close", queue, key, limit)


async def _some_at_a_time(
    connection: Connection, name: str, queue: str, key: str | None, limit: int | None, *more: object
) -> int:
    done = 0
    while limit is None or done < limit:
        wanted = AT_ONCE if limit is None else min(AT_ONCE, limit - done)
        some = len(await connection.fetch(SQL[name], queue, key, wanted, *more))
        done += some
        if some < wanted:
            break
    return done


def as_values(row: SetAside) -> Mapping[str, object]:
    """The row as plain values."""
    return {
        "queue": row.queue,
        "key": row.key,
        "attempts": row.attempts,
        "at": row.at.isoformat(),
        "reason": row.reason,
    }
