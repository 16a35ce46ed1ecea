"""What signup's compacted topics have to show, by its rows."""

from pathlib import Path
from uuid import UUID

from shared.contracts.signup import CandidateKeyPublishedV1, CandidateProfileChangedV1, CoarseProfile
from shared.messaging.reconciled import Behind
from shared.messaging.unit import Unit
from shared.postgres.queries import load

SQL = load(Path(__file__).parent / "queries.sql")
_FIRST = UUID(int=0)


async def _candidates(unit: Unit, after: str, limit: int) -> list[str]:
    return [row["candidate"] for row in await unit.connection.fetch(SQL["candidates_after"], after or _FIRST, limit)]


async def _profiles(unit: Unit) -> list[CandidateProfileChangedV1]:
    return [
        CandidateProfileChangedV1(
            candidate=row["candidate"],
            version=row["profile_version"],
            profile=None if row["published"] is None else CoarseProfile.model_validate_json(row["published"]),
        )
        for row in await unit.connection.fetch(SQL["profiles_behind"])
    ]


async def _identities(unit: Unit, after: str, limit: int) -> list[str]:
    return [row["candidate"] for row in await unit.connection.fetch(SQL["identities_after"], after or _FIRST, limit)]


async def _keys(unit: Unit) -> list[CandidateKeyPublishedV1]:
    return [CandidateKeyPublishedV1(**dict(row)) for row in await unit.connection.fetch(SQL["keys_behind"])]


async def _profiles_ahead(unit: Unit) -> int:
    return int(await unit.connection.fetchval(SQL["profiles_ahead"]))


async def _keys_ahead(unit: Unit) -> int:
    return int(await unit.connection.fetchval(SQL["keys_ahead"]))


profiles_behind = Behind(_candidates, _profiles, _profiles_ahead)
"""Those whose rows are ahead of `candidate-profiles`, as it was read back."""
keys_behind = Behind(_identities, _keys, _keys_ahead)
"""Those whose rows are ahead of `candidate-keys`, as it was read back."""


async def keys_orphaned(unit: Unit) -> list[str]:
    """Candidates who are gone, and whose keys `candidate-keys` shows."""
    return [row["key"] for row in await unit.connection.fetch(SQL["keys_orphaned"])]
