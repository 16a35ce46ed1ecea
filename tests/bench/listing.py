"""`python -m tests.bench.listing [PEOPLE]`: how long it takes to decide and to tell a listing of so many people (100,000), what memory
it takes, and how long those wait who leave meanwhile, one after the other.

Real PostgreSQL; the handler of tellings runs as in pool_matching, each step in a transaction of its own.
"""

import asyncio
import resource
import sys
import time
from datetime import timedelta

from rich.console import Console

from services.pool_matching.model import Pool
from shared.contracts.pool_matching import Criteria
from shared.postgres.migrate import migrate
from shared.postgres.pool import open_pool
from tests.databases import MIGRATIONS_OF
from tests.integration.pool_matching.kit import PostgresKit, evaluate, keep_pool, next_tick, tell_pools, telling
from tests.stack import Servers

_PEOPLE = """
INSERT INTO persons (candidate) SELECT md5('c' || i)::uuid::text FROM generate_series($1::integer, $2) AS i
"""
_MEMBERS = """
INSERT INTO memberships (pool, candidate, employer, member_ref, since, shown, generation)
SELECT 'p_many', md5('c' || i)::uuid::text, 'emp_a', 'm_' || encode(sha256(i::text::bytea), 'hex'), $3,
    jsonb_build_object('years', (ARRAY[0, 1, 3, 5, 10, 15, 20])[1 + i * 7919 % 7], 'state', (ARRAY['CO', 'WY', 'UT', 'AZ'])[1 + i % 4],
        'skills', to_jsonb(ARRAY(SELECT 'skill ' || skill FROM generate_series(0, 9) AS skill
            WHERE hashtext(i || ' ' || skill) % (skill + 2) = 0))), 0
FROM generate_series($1::integer, $2) AS i
"""
_AT_ONCE = 5_000
_LEAVE = "DELETE FROM memberships WHERE candidate = (SELECT candidate FROM memberships LIMIT 1)"


def _memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def _run(people: int) -> None:
    out = Console()
    with Servers() as servers:
        dsn = await servers.create_database("listing")
        async with await open_pool(dsn, name="bench") as connections:
            await migrate(connections, *MIGRATIONS_OF["pool_matching"])
            kit = PostgresKit(connections)
            await keep_pool(kit, Pool("p_many", "emp_a", 1, "Many", Criteria(min_years=0)))
            await tell_pools(kit, Pool("p_many", "emp_a", 1, "Many", Criteria(min_years=0)))
            await evaluate(kit)
            for first in range(1, people + 1, _AT_ONCE):
                last = min(first + _AT_ONCE - 1, people)
                await connections.execute(_PEOPLE, first, last)
                await connections.execute(_MEMBERS, first, last, kit.at - timedelta(days=1))
            await connections.execute("ANALYZE")
            before, waited = _memory(), 0.0

            async def leaves() -> None:
                nonlocal waited
                while True:
                    began = time.monotonic()
                    await connections.execute(_LEAVE)
                    waited = max(waited, time.monotonic() - began)

            for what in ("opened", "nothing new"):
                kit.at = next_tick(kit)
                leaver = asyncio.create_task(leaves())
                began = time.monotonic()
                more = await telling(kit)
                decided = time.monotonic() - began
                steps = 1
                while more:
                    more = await telling(kit)
                    steps += 1
                leaver.cancel()
                out.print(
                    f"{people:,} people, {what}: decided in {decided:.1f} s, told in {time.monotonic() - began - decided:.1f} s "
                    f"by {steps} steps; a leave waited {waited:.1f} s at most; {_memory() - before:.0f} MB more at the peak"
                )
                waited = 0.0


if __name__ == "__main__":
    asyncio.run(_run(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000))
