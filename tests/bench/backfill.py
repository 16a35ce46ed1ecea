"""`make bench-backfill`: a pool is made where many people are stored already, by `POST /v1/pools`, and a worker holds it against all of them.

For each number of people (BENCH_ARGS="20000 200000 1000000") servers, an edge and a worker of their own, and two pools: a broad one
that about one person in ten fits, and a narrow one that one kind of 5,000 fits. Said of each: when the first member is stored, when the pool
is `ready`, and when all are told: in the employer's feed, and nothing left in the outbox. Beside it a naive loop that reads everybody, holds
them against the pool by the rules and writes who fits: both must find the same. Meanwhile profiles change, and the bench says how long such
a change takes until it is decided, beside the same with nothing else to do; and what memory the worker had at most.
"""

import asyncio
import logging
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import asyncpg
import httpx
import structlog

from deploy.local.ports import free_ports
from services.pool_matching.model import Pool
from shared.contracts.operator import TenantChangedV1
from shared.contracts.pool_matching import Criteria
from shared.contracts.signup import CandidateProfileChangedV1, CoarseProfile
from shared.messaging import topics
from shared.messaging.envelope import encode
from shared.messaging.producer import Producer
from shared.postgres.migrate import migrate
from shared.postgres.pool import open_pool
from shared.security.tenant_keys import hash_key, new_key
from tests.architecture.test_subscriptions import ENVIRONMENT
from tests.bench import backfill_data as data
from tests.bench.harness import Figure, alone, compared, say, tell
from tests.bench.intake import Bench, answers, until
from tests.databases import MIGRATIONS_OF
from tests.signing import Owners, environment_of
from tests.stack import Servers

M = TypeVar("M", bound="Matcher")
COUNTS = (20_000, 200_000)
_EMPLOYER = "emp_one"
_WITHIN = 1_800.0
_ALONE = 8.0
"""Seconds in which profiles change with nothing beside them."""
_LIVE, _LIVE_EVERY = 20, 0.25
"""So many profiles change at once, so often."""
_LIVE_LOOKS_EVERY, _LOOKS_FIRST_EVERY, _LOOKS_EVERY, _SAYS_EVERY = 0.02, 0.05, 0.2, 5.0
"""Seconds between looks: each is PostgreSQL's work as well, and counts as if it were for the members."""


@dataclass
class Matcher(Bench):
    """An edge and a worker of matching."""

    worker: int = 0
    """Its process, and PostgreSQL's first one."""
    postgres: int = 0

    def spent(self) -> tuple[float, float]:
        """Seconds of processor time of the worker and of PostgreSQL until now."""
        return processor_time(self.worker), processor_time(self.postgres, with_children=True)

    def matching(self, role: str, port: int) -> subprocess.Popen[bytes]:
        """One process of the service, ready."""
        known = {
            **ENVIRONMENT,
            **{name.removeprefix("FAIRPOOL_"): value for name, value in environment_of("pool_matching").items()},
            "KAFKA": self.servers.kafka, "KAFKA_IDEMPOTENCE": str(self.servers.idempotence), "REDIS": self.servers.redis,
            "POOL_MATCHING_DATABASE": self.dsn, "HTTP_PORT": str(port), "ROLE": role, "LOG_LEVEL": "WARNING", "DRAIN_FOR": "PT0S",
        }  # fmt: skip
        made = self.process("services.pool_matching", environment=known)
        until(lambda: made.poll() is not None or answers(f"http://127.0.0.1:{port}/health/ready"))
        assert made.poll() is None, f"matching as {role} did not start: it has said why"
        return made

    def make_pool(self, name: str, criteria: Criteria) -> Pool:
        """As the employer makes it."""
        body = {"name": name, **criteria.model_dump(mode="json", exclude_defaults=True)}
        headers = {"Authorization": f"Bearer {self.keys[_EMPLOYER]}"}
        answer = httpx.post(f"http://127.0.0.1:{self.ports[0]}/v1/pools", json=body, headers=headers, timeout=60)
        assert answer.status_code == 201, answer.text
        return Pool(answer.json()["id"], _EMPLOYER, 1, name, criteria)


