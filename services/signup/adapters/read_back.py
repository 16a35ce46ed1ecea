"""What signup's compacted topics have to show, by its rows."""

from pathlib import Path
from uuid import UUID

from shared.contracts.signup import CandidateKeyPublishedV1, CandidateProfileChangedV1, CoarseProfile
from shared.messaging.unit import Unit
from shared.postgres.queries import load

SQL = load(Path(__file__).parent / "queries.sql")
_FIRST = UUID(int=0)


async def profiles_behind(unit: Unit, after: str, limit: int) -> list[CandidateProfileChangedV1]:
    """Of those whose rows are ahead of `candidate-profiles`, as it was read back."""
    rows = await unit.connection.fetch(SQL["profiles_behind"], after or _FIRST, limit)
    return [
        CandidateProfileChangedV1(
            candidate=row["candidate"],
            version=row["profile_version"],
            profile=None if row["published"] is None else CoarseProfile.model_validate_json(row["published"]),
        )
        for row in rows
    ]


async def keys_behind(unit: Unit, after: str, limit: int) -> list[CandidateKeyPublishedV1]:
    """Of those whose rows are ahead of `candidate-keys`, as it was read back."""
    rows = await unit.connection.fetch(SQL["keys_behind"], after or _FIRST, limit)
    return [CandidateKeyPublishedV1(**dict(row)) for row in rows]


async def keys_orphaned(unit: Unit, after: str, limit: int) -> list[str]:
    """Candidates who are gone, and whose keys `candidate-keys` shows."""
    return [row["key"] for row in await unit.connection.fetch(SQL["keys_orphaned"], after, limit)]
