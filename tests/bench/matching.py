"""`python -m tests.bench.matching [POOLS...] [--no-postgres]`: how many people a second are held against 1,000, 10,000 and 100,000 pools.

Ours begins with `Person`, as the service has them, and ends with places and rows; a naive loop over plain values, its cheapest
checks first, and PostgreSQL's best set-based join of those tried (`_JOINS`) stand beside it. Every round compares what all of them found.
"""

import argparse
import asyncio
import gc
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import asyncpg

from services.pool_matching.decisions import findable
from services.pool_matching.matching.index import PoolIndex
from services.pool_matching.model import Person, Pool
from tests.bench import matching_data as data
from tests.bench.harness import Figure, alone, compared, interleaved, say, tell
from tests.stack import Servers

_POOLS = (1_000, 10_000, 100_000)
_PEOPLE = 4_096
_NAIVE_SECONDS = 1.5
_PENDING = 0.005
"""Half of what may wait before the pools are packed again: what waits on an average."""
Pairs = set[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class _PlainPool:
    occupations: frozenset[str]
    states: frozenset[str]
    remote: bool | None
    skills_all: frozenset[str]
    skills_any: tuple[str, ...]
    least: int
    years: int
    pay: int
    types: frozenset[str]
    by: int
    employer: str


_ALWAYS = 2**31 - 1


def _plain(pool: Pool) -> _PlainPool:
    asked = pool.criteria
    return _PlainPool(
        frozenset(asked.occupations),
        frozenset(asked.states),
        asked.remote,
        frozenset(asked.skills_all),
        asked.skills_any,
        asked.skills_any_at_least or 1,
        -1 if asked.min_years is None else asked.min_years,
        _ALWAYS if asked.pay_max is None else asked.pay_max,
        frozenset(asked.employment_types),
        _ALWAYS if asked.available_by is None else asked.available_by.toordinal(),
        pool.employer,
    )


def _naive(person: Person, pools: Sequence[_PlainPool]) -> list[int]:
    halves = findable(person, data.AT)
    if halves is None:
        return []
    profile, consent = halves
    sectors, shut_out = consent.sectors, consent.blocked_employers
    allowed = [one for one in person.lineages.values() if not sectors or not one.isdisjoint(sectors)]
    codes, skills = frozenset[str]().union(*allowed), person.skills
    state, remote, types = profile.state, profile.remote, profile.employment_types
    years = -1 if profile.years is None else profile.years
    pay = -1 if profile.pay_floor is None else profile.pay_floor
    since = -1 if profile.available_from is None else profile.available_from.toordinal()
    found = []
    for place, pool in enumerate(pools):
        if pool.occupations:
            if pool.occupations.isdisjoint(codes):
                continue
        elif sectors:
            continue
        if pool.states and state not in pool.states:
            continue
        if pool.years > years and pool.years >= 0:
            continue
        if pool.pay < pay or pool.by < since or (pool.remote is not None and pool.remote != remote):
            continue
        if not pool.skills_all <= skills or (pool.types and pool.types.isdisjoint(types)):
            continue
        if pool.skills_any and sum(skill in skills for skill in pool.skills_any) < pool.least:
            continue
        if pool.employer not in shut_out:
            found.append(place)
    return found


_TABLES = """
CREATE TABLE asked (pool integer, occupation integer, state integer, remote boolean, years integer, pay integer, by integer,
    types integer, skills_all integer[], skills_any integer[], least integer, employer text);
CREATE TABLE people (person integer, state integer, remote boolean, years integer, pay integer, since integer, types integer,
    skills integer[], shut_out text[]);
CREATE TABLE tokens (person integer, occupation integer);
"""
_INDEXES = """
CREATE INDEX ON asked (occupation, state); CREATE INDEX ON people (person); ANALYZE;
"""
_JOIN = """
SELECT DISTINCT person, pool FROM tokens JOIN people USING (person) JOIN asked ON {on}
WHERE asked.years <= people.years AND asked.pay >= people.pay AND asked.by >= people.since
  AND (asked.remote IS NULL OR asked.remote = people.remote) AND asked.types & people.types <> 0
  AND (skills_all = '{{}}' OR skills_all <@ skills)
  AND (shut_out = '{{}}' OR employer <> ALL(shut_out))
  AND (skills_any = '{{}}' OR (SELECT count(*) FROM unnest(skills_any) AS skill WHERE skill = ANY(skills)) >= least)
"""
_JOINS = {
    "by the key": _JOIN.format(
        on="asked.occupation = tokens.occupation AND (asked.state = people.state OR asked.state = 0)"
    ),
    "by two keys": _JOIN.format(on="asked.occupation = tokens.occupation AND asked.state = people.state")
    + " UNION "
    + _JOIN.format(on="asked.occupation = tokens.occupation AND asked.state = 0"),
}
"""Each with and without parallel workers; the best of them, tried once, is the peer. Pools stand by occupation and state, a row for each."""


class _Postgres:
    """Both sides in tables, what pools ask for beside their keys: no join is left but the one."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._connection = connection
        self.best = ""
        self._join = ""

    async def fill(self, pools: Sequence[Pool], people: Sequence[Person]) -> None:
        number: dict[Any, int] = {}

        def of(name: object) -> int:
            return number.setdefault(name, len(number) + 1)

        def mask(types: Sequence[str]) -> int:
            return sum(
                1 << ("full_time", "part_time", "contract", "temporary", "internship").index(one) for one in types
            )

        asked = [
            (
                place, of(code), of(("state", state)) if state else 0, pool.criteria.remote, plain.years, plain.pay, plain.by,
                mask(pool.criteria.employment_types) or 31, [of(one) for one in pool.criteria.skills_all],
                [of(one) for one in plain.skills_any], plain.least, pool.employer,
            )
            for place, pool in enumerate(pools)
            for plain in (_plain(pool),)
            for code in (plain.occupations or ("any",))
            for state in (plain.states or (None,))
        ]  # fmt: skip
        rows, tokens = [], []
        for place, person in enumerate(people):
            halves = findable(person, data.AT)
            assert halves is not None
            profile, consent = halves
            rows.append((
                place, of(("state", profile.state)), profile.remote, -1 if profile.years is None else profile.years,
                -1 if profile.pay_floor is None else profile.pay_floor,
                -1 if profile.available_from is None else profile.available_from.toordinal(), mask(profile.employment_types),
                [of(one) for one in person.skills], list(consent.blocked_employers),
            ))  # fmt: skip
            allowed = [
                one for one in person.lineages.values() if not consent.sectors or not one.isdisjoint(consent.sectors)
            ]
            codes = frozenset[str]().union(*allowed) | (frozenset() if consent.sectors else {"any"})
            tokens += [(place, of(code)) for code in codes]
        await self._connection.execute("DROP TABLE IF EXISTS asked, people, tokens;" + _TABLES)
        await self._connection.copy_records_to_table("asked", records=asked)
        await self._connection.copy_records_to_table("people", records=rows)
        await self._connection.copy_records_to_table("tokens", records=tokens)
        await self._connection.execute(_INDEXES)

    async def choose(self) -> None:
        """The best of the joins, with its best settings."""
        await self._connection.execute("SET work_mem = '256MB'; SET jit = off")
        took = {}
        for name, join in _JOINS.items():
            for workers in (0, 2):
                await self._connection.execute(f"SET max_parallel_workers_per_gather = {workers}")
                await self._connection.fetch(join)
                began = time.perf_counter()
                await self._connection.fetch(join)
                took[(name, workers)] = time.perf_counter() - began
        name, workers = min(took, key=took.__getitem__)
        self.best, self._join = f"{name}, {workers} workers", _JOINS[name]
        await self._connection.execute(f"SET max_parallel_workers_per_gather = {workers}")

    async def run(self) -> Pairs:
        return {(person, pool) for person, pool in await self._connection.fetch(self._join)}


def _bytes_a_pool(pools: Sequence[Pool]) -> tuple[float, PoolIndex]:
    """All that stays of them, with the vocabulary, as Python and numpy allocate it; not what numpy loads of itself at its first use."""
    PoolIndex(pools[:100])
    gc.collect()
    tracemalloc.start()
    index = PoolIndex(pools)
    gc.collect()
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return held / len(pools), index


def _changed(pools: Sequence[Pool], index: PoolIndex) -> float:
    """Half of what may wait is changed; microseconds for each."""
    count = max(1, int(len(pools) * _PENDING))
    began = time.perf_counter()
    for pool in pools[:count]:
        index.change({pool.id: pool})
    return (time.perf_counter() - began) / count * 1e6


def _measured(
    count: int, people: Sequence[Person], join: Callable[[], Pairs] | None, pools: Sequence[Pool], peer: str
) -> list[Figure]:
    size, index = _bytes_a_pool(pools)
    plain = [_plain(pool) for pool in pools]
    began = time.perf_counter()
    _naive(people[0], plain)
    few = people[: max(4, min(len(people), int(_NAIVE_SECONDS / (time.perf_counter() - began))))]
    found: dict[str, Pairs] = {}

    def ours() -> float:
        began = time.perf_counter()
        who, rows = index.rows(people, data.AT)
        took = time.perf_counter() - began
        found["ours"] = set(zip(who, rows, strict=True))
        return len(people) / took

    def naive() -> float:
        began = time.perf_counter()
        each = [_naive(person, plain) for person in few]
        took = time.perf_counter() - began
        theirs = {(who, place) for who, places in enumerate(each) for place in places}
        assert theirs == {one for one in found["ours"] if one[0] < len(few)}, "the naive loop finds others"
        return len(few) / took

    def postgres() -> float:
        assert join is not None
        began = time.perf_counter()
        theirs = join()
        took = time.perf_counter() - began
        assert theirs == found["ours"], "PostgreSQL finds others"
        return len(people) / took

    contenders: dict[str, Callable[[], float]] = {"ours": ours, "naive": naive}
    if join:
        contenders["postgres"] = postgres
    speeds = interleaved(contenders)
    matches = len(found["ours"]) / len(people)
    at = f"{count:,} pools, {matches:.1f} matches a person"
    goals = {10_000: (">= 120", ">= 8"), 100_000: (">= 400", ">= 8")}.get(count, ("", ""))
    figures = [compared(f"{at}: a naive loop", speeds["ours"], speeds["naive"], unit="people/s", goal=goals[0])]
    if join:
        what = f"{at}: PostgreSQL, {peer}"
        figures.append(compared(what, speeds["ours"], speeds["postgres"], unit="people/s", goal=goals[1]))
    figures.append(alone(f"{count:,} pools: memory", [size], unit="bytes/pool", goal="<= 500"))
    change = _changed(pools, index)
    figures.append(alone(f"{count:,} pools: a change", [change], unit="µs", goal=""))
    waiting = interleaved({f"{index.behind} changes wait": lambda: _all(index, people)}, rounds=3)
    figures += [alone(f"{count:,} pools: {what}", speed, unit="people/s", goal="") for what, speed in waiting.items()]
    for pool in islice(pools, int(0.011 * count) + 64):
        index.change({pool.id: pool})
    packing = index.packing()
    assert packing is not None
    began = time.perf_counter()
    index.swap(packing.run())
    figures.append(alone(f"{count:,} pools: packed again", [time.perf_counter() - began], unit="s", goal=""))
    assert set(zip(*index.rows(people, data.AT), strict=True)) == found["ours"], "packed again they find others"
    return figures


def _all(index: PoolIndex, people: Sequence[Person]) -> float:
    """To the very pools, from both engines."""
    began = time.perf_counter()
    index.match(people, data.AT)
    return len(people) / (time.perf_counter() - began)


async def _run(counts: Sequence[int], *, with_postgres: bool) -> None:
    people = data.people(_PEOPLE)
    figures: list[Figure] = []
    if not with_postgres:
        for count in counts:
            figures += _measured(count, people, None, list(data.pools(count)), "")
    else:
        with Servers() as servers:
            loop = asyncio.get_running_loop()
            connection = await asyncpg.connect(await servers.create_database("matching"))
            for count in counts:
                pools = list(data.pools(count))
                peer = _Postgres(connection)
                await peer.fill(pools, people)
                await peer.choose()

                def join(run: Callable[[], Awaitable[Pairs]] = peer.run) -> Pairs:
                    return asyncio.run_coroutine_threadsafe(_awaited(run), loop).result()

                figures += await asyncio.to_thread(_measured, count, people, join, pools, peer.best)
            say(f"PostgreSQL {(await connection.fetchval('SHOW server_version'))}")
            await connection.close()
    tell("matching", figures)


async def _awaited(run: Callable[[], Awaitable[Pairs]]) -> Pairs:
    return await run()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pools", nargs="*", type=int, default=_POOLS)
    parser.add_argument("--no-postgres", action="store_true", help="without the servers it needs")
    asked = parser.parse_args()
    asyncio.run(_run(asked.pools, with_postgres=not asked.no_postgres))