@contextmanager
def started(kind: type[M]) -> Iterator[M]:
    """Servers, topics, an employer; nobody works yet."""
    with ExitStack() as stack:
        servers = stack.enter_context(Servers())
        dsn = asyncio.run(servers.create_database("bench"))
        bench = kind(servers, stack, dsn, tuple(free_ports(3)))  # type: ignore[arg-type]  # three
        asyncio.run(_prepare(bench))
        yield bench


async def _prepare(bench: Matcher) -> None:
    await topics.create_missing(bench.kafka)
    await topics.create_missing(bench.kafka, [bench.events, bench.ended])
    async with await open_pool(bench.dsn, name="bench") as pool:
        await migrate(pool, *MIGRATIONS_OF["pool_matching"])
    producer = Producer(bench.kafka, idempotence=bench.servers.idempotence, client_id="bench", signer=Owners())
    await producer.start()
    bench.keys[_EMPLOYER] = new_key(_EMPLOYER)
    hashes = (hash_key(bench.keys[_EMPLOYER]),)
    tenant = TenantChangedV1(tenant=_EMPLOYER, version=1, kind="employer", name="One", key_hashes=hashes, vendor="acme")
    vendor = TenantChangedV1(tenant="acme", version=1, kind="vendor", name="acme", key_hashes=())
    await producer.send([encode(one, source="operator", at=datetime.now(UTC)) for one in (vendor, tenant)])
    await producer.stop()


def processor_time(pid: int, *, with_children: bool = False) -> float:
    """Seconds that a process has used, and those whom it started, whether or not they are over."""
    mine = _times(pid)
    ticks = sum(mine[:4]) if with_children else sum(mine[:2])
    if with_children:
        ticks += sum(sum(_times(child)[:2]) for child in map(int, _children(pid)))
    return ticks / os.sysconf("SC_CLK_TCK")


def _times(pid: int) -> list[int]:
    """utime, stime, and those of children that are over (proc(5), stat, 14 to 17); nothing of who has just ended."""
    try:
        return list(map(int, _stat(pid)[11:15]))
    except FileNotFoundError:
        return [0, 0, 0, 0]


def _children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()


def postmaster(dsn: str) -> int:
    """PostgreSQL's first process, which all others are children of."""

    async def ask() -> int:
        connection = await asyncpg.connect(dsn)
        try:
            return int(_stat(await connection.fetchval("SELECT pg_backend_pid()"))[1])
        finally:
            await connection.close()

    return asyncio.run(ask())


_OLDEST = "SELECT min(profile_version) FROM persons WHERE candidate = ANY($1)"


@dataclass
class Live:
    """Profiles that change all the while, a few at a time: how long until the worker has decided them."""

    bench: Matcher
    people: list[str]
    profile: dict[str, str]
    version: int = 1
    took: list[float] = field(default_factory=list)

    async def run(self, stop: asyncio.Event) -> None:
        """Until it is told to stop; each of them with the profile that it has, so that who fits stays the same."""
        producer = Producer(
            self.bench.kafka, idempotence=self.bench.servers.idempotence, client_id="bench", signer=Owners()
        )
        await producer.start()
        connection = await asyncpg.connect(self.bench.dsn)
        place = 0
        while not stop.is_set():
            some = [self.people[(place + number) % len(self.people)] for number in range(_LIVE)]
            place += _LIVE
            self.version += 1
            events = [
                CandidateProfileChangedV1(
                    candidate=one, version=self.version, profile=CoarseProfile.model_validate_json(self.profile[one])
                )
                for one in some
            ]
            began = time.perf_counter()
            await producer.send([encode(one, source="signup", at=datetime.now(UTC)) for one in events])
            while await connection.fetchval(_OLDEST, some) < self.version:  # noqa: ASYNC110 - another process has no event here
                await asyncio.sleep(_LIVE_LOOKS_EVERY)
            self.took.append(time.perf_counter() - began)
            await asyncio.sleep(max(0.0, _LIVE_EVERY - self.took[-1]))
        await connection.close()
        await producer.stop()

    def since_last(self) -> list[float]:
        """Seconds of each of the changes since this was asked."""
        took, self.took = self.took, []
        return took


