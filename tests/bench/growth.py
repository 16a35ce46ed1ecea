"""`python -m tests.bench.growth [NAME...]`: what one more costs at 1, 10 and 100 times the data, as a table, `bench/growth.json` and `docs/growth.svg`.

The paths are those of `tests/counts` (a service put together as its own `app.py` does it, one connection, real servers) and of the other benches; what was there
before is filled in by SQL, or by the path itself. Sizes can't be measured in turns, and the machine is shared: so what is
measured is processor time, ours and that of the server's process which answers us (Linux counts both in nanoseconds).
"""

import asyncio
import logging
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog
from redis.asyncio import Redis

from services.pool_matching.adapters.postgres_pools import PostgresPools
from services.pool_matching.matching.index import PoolIndex
from shared.messaging.unit import unit_of_work
from shared.postgres.pool import Pool
from shared.security.sessions import SessionSigner
from tests.bench import growth_plot, matching_data, windows
from tests.bench.harness import ROUNDS, Figure, say, spread, tell
from tests.counts import test_counts as paths
from tests.counts.conftest import SUBJECT_KEY, Process, assembled
from tests.databases import Databases
from tests.signing import seed_of
from tests.stack import Servers

TIMES = 1, 10, 100
PEOPLE = 1_000
"""At once the data; a twentieth of it where the path fills it in itself."""
_BATCH, _PAGE, _TURNS = 100, 100, 20
Act = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Among:
    """What is measured among so many."""

    size: int
    prepare: Callable[[], Awaitable[Act]]
    """For one round: what is prepared is not measured."""
    items: int
    """Of a round."""
    servers: tuple[int, ...] = ()
    """The processes that work for us, by pid."""


Subject = AsyncIterator[Among]
"""Growing."""


@dataclass(frozen=True, slots=True)
class Bench:
    """The servers, and a folder for keys and clocks."""

    servers: Servers
    databases: Databases
    folder: Path

    def process(self, name: str):  # type: ignore[no-untyped-def]  # noqa: ANN201 - the context manager of `assembled`
        """A service with nothing of it running by itself."""
        return assembled(name, servers=self.servers, databases=self.databases, folder=self.folder)


async def windows_of(bench: Bench) -> Subject:
    """A decision of the windows for 1,000 of so many people with three slots each."""
    async with Redis.from_url(bench.servers.redis) as redis:
        server = int((await redis.info("server"))["process_id"])
        for times in TIMES:
            among = windows.Among(bench.servers.redis, PEOPLE * times, decided=PEOPLE)
            await among()
            yield Among(PEOPLE * times, partial(_nothing_before, among), PEOPLE, (server,))
        await redis.flushall()


async def matching(bench: Bench) -> Subject:
    """A person held against so many pools; who fits more of them costs more."""
    people = matching_data.people(500)
    for times in TIMES:
        index = await asyncio.to_thread(PoolIndex, list(matching_data.pools(PEOPLE * times)))
        found = len(index.rows(people, matching_data.AT)[0]) / len(people)
        say(f"{PEOPLE * times:,} pools: {found:.1f} of them fit a person")

        async def match(packed: PoolIndex = index) -> None:
            packed.rows(people, matching_data.AT)

        yield Among(PEOPLE * times, partial(_nothing_before, match), len(people))


_LISTED = """
INSERT INTO listed (pool, candidate, member_ref, since, counts, fit, shown, noted)
SELECT $1, md5('c' || i)::uuid::text, 'm_' || encode(sha256(i::text::bytea), 'hex'), current_date, true, '{}', face, face
FROM generate_series($2::integer, $3) AS i, jsonb('{"occupations": ["29-1141"], "skills": ["triage"], "years": 5, "state": "CO"}') AS face
"""


_OPEN = "INSERT INTO listings (pool, employer, state) VALUES ($1, 'emp_a', 'open') ON CONFLICT (pool) DO UPDATE SET state = 'open'"


