"""What pool_matching's compacted topics have to show, by its rows."""

from services.pool_matching.adapters.sql import SQL
from shared.contracts.pool_matching import Criteria, Membership, MembershipsChangedV1, PoolChangedV1
from shared.messaging.unit import Unit


async def lists_behind(unit: Unit, after: str, limit: int) -> list[MembershipsChangedV1]:
    """Of those whose rows are ahead of `memberships`, as it was read back; a list is read once its person is locked."""
    persons = await unit.connection.fetch(SQL["lists_behind"], after, limit)
    candidates = [row["candidate"] for row in persons]
    members: dict[str, list[Membership]] = {}
    for row in await unit.connection.fetch(SQL["read_memberships"], candidates):
        found = Membership(pool=row["pool"], employer=row["employer"], since=row["since"])
        members.setdefault(row["candidate"], []).append(found)
    return [
        MembershipsChangedV1(
            candidate=row["candidate"], version=row["version"], pools=tuple(members.get(row["candidate"], ()))
        )
        for row in persons
    ]


async def pools_behind(unit: Unit, after: str, limit: int) -> list[PoolChangedV1]:
    """Of those whose rows are ahead of `pools`, as it was read back."""
    return [
        PoolChangedV1(
            pool=row["pool"],
            version=row["version"],
            employer=row["employer"],
            name=row["name"],
            criteria=None if row["criteria"] is None else Criteria.model_validate_json(row["criteria"]),
        )
        for row in await unit.connection.fetch(SQL["pools_behind"], after, limit)
    ]
