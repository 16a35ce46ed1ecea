"""What pool_matching's compacted topics have to show, by its rows."""

from services.pool_matching.adapters.sql import SQL, joined
from shared.contracts.pool_matching import Criteria, Membership, MembershipsChangedV1, PoolChangedV1
from shared.messaging.reconciled import Behind
from shared.messaging.unit import Unit


async def _persons(unit: Unit, after: str, limit: int) -> list[str]:
    return [row["candidate"] for row in await unit.connection.fetch(SQL["persons_after"], after, limit)]


async def _lists(unit: Unit) -> list[MembershipsChangedV1]:
    persons = await unit.connection.fetch(SQL["lists_behind"])
    candidates = [row["candidate"] for row in persons]
    members: dict[str, list[Membership]] = {}
    for row in await unit.connection.fetch(SQL["read_memberships"], joined(candidates)):
        found = Membership(pool=row["pool"], employer=row["employer"], since=row["since"])
        members.setdefault(row["candidate"], []).append(found)
    return [
        MembershipsChangedV1(
            candidate=row["candidate"],
            version=row["version"],
            pools=tuple(members.get(row["candidate"], ())),
            generation=row["generation"],
        )
        for row in persons
    ]


async def _pools(unit: Unit, after: str, limit: int) -> list[str]:
    return [row["pool"] for row in await unit.connection.fetch(SQL["pools_after"], after, limit)]


async def _definitions(unit: Unit) -> list[PoolChangedV1]:
    return [
        PoolChangedV1(
            pool=row["pool"],
            version=row["version"],
            employer=row["employer"],
            name=row["name"],
            criteria=None if row["criteria"] is None else Criteria.model_validate_json(row["criteria"]),
        )
        for row in await unit.connection.fetch(SQL["pools_behind"])
    ]


async def _lists_ahead(unit: Unit) -> int:
    return int(await unit.connection.fetchval(SQL["lists_ahead"]))


async def _pools_ahead(unit: Unit) -> int:
    return int(await unit.connection.fetchval(SQL["pools_ahead"]))


lists_behind = Behind(_persons, _lists, _lists_ahead)
"""Those whose rows are ahead of `memberships`, as it was read back; a list is read once its person is locked."""
pools_behind = Behind(_pools, _definitions, _pools_ahead)
"""Those whose rows are ahead of `pools`, as it was read back."""