async def listing(bench: Bench) -> Subject:
    """A page of 100 people of a pool's listing, from its middle."""
    async with bench.process("pool_matching") as process:
        await paths._ready(process)
        pool, connections = await process.service.pool.fetchval("SELECT pool FROM pools"), process.service.pool
        await connections.execute(_OPEN, pool)
        async for size in _filled(connections, partial(connections.execute, _LISTED, pool)):
            after = await connections.fetchval(
                "SELECT member_ref FROM listed ORDER BY 1 OFFSET $1 LIMIT 1", size // 2 - 1
            )

            async def read(ref: str = after) -> None:
                for _ in range(_TURNS):
                    async with unit_of_work(connections, at=process.service.clock.now(), source="bench") as unit:
                        assert len(await PostgresPools(unit).members(pool, after=ref, limit=_PAGE)) == _PAGE

            yield Among(size, partial(_nothing_before, read), _PAGE * _TURNS, await _backend(connections))


async def intake(bench: Bench) -> Subject:
    """A person of whom a vendor tells for the first time: identity, claim, proposal, invitation asked for; 100 in a batch."""
    async with bench.process("signup") as process:
        await paths._ready(process)
        for times in TIMES:
            size = PEOPLE // 20 * times
            while (there := await process.service.pool.fetchval("SELECT count(*) FROM candidates")) < size:
                await (await paths._reports(process, min(500, size - there)))()
            await process.service.pool.execute("ANALYZE")
            yield await _of_path(process, paths._reports, size)


_CONSENTS = """
WITH one AS (SELECT gen_random_uuid()::text AS candidate, 'p_' || encode(sha256(i::text::bytea), 'hex') AS principal, sha256(i::text::bytea) AS leaf
    FROM generate_series($1::integer, $2) AS i),
present AS (INSERT INTO consents (candidate, principal, version, changed_at, purposes, leaf)
    SELECT candidate, principal, 1, now(), '{match,contact}', leaf FROM one),
entry AS (INSERT INTO ledger (candidate, version, leaf, at) SELECT principal, 1, leaf, now() FROM one RETURNING seq, leaf),
opening AS (INSERT INTO ledger_openings (seq, nonce) SELECT seq, leaf FROM entry)
INSERT INTO receipts (id, seq, document) SELECT 'r_' || seq, seq, json_build_object('record', repeat('words', 300)) FROM entry
"""


async def saves(bench: Bench) -> Subject:
    """A person's choices by POST /me, from the request on: consent, ledger, receipt and outbox in one transaction."""
    async with bench.process("consent") as process:
        await paths._ready(process)
        connections = process.service.pool
        async for size in _filled(connections, partial(connections.execute, _CONSENTS)):
            yield await _of_path(process, paths._saves, size, count=1, turns=_TURNS)


async def own_page(bench: Bench) -> Subject:
    """A person's own page, GET /me with a session."""
    async with bench.process("consent") as process:
        await paths._ready(process)
        connections = process.service.pool
        async for size in _filled(connections, partial(connections.execute, _CONSENTS)):
            candidate = await connections.fetchval("SELECT candidate FROM consents ORDER BY 1 LIMIT 1")
            now = process.service.clock.now()
            token = SessionSigner(seed_of("signup"), SUBJECT_KEY).start(candidate, at=now, said_by=now).token

            async def look(mine: str = token) -> None:
                for _ in range(_TURNS):
                    answer = await process.http.get("/me", headers={"Authorization": f"Bearer {mine}"})
                    assert answer.status_code == 200, answer.text

            yield Among(size, partial(_nothing_before, look), _TURNS, await _backend(connections))


_OUTREACH = """
WITH asked AS (SELECT 'o_' || substr(md5(i::text), 1, 16) AS id, gen_random_uuid() AS candidate, now() - i % 30 * interval '1 day' AS at
    FROM generate_series($1::integer, $2) AS i),
consented AS (INSERT INTO consents (candidate, version, contact, blocked_employers) SELECT candidate, 1, true, '{}' FROM asked),
member AS (INSERT INTO memberships (candidate, version, employers) SELECT candidate, 1, '{emp_one}' FROM asked)
INSERT INTO outreach (id, employer, candidate, member_ref, request_digest, sealed, submitted_at, expires_at, state, slot_at, decision, decided_at, version)
SELECT id, 'emp_one', candidate, 'm', '\\x00', repeat('words', 200), at, at + interval '14 days', 'delivered', at, 'admit', at, 1 FROM asked
"""


