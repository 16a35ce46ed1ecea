"""How a stub ends, in PostgreSQL: it lapses, consent is asked, and what was confirmed is erased."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from uuid import UUID

import asyncpg

from services.signup.adapters.erasures import SERVICES
from services.signup.model.invitations import Lapse, LapseReason
from services.signup.ports.store import INVITATIONS, SHOWINGS
from shared.contracts.signup import CandidateErasedV1, CandidateProfileChangedV1
from shared.contracts.topics import CANDIDATE_KEYS
from shared.messaging.envelope import Outgoing
from shared.messaging.reconciled import Behind
from shared.messaging.unit import Unit
from shared.postgres.pool import Connection
from shared.postgres.queries import load

SQL = load(Path(__file__).parent / "lapses.sql")
_FIRST = UUID(int=0)


async def lapse(connection: Connection, candidates: Sequence[str], reason: LapseReason, at: datetime) -> list[Lapse]:
    """Those of them who are stubs and do not lapse yet, or not because they refused."""
    return _lapses(await connection.fetch(SQL["lapse"], candidates, reason, at)) if candidates else []


async def lapse_unclaimed(connection: Connection, candidates: Sequence[str], at: datetime) -> list[Lapse]:
    """Those of them who are stubs without any claim."""
    return _lapses(await connection.fetch(SQL["lapse_unclaimed"], candidates, at)) if candidates else []


async def lapse_expired(connection: Connection, at: datetime, *, limit: int) -> list[Lapse]:
    """Stubs whose time is over."""
    return _lapses(await connection.fetch(SQL["lapse_expired"], at, limit))


async def ask_again(connection: Connection, at: datetime, before: datetime, *, limit: int) -> list[Lapse]:
    """Who lapses since before then without a word from consent, the longest first."""
    return _lapses(await connection.fetch(SQL["ask_again"], at, before, limit))


async def erase_lapsed(unit: Unit, candidates: Sequence[str]) -> list[str]:
    """Rows and keys go, the key's topic gets a tombstone, and the id is kept among those that never come back."""
    rows = await unit.connection.fetch(SQL["erase_lapsed"], candidates, unit.at, SERVICES) if candidates else []
    return buried(unit, rows)


async def erase_again(unit: Unit, limit: int) -> int:
    """Erases some whom `erasures` has, as it was read back, and a backup brought back; how many. Every id that it has is kept again."""
    return len(buried(unit, await unit.connection.fetch(SQL["erase_again"], unit.at, limit, SERVICES)))


async def _erased(unit: Unit, after: str, limit: int) -> list[str]:
    return [row["candidate"] for row in await unit.connection.fetch(SQL["erased_after"], after or _FIRST, limit)]


async def _erasures(unit: Unit) -> list[CandidateErasedV1]:
    return [CandidateErasedV1(**dict(row)) for row in await unit.connection.fetch(SQL["erasures_behind"])]


async def _erasures_ahead(unit: Unit) -> int:
    return int(await unit.connection.fetchval(SQL["erasures_ahead"]))


erasures_behind = Behind(_erased, _erasures, _erasures_ahead)
"""Erased people whom `erasures` does not have, as it was read back."""


def buried(unit: Unit, rows: Sequence[asyncpg.Record]) -> list[str]:
    """What follows once these rows of `candidates` are gone: a tombstone, no profile, no work; whose they were."""
    gone = [row["candidate"] for row in rows]
    for candidate in gone:
        unit.write(Outgoing(CANDIDATE_KEYS.name, candidate.encode(), value=None, headers=()))
    for queue in (INVITATIONS, SHOWINGS):
        unit.work.cancel(queue, gone)
    unit.publish(
        *(
            CandidateProfileChangedV1(candidate=row["candidate"], version=row["profile_version"] + 1, profile=None)
            for row in rows
            if row["profile_version"]
        )
    )
    return gone


def _lapses(rows: Sequence[asyncpg.Record]) -> list[Lapse]:
    return [Lapse(row["candidate"], row["reason"], row["at"]) for row in rows]
