"""`python -m tests.bench.rebuild`: how long the windows of a million people with five million slots take to build anew, and what
those decide meanwhile whose shards are open.

Real PostgreSQL and Redis, no Kafka in the way: the handler of requests runs as in the gateway, each batch in a transaction of its
own, and gateways that only build run as processes beside it.
"""

import argparse
import asyncio
import hashlib
import json
import logging
import resource
import statistics
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog
from redis.asyncio import Redis

from services.outreach_gateway import handlers
from services.outreach_gateway.adapters.policy_file import read_policy
from services.outreach_gateway.adapters.postgres import PostgresOutreach
from services.outreach_gateway.adapters.postgres_epochs import PostgresEpochs
from services.outreach_gateway.adapters.redis_windows import RedisWindows
from services.outreach_gateway.model import SHARDS, Standing, shard_of
from services.outreach_gateway.ports.windows import Found
from services.outreach_gateway.rebuild import Rebuild
from shared.contracts.outreach_gateway import OutreachRequestedV1
from shared.facts import Known
from shared.messaging.envelope import Received, Record
from shared.messaging.unit import unit_of_work
from shared.postgres.migrate import migrate
from shared.postgres.pool import Pool, open_pool
from tests.databases import MIGRATIONS_OF
from tests.fakes.clock import FixedClock
from tests.integration.outreach_gateway.rebuilding import TICKS, feed
from tests.stack import Servers
from tests.window_logs import names_and_slots

POLICY = read_policy("2026-12")
NOW = datetime(2026, 11, 23, 19, 0, tzinfo=UTC)
"""Noon in Denver on a Monday."""
BATCH = 50
_ROWS_AT_ONCE = 250_000
_SENT = """
INSERT INTO outreach (id, employer, candidate, member_ref, request_digest, submitted_at, expires_at, state, decided_at, slot_at)
SELECT 'o_' || md5(i || 'o' || $3::integer), 'emp_' || (i * 7 + $3::integer) % 300, md5('p' || i)::uuid, 'm_' || i, '\\x00', slot, slot, 'delivered', slot, slot
FROM (SELECT i, $4::timestamptz - $3::integer * interval '8 days' - (i % 600000) * interval '1 second' AS slot
      FROM generate_series($1::bigint, $2::bigint) AS i) AS sent
"""

_ROWS = """
SELECT candidate, json_agg(json_build_array(id || '|' || employer, round(extract(epoch FROM slot_at) * 1000)))::text AS slots
FROM outreach WHERE shard_of(candidate) = $1 AND slot_at IS NOT NULL AND id LIKE 'o\\_%' GROUP BY candidate
"""
_COMPARED_AT_ONCE = 500


