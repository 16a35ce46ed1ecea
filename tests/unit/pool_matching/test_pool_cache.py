"""No index is given before every pool was read."""

from typing import Any, cast

import pytest

from services.pool_matching.adapters.pool_cache import PoolCache
from services.pool_matching.matching import index as index_module
from services.pool_matching.matching.index import Packing
from services.pool_matching.matching.packed import Packed
from services.pool_matching.model import Consent, Person
from shared.contracts.signup import CoarseProfile
from shared.facts import Known
from tests.fakes.clock import NOON
from tests.fakes.pool_matching import SOC

PEOPLE = [Person.of("c", Known(CoarseProfile()), Known(Consent(match=True)), SOC)]


class _Table:
    """The table of pools, which goes away once."""

    def __init__(self, changes: list[int]) -> None:
        self.rows = [_row(place, change) for place, change in enumerate(changes)]
        self.away_after: int | None = None

    async def fetch(self, _: str, after: int, page: int) -> list[dict[str, Any]]:
        if self.away_after == 0:
            self.away_after = None
            raise ConnectionError("away")
        if self.away_after is not None:
            self.away_after -= 1
        rows = sorted((row for row in self.rows if row["change"] > after), key=lambda row: row["change"])
        last = rows[page - 1]["change"] if len(rows) >= page else None
        return [row for row in rows if last is None or row["change"] <= last]


def _row(place: int, change: int, criteria: str | None = "{}") -> dict[str, Any]:
    return {"pool": f"p_{place}", "employer": "e", "version": 1, "name": "n", "criteria": criteria, "change": change}


async def _found(cache: PoolCache, table: _Table) -> set[str]:
    index = await cache.current(cast(Any, table))
    return {pool.id for pool in index.match(PEOPLE, NOON)[0]}


async def test_nobody_is_given_an_index_that_was_not_read_to_the_end() -> None:
    cache, table = PoolCache(page=2), _Table([1, 2, 3, 4, 5])
    table.away_after = 1
    with pytest.raises(ConnectionError):
        await cache.current(cast(Any, table))
    assert await _found(cache, table) == {f"p_{place}" for place in range(5)}


async def test_a_page_does_not_end_among_those_that_were_changed_together() -> None:
    assert await _found(PoolCache(page=2), _Table([1, 7, 7, 7, 8])) == {f"p_{place}" for place in range(5)}


async def test_what_was_changed_or_deleted_since_is_there_at_the_next_call() -> None:
    cache, table = PoolCache(page=2), _Table([1, 2, 3])
    assert await _found(cache, table) == {"p_0", "p_1", "p_2"}
    table.rows[0] = _row(0, 4, None)
    table.rows.append(_row(3, 5))
    assert await _found(cache, table) == {"p_1", "p_2", "p_3"}


async def test_however_many_pages_there_are_all_is_packed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    packed, run = list[int](), Packing.run

    def counted(packing: Packing) -> Packed:
        found = run(packing)
        packed.append(len(found.columns))
        return found

    monkeypatch.setattr(index_module, "_FEWEST", 1)
    monkeypatch.setattr(Packing, "run", counted)
    await PoolCache(page=2).current(cast(Any, _Table([1, 2, 3, 4, 5])))
    assert packed == [5]