async def requests(bench: Bench) -> Subject:
    """A request decided and told, 100 in a batch: rows, rules, windows, feed, outbox."""
    async with bench.process("outreach_gateway") as process:
        await paths._ready(process)
        connections = process.service.pool
        async for size in _filled(connections, partial(connections.execute, _OUTREACH)):
            yield await _of_path(process, paths._requested, size)


SUBJECTS: dict[str, tuple[str, Callable[[Bench], Subject]]] = {
    "windows": ("a decision of the windows, by people", windows_of),
    "matching": ("a person matched, by pools", matching),
    "listing": ("one of a page of a listing, by people listed", listing),
    "intake": ("a person's rows at intake, by people", intake),
    "saves": ("choices saved (ledger), by people", saves),
    "page": ("a person's own page, by people", own_page),
    "requests": ("a request decided, by outreach", requests),
}


async def _filled(connections: Pool, more: Callable[[int, int], Awaitable[object]]) -> AsyncIterator[int]:
    """Rows from one number to another are added; how many there are."""
    there = 0
    for times in TIMES:
        while there < PEOPLE * times:
            upto = min(there + 10_000, PEOPLE * times)
            await more(there + 1, upto)
            there = upto
        await connections.execute("VACUUM ANALYZE")
        yield there


async def _backend(connections: Pool) -> tuple[int, ...]:
    return (await connections.fetchval("SELECT pg_backend_pid()"),)


async def _nothing_before(act: Act) -> Act:
    return act


async def _of_path(process: Process, path: paths.Path_, size: int, *, count: int = _BATCH, turns: int = 1) -> Among:
    async def prepare() -> Act:
        acts = [await path(process, count) for _ in range(turns)]

        async def act() -> None:
            for one in acts:
                await one()

        return act

    return Among(size, prepare, count * turns, await _backend(process.service.pool))


def _processor(servers: Sequence[int]) -> tuple[float, float]:
    """Seconds of a processor that this process, and that those, have had so far."""
    theirs = sum(int(Path(f"/proc/{pid}/schedstat").read_text("ascii").split()[0]) for pid in servers)
    return time.process_time(), theirs / 1e9


async def _measured(among: Among) -> list[tuple[float, float]]:
    """Microseconds of one in each round, ours and the servers'; the first one warms."""
    found = []
    for _ in range(ROUNDS + 1):
        act = await among.prepare()
        before = _processor(among.servers)
        await act()
        after = _processor(among.servers)
        found.append(((after[0] - before[0]) * 1e6 / among.items, (after[1] - before[1]) * 1e6 / among.items))
    return found[1:]


async def _figures(bench: Bench, name: str) -> list[Figure]:
    what, subject = SUBJECTS[name]
    figures: list[Figure] = []
    first = 0.0
    began = time.perf_counter()
    async for among in subject(bench):
        took = await _measured(among)
        both, theirs = [sum(one) for one in took], statistics.median(one[1] for one in took)
        cost = statistics.median(both)
        first = first or cost
        figures.append(
            Figure(
                f"{what}: {among.size:,}",
                cost,
                theirs,
                "µs of a processor; of them the server",
                cost / first,
                spread(both),
                "ratio 1",
            )
        )
    say(f"{name}: {time.perf_counter() - began:.0f} s")
    return figures


@asynccontextmanager
async def _started() -> AsyncIterator[Bench]:
    async with AsyncExitStack() as stack:
        servers = stack.enter_context(Servers())
        folder = Path(stack.enter_context(TemporaryDirectory()))
        yield Bench(servers, Databases(servers), folder)


async def _run(names: list[str]) -> None:
    async with _started() as bench:
        found = {name: await _figures(bench, name) for name in names}
    tell("growth", [figure for figures in found.values() for figure in figures])
    if names == list(SUBJECTS):
        growth_plot.write(
            {SUBJECTS[name][0]: [one.ratio or 0.0 for one in figures] for name, figures in found.items()}, TIMES
        )


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    asyncio.run(_run(sys.argv[1:] or list(SUBJECTS)))