@dataclass(frozen=True, slots=True)
class Filled:
    """How a pool came to its people; seconds since it was made."""

    members: set[str]
    first: float
    ready: float
    told: float
    live: list[float]
    worker: float
    """Seconds of processor time, until all were told."""
    postgres: float
    """The same of all of its processes."""


_STANDING = """
SELECT coalesce((SELECT done FROM evaluations WHERE pool = $1), false) AS ready,
    (SELECT after_candidate FROM evaluations WHERE pool = $1) AS after,
    EXISTS (SELECT FROM memberships WHERE pool = $1) AS has_any,
    (SELECT told_at IS NOT NULL AND NOT is_unfinished FROM listings WHERE pool = $1) AS listed
"""
_NOTHING_WAITS = """
SELECT (SELECT id FROM feed_incoming WHERE feed = 'updates' ORDER BY id DESC LIMIT 1) IS NULL
    AND (SELECT id FROM outbox ORDER BY id DESC LIMIT 1) IS NULL AND (SELECT id FROM disclosures ORDER BY id DESC LIMIT 1) IS NULL
"""
"""Asked once the list is made, and from the end: from the beginning it would read all that has gone, again and again."""


async def _filled(
    bench: Matcher, pool: Pool, connection: "asyncpg.Connection[asyncpg.Record]", live: Live, count: int
) -> Filled:
    began = time.perf_counter()
    at: dict[str, float] = {}
    said, before = began, bench.spent()
    while "told" not in at:
        row = await connection.fetchrow(_STANDING, pool.id)
        assert row is not None
        now = time.perf_counter()
        for name, holds in (
            ("first", row["has_any"] or row["ready"]),
            ("ready", row["ready"]),
            ("told", row["ready"] and row["listed"] and await connection.fetchval(_NOTHING_WAITS)),
        ):
            if holds:
                at.setdefault(name, now - began)
        assert now - began < _WITHIN, "the pool was not told in time"
        if now - said > _SAYS_EVERY:
            said = now
            through = data.place_of(row["after"] or "") / count
            say(f"  {now - began:5.0f} s: {'ready' if row['ready'] else f'{through:.0%} held against it'}")
        await asyncio.sleep(_LOOKS_EVERY if "first" in at else _LOOKS_FIRST_EVERY)
    spent = tuple(now - then for now, then in zip(bench.spent(), before, strict=True))
    members = {
        row["candidate"] for row in await connection.fetch("SELECT candidate FROM memberships WHERE pool = $1", pool.id)
    }
    told = await connection.fetchval(
        "SELECT count(*) FROM feed_rows WHERE feed = 'updates' AND reader = $1 AND body ->> 'pool' = $2 AND body ->> 'change' = 'joined'",
        _EMPLOYER, pool.id,
    )  # fmt: skip
    assert told == (len(members) if len(members) >= 5 else 0), f"{told} were told of {len(members)}"
    return Filled(members, at["first"], at["ready"], at["told"], live.since_last(), *spent)