@dataclass
class Bench:
    pool: Pool
    windows: RedisWindows
    waits: list[OutreachRequestedV1] = field(default_factory=list)
    decided: int = 0

    @asynccontextmanager
    async def epochs(self) -> AsyncIterator[PostgresEpochs]:
        async with unit_of_work(self.pool, at=NOW, source="outreach_gateway") as unit:
            yield PostgresEpochs(unit)

    async def fill(self, people: int, slots: int) -> None:
        """The rows, without their indexes, which are made again at the end."""
        indexes = await self.pool.fetch(
            "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'outreach' AND indexname <> 'outreach_pkey'"
        )
        for index in indexes:
            await self.pool.execute(f"DROP INDEX {index['indexname']}")
        for slot in range(slots):
            for first in range(1, people + 1, _ROWS_AT_ONCE):
                last = min(first + _ROWS_AT_ONCE - 1, people)
                await self.pool.execute(_SENT, first, last, slot, NOW, timeout=600)
        async with self.pool.acquire() as connection:
            await connection.execute("SET maintenance_work_mem = '256MB'")
            for index in indexes:
                await connection.execute(index["indexdef"], timeout=600)
            await connection.execute("RESET maintenance_work_mem")
        await self.pool.execute("VACUUM (ANALYZE) outreach", timeout=600)

    async def differing(self, redis: Redis) -> tuple[int, int]:
        """People whose windows in Redis are not what their rows say, by a comparison that is slow and obvious; of how many."""
        wrong, seen = 0, 0
        for shard in range(SHARDS):
            rows = await self.pool.fetch(_ROWS, shard, timeout=600)
            for at in range(0, len(rows), _COMPARED_AT_ONCE):
                some = rows[at : at + _COMPARED_AT_ONCE]
                keys = [f"fp:{{s{shard}}}:{row['candidate']}" for row in some]
                async with redis.pipeline(transaction=False) as asked:
                    for key in keys:
                        asked.get(key)
                        asked.pttl(key)
                    found = await asked.execute()
                for row, log, lives in zip(some, found[::2], found[1::2], strict=True):
                    is_as_rows = log is not None and names_and_slots(log) == dict(json.loads(row["slots"]))
                    wrong += not is_as_rows or lives < 0
            seen += len(rows)
        return wrong, seen

    async def know(self, people: int) -> None:
        """People who allow it, each with a request that waits to be decided."""
        ids = [
            str(row["id"])
            for row in await self.pool.fetch(
                "SELECT md5('q' || i)::uuid AS id FROM generate_series(1, $1) AS i", people
            )
        ]
        await self.pool.execute(
            "INSERT INTO consents (candidate, version, contact, blocked_employers, time_zone) "
            "SELECT id, 1, true, '{}', 'America/Denver' FROM unnest($1::uuid[]) AS id",
            ids,
        )
        await self.pool.execute(
            "INSERT INTO memberships (candidate, version, employers) SELECT id, 1, '{emp_a}' FROM unnest($1::uuid[]) AS id",
            ids,
        )
        until = NOW + timedelta(days=14)
        await self.pool.execute(
            "INSERT INTO outreach (id, employer, candidate, member_ref, request_digest, sealed, submitted_at, expires_at, due_at) "
            "SELECT 'w_' || md5(id::text), 'emp_a', id, 'm', '\\x00', 'words', $2, $3, $3 FROM unnest($1::uuid[]) AS id",
            ids, NOW, until,
        )  # fmt: skip
        self.waits = [
            OutreachRequestedV1(
                outreach=f"w_{hashlib.md5(id.encode(), usedforsecurity=False).hexdigest()}",
                employer="emp_a",
                candidate=id,
                at=NOW,
                expires_at=until,
            )
            for id in ids
        ]

    async def decide(self, done: asyncio.Event) -> "Traffic":
        """Batch after batch, until it is over or nobody waits any more; the pace is that of a busy gateway."""
        since, seen, record = time.perf_counter(), Traffic(), Record("outreach-requests", 0, 0, b"", b"", ())
        while not done.is_set() and self.waits:
            batch, self.waits = self.waits[:BATCH], self.waits[BATCH:]
            received = [Received(event.outreach, "bench", None, event, record) for event in batch]
            began = time.perf_counter()
            async with unit_of_work(self.pool, at=NOW, source="outreach_gateway") as unit:
                store = PostgresOutreach(unit, POLICY, feed, TICKS)
                await handlers.on_outreach_requested(
                    store, received, self.windows, POLICY, lambda _: Known(Standing.GOOD)
                )
            took = time.perf_counter() - began
            held = {event.outreach for event in batch if shard_of(event.candidate) in self.windows.held}
            seen.add(took, len(batch) - len(held), len(held))
            self.decided += len(batch) - len(held)
            self.waits += [event for event in batch if event.outreach in held]
            await asyncio.sleep(max(0.0, 0.1 - took))
        seen.lasted = time.perf_counter() - since
        return seen

    async def rebuilt(self, lost: Sequence[int], redis: Redis, workers: int, places: tuple[str, str]) -> float:
        """Loses these shards, and waits until all stand."""
        await redis.delete(*(f"fp:{{s{shard}}}" for shard in lost))
        began = time.perf_counter()
        processes = [
            await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.bench.rebuild", "--worker", *places)
            for _ in range(workers)
        ]
        looks = Rebuild(self.epochs, self.windows)
        while set((await looks.look()).values()) != {Found.OPEN}:
            async with self.epochs() as rows:
                building = [one.building for one in (await rows.present()).values() if one.building]
            if sys.stderr.isatty() and building:
                placed, total = (sum(getattr(one, what) for one in building) for what in ("placed", "total"))
                sys.stderr.write(
                    f"\r{len(building):>3} shards, {placed:,} of {total:,} slots, {self.decided:,} decided  "
                )
            await asyncio.sleep(0.5)
        took = time.perf_counter() - began
        for process in processes:
            process.kill()
            await process.wait()
        return took


@dataclass
class Traffic:
    times: list[float] = field(default_factory=list)
    decided: int = 0
    held: int = 0
    lasted: float = 0.0

    def add(self, took: float, decided: int, held: int) -> None:
        self.times.append(took)
        self.decided += decided
        self.held += held

    def __str__(self) -> str:
        if len(self.times) < 2:
            return "too few batches"
        cuts = statistics.quantiles(self.times, n=100)
        return (
            f"{len(self.times)} batches of {BATCH}: {self.decided} decided ({self.decided / self.lasted:.0f}/s), "
            f"{self.held} times held; p50 {cuts[49] * 1000:.0f} ms, p99 {cuts[98] * 1000:.0f} ms"
        )


async def _worker(dsn: str, url: str) -> None:
    """A gateway that only builds."""
    pool = await open_pool(dsn, name="bench")
    bench = Bench(pool, RedisWindows.at_url(url, POLICY, FixedClock(NOW), is_cluster=False))
    rebuild = Rebuild(bench.epochs, bench.windows)
    while True:
        await rebuild.look()
        await rebuild.build()
        await asyncio.sleep(0.2)


async def _measure(people: int, slots: int, workers: int) -> None:
    with Servers() as servers:
        dsn = await servers.create_database("rebuild")
        pool, redis = await open_pool(dsn, name="bench"), Redis.from_url(servers.redis)
        await migrate(pool, *MIGRATIONS_OF["outreach_gateway"])
        bench = Bench(pool, RedisWindows.at_url(servers.redis, POLICY, FixedClock(NOW), is_cluster=False))
        began = time.perf_counter()
        await bench.fill(people, slots)
        await bench.know(max(30_000, people // 10))
        _say(
            f"{people:,} people, {people * slots:,} slots, filled in {time.perf_counter() - began:.0f} s; {workers} gateways build"
        )
        for what, lost in (("all shards lost", range(SHARDS)), ("a quarter lost", range(SHARDS // 4))):
            if what != "all shards lost":
                quiet = asyncio.Event()
                asyncio.get_running_loop().call_later(10, quiet.set)
                _say(f"before: {await bench.decide(quiet)}")
            done = asyncio.Event()
            deciding = asyncio.create_task(bench.decide(done))
            took = await bench.rebuilt(list(lost), redis, workers, (dsn, servers.redis))
            done.set()
            _say(
                f"{what}: built anew in {took:.1f} s ({people * slots * len(lost) / SHARDS / took:,.0f} slots/s); meanwhile {await deciding}"
            )
            wrong, compared = await bench.differing(redis)
            _say(f"{compared:,} people compared: {wrong} differ from their rows")
            if wrong or compared != people:
                sys.exit("what was built is not what the rows say")
        memory = (await redis.info("memory"))["used_memory"]
        children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        _say(f"Redis {memory / people:.0f} bytes a person; the largest process had {children:.0f} MB")
        await redis.aclose()
        await pool.close()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """Full size by default; `--part 10` is a tenth."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=1_000_000)
    parser.add_argument("--slots", type=int, default=5, help="of each person")
    parser.add_argument("--part", type=int, default=1, help="measure one of so many parts of it")
    parser.add_argument("--workers", type=int, default=2, help="gateways that build")
    parser.add_argument("--worker", nargs=2, metavar=("DSN", "REDIS"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    if chosen.worker:
        asyncio.run(_worker(*chosen.worker))
    else:
        asyncio.run(_measure(chosen.people // chosen.part, chosen.slots, chosen.workers))


if __name__ == "__main__":
    main()