async def _measured(bench: Matcher, count: int, worker: int) -> list[Figure]:
    connection = await asyncpg.connect(bench.dsn)
    # Before anything changes: this loop stands still meanwhile, and so would what it says of a change.
    asked = {"broad": data.broad(), "narrow": data.narrow()}
    bench.worker = worker
    rows = await connection.fetch("SELECT candidate, profile::text FROM persons ORDER BY md5(candidate) LIMIT 2000")
    live = Live(bench, [row["candidate"] for row in rows], {row["candidate"]: row["profile"] for row in rows})
    stop = asyncio.Event()
    changing = asyncio.create_task(live.run(stop))
    await asyncio.sleep(3)
    live.since_last()  # warm
    before = bench.spent()
    await asyncio.sleep(_ALONE)
    quiet = live.since_last()
    rest = tuple((now - then) / _ALONE for now, then in zip(bench.spent(), before, strict=True))
    at_rest = _memory(worker)
    figures: list[Figure] = []
    for name, criteria in asked.items():
        pool = await asyncio.to_thread(bench.make_pool, name, criteria)
        filled = await _filled(bench, pool, connection, live, count)
        say(
            f"{count:,} people, {name}: {len(filled.members):,} members told after {filled.told:.1f} s; the naive loop beside it"
        )
        stop.set()
        await changing
        began = time.perf_counter()
        found = await data.plainly(connection, pool)
        plain = time.perf_counter() - began
        assert found == filled.members, f"the naive loop finds {len(found)} and not {len(filled.members)}"
        stop.clear()
        changing = asyncio.create_task(live.run(stop))
        live.since_last()
        figures += _figures(f"{count:,}, {name} ({len(found):,})", count, filled, plain, quiet, rest)
    stop.set()
    await changing
    await connection.close()
    figures.append(alone(f"{count:,}: worker before", [at_rest], unit="MB", goal=""))
    figures.append(
        alone(
            f"{count:,}: worker at most",
            [_memory(worker, "VmHWM")],
            unit="MB",
            goal="flat",
        )
    )
    return figures


def _figures(
    what: str, count: int, filled: Filled, plain: float, quiet: list[float], rest: tuple[float, ...]
) -> list[Figure]:
    """`rest`: seconds of processor time that worker and PostgreSQL use in a second in which only live changes come."""
    members = max(1, len(filled.members))
    worker, postgres = (
        used - filled.told * alone_ for used, alone_ in zip((filled.worker, filled.postgres), rest, strict=True)
    )
    figures = [
        alone(f"{what}: first stored", [filled.first], unit="s", goal="under 1"),
        alone(f"{what}: ready", [filled.ready], unit="s", goal=""),
        alone(f"{what}: told", [filled.told], unit="s", goal="100,000 in 30"),
        compared(f"{what}: ready; naive", [count / filled.ready], [count / plain], unit="people/s", goal="said"),
        compared(f"{what}: told; naive", [members / filled.told], [members / plain], unit="members/s", goal="said"),
        alone(f"{what}: the worker's processor time", [filled.worker / members * 1e6], unit="µs/member", goal="said"),
        alone(f"{what}: PostgreSQL's", [filled.postgres / members * 1e6], unit="µs/member", goal="said"),
        alone(
            f"{what}: the worker's, without what live changes take alone",
            [worker / members * 1e6],
            unit="µs/member",
            goal="said",
        ),
        alone(f"{what}: PostgreSQL's, the same", [postgres / members * 1e6], unit="µs/member", goal="said"),
    ]
    if live := filled.live:
        of = f"{what}: {_LIVE} changed profiles"
        figures += [
            compared(
                f"{of}, median; alone", [statistics.median(live)], [statistics.median(quiet)], unit="s", goal="said"
            ),
            compared(f"{of}, worst of {len(live)}; alone", [max(live)], [max(quiet)], unit="s", goal="said"),
        ]
    return figures


def _memory(pid: int, which: str = "VmRSS") -> float:
    """MB, as Linux counts them."""
    lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(which))


async def _people(bench: Matcher, count: int) -> None:
    connection = await asyncpg.connect(bench.dsn)
    await data.fill(connection, count, say)
    await connection.close()


def main() -> None:
    """`python -m tests.bench.backfill [PEOPLE...]`."""
    figures: list[Figure] = []
    for count in [int(one) for one in sys.argv[1:]] or COUNTS:
        with started(Matcher) as bench:
            asyncio.run(_people(bench, count))
            bench.matching("edge", bench.ports[0])
            worker = bench.matching("worker", bench.ports[1])
            bench.postgres = postmaster(bench.dsn)
            figures += asyncio.run(_measured(bench, count, worker.pid))
    tell("backfill", figures, rounds=1)


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    main()
